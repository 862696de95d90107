"""Blocks as structures of units: each function gives the block that fits, or None."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.reading.units import Links, Squeeze, Unit, activation_behind, norm_arrays, run, unit
from nadv2_tf.spec import blocks

if TYPE_CHECKING:
  from collections.abc import Sequence
  from typing import Any

  from nadv2_tf.reading.graph import Node
  from nadv2_tf.reading.units import Arrays

#: bottlenecks by their letters: depthwise, pointwise, squeeze-and-excite; see `_letters`
BOTTLENECKS = ("dpdsp", "dpdp", "dpsp", "dpp", "pdsp", "pdp", "psp", "pp", "dsp", "dp")


@dataclasses.dataclass(frozen=True)
class Match:
  """A block, its weights by the ends of its layers' names, and the last node that it covers."""

  block: blocks.Block
  arrays: Arrays
  end: Node


def behind(links: Links, x: Node) -> Match | None:
  """The longest block that begins at `x`."""
  consumers = links.consumers(x)
  if len(consumers) == 2:
    return _forked(links, x, consumers)
  if len(consumers) == 1:
    return along(links, consumers[0])
  return None


def along(links: Links, first: Node) -> Match | None:
  """The longest block without a fork that begins with the node `first`."""
  units = run(links, first)
  for length in range(min(len(units), 5), 1, -1):
    match = _bottleneck(units[:length], units[length - 1].end, residual=False)
    if match is not None:
      return match
  return _separable(units) or _single(links, first)


def _forked(links: Links, x: Node, consumers: Sequence[Node]) -> Match | None:
  """A block with a shortcut from `x`, that ends at the sum."""
  branches = [node for node in consumers if node.kind != "add"]
  runs = [run(links, node) for node in branches]
  if not all(runs):
    return None
  sums = {id(links.only(units[-1].end)): links.only(units[-1].end) for units in runs}
  total = next(iter(sums.values()), None)
  if len(sums) != 1 or total is None or total.kind != "add":
    return None
  ends = [units[-1].end for units in runs]
  operands = [*ends, *([x] if len(branches) == 1 else [])]
  if {id(node) for node in operands} != {id(node) for node in total.inputs}:
    return None
  if len(branches) == 1:
    return _bottleneck(runs[0], total, residual=True) or _residual(links, runs[0], None, total)
  for branch, shortcut in (runs, runs[::-1]):
    if len(shortcut) == 1 and isinstance(shortcut[0], Unit):
      match = _residual(links, branch, shortcut[0], total)
      if match is not None:
        return match
  return None


def _letters(units: Sequence[Unit | Squeeze]) -> str:
  """d: depthwise with batch norm, p: pointwise with batch norm, s: squeeze-and-excite, else "?"."""
  letters = ""
  for item in units:
    if isinstance(item, Squeeze):
      letters += "s"
    elif not item.batch_norm:
      letters += "?"
    else:
      letters += "d" if item.kind == "depthwise" else "p" if item.is_pointwise() else "?"
  return letters


def _bottleneck(units: Sequence[Unit | Squeeze], end: Node, residual: bool) -> Match | None:
  """An inverted residual, or the universal one of MobileNetV4."""
  letters = _letters(units)
  if letters not in BOTTLENECKS:
    return None
  fields = {"d": "depthwise", "p": "expansion", "s": "squeeze"}
  parts: dict[str, Unit] = {}
  squeeze: Squeeze | None = None
  for position, item in enumerate(units):
    if isinstance(item, Squeeze):
      squeeze = item
    elif position == len(units) - 1:
      parts["projection"] = item
    elif position == 0 and letters.startswith("dp") and len(letters) > 2:
      parts["start"] = item
    else:
      parts[fields[letters[position]]] = item
  start, depthwise = parts.get("start"), parts.get("depthwise")
  inner = {parts[field].activation for field in ("expansion", "depthwise") if field in parts}
  if parts["projection"].activation != "linear" or len(inner) != 1:
    return None
  if residual and any(item.stride != 1 for item in parts.values()):
    return None
  # Without a shortcut only a depthwise layer tells a block from plain layers, as does a linear
  # one in front (MobileNetV4).
  if not residual and (
    (depthwise is None and start is None) or (start is not None and start.activation != "linear")
  ):
    return None
  arrays: Arrays = squeeze.arrays() if squeeze else {}
  for field, item in parts.items():
    arrays.update(item.arrays(field))
  return Match(_bottleneck_block(parts, squeeze, inner.pop(), residual), arrays, end)


def _bottleneck_block(
  parts: dict[str, Unit], squeeze: Squeeze | None, activation: str, residual: bool
) -> blocks.Block:
  start, depthwise = parts.get("start"), parts.get("depthwise")
  kept = {field: part.kept for field, part in parts.items()}
  plain_squeeze = squeeze is None or (squeeze.activation, squeeze.gate) == ("relu", "hard_sigmoid")
  units = squeeze.units if squeeze else None
  if start is None and depthwise is not None and depthwise.padding is None and plain_squeeze:
    return blocks.InvertedResidual(
      kept.get("expansion"),
      kept["depthwise"],
      kept["projection"],
      depthwise.kernel,
      depthwise.stride,
      units,
      activation,
      residual=residual,
    )
  return blocks.UniversalBottleneck(
    projection=kept["projection"],
    start=kept.get("start"),
    expansion=kept.get("expansion"),
    depthwise=kept.get("depthwise"),
    start_kernel=start.kernel if start else 3,
    kernel=depthwise.kernel if depthwise else 3,
    start_stride=start.stride if start else 1,
    stride=depthwise.stride if depthwise else 1,
    squeeze=units,
    squeeze_activation=squeeze.activation if squeeze else "relu",
    gate=squeeze.gate if squeeze else "hard_sigmoid",
    activation=activation,
    start_activation=start.activation if start else "linear",
    residual=residual,
    start_padding=start.padding if start else None,
    padding=depthwise.padding if depthwise else None,
  )


def _residual(
  links: Links, units: Sequence[Unit | Squeeze], shortcut: Unit | None, total: Node
) -> Match | None:
  """ResNet's block: convolutions, a shortcut, and an activation behind the sum."""
  convolutions = [item for item in units if isinstance(item, Unit) and item.kind == "conv"]
  everything = [*convolutions, *([shortcut] if shortcut else [])]
  if not 2 <= len(convolutions) == len(units) <= 3 or not all(
    item.batch_norm and item.kernel % 2 for item in everything
  ):
    return None
  activation, end = activation_behind(links, total)
  first, second = convolutions[:2]
  third = convolutions[2] if len(convolutions) == 3 else None
  stride = first.stride * second.stride
  if any(item.activation != activation for item in convolutions[:-1]):
    return None
  if convolutions[-1].activation != "linear" or stride > 2:
    return None
  if third is not None and (third.stride, third.padding) != (1, None):
    return None
  if shortcut is None and stride != 1:
    return None
  if shortcut is not None and (
    (shortcut.kind, shortcut.kernel, shortcut.stride, shortcut.padding, shortcut.activation)
    != ("conv", 1, stride, None, "linear")
  ):
    return None
  named = dict(zip(("first", "second", "third"), convolutions, strict=False))
  if shortcut is not None:
    named["shortcut"] = shortcut
  block = blocks.Residual(
    first.kept,
    second.kept,
    third.kept if third else None,
    shortcut.kept if shortcut else None,
    first.kernel,
    second.kernel,
    third.kernel if third else 1,
    first.stride,
    second.stride,
    activation,
    first_padding=first.padding,
    second_padding=second.padding,
  )
  arrays: Arrays = {}
  for field, item in named.items():
    arrays.update(item.arrays(field))
  return Match(block, arrays, end)


def _separable(units: Sequence[Unit | Squeeze]) -> Match | None:
  """A depthwise layer and a pointwise one."""
  if len(units) < 2:
    return None
  depthwise, pointwise = units[:2]
  if not (isinstance(depthwise, Unit) and isinstance(pointwise, Unit)):
    return None
  if depthwise.kind != "depthwise" or not pointwise.is_pointwise():
    return None
  same = depthwise.activation == pointwise.activation
  block = blocks.DepthwiseSeparable(
    depthwise.kept,
    pointwise.kept,
    depthwise.kernel,
    depthwise.stride,
    pointwise.activation,
    depthwise_activation=None if same else depthwise.activation,
    depthwise_norm=depthwise.batch_norm,
    batch_norm=pointwise.batch_norm,
    padding=depthwise.padding,
  )
  arrays = {**depthwise.arrays("depthwise"), **pointwise.arrays("pointwise")}
  return Match(block, arrays, pointwise.end)


def _single(links: Links, node: Node) -> Match | None:
  """A block of one layer, with what belongs to it."""
  if node.kind in ("conv", "depthwise"):
    return _filtered(unit(links, node))
  if node.kind == "norm":
    activation, end = activation_behind(links, node)
    return Match(blocks.Norm(activation), {"norm": norm_arrays(node)}, end)
  if node.kind == "activation":
    return Match(blocks.Activation(node["name"]), {}, node)
  if node.kind == "pool":
    pool = blocks.Pool(node["form"], node["size"], node["stride"], node["padding"])
    return Match(pool, {}, node)
  if node.kind == "global_pool":
    return Match(blocks.GlobalPool(), {}, node)
  if node.kind == "upsample":
    return Match(blocks.Upsample(node["factor"]), {}, node)
  return None


def _filtered(item: Unit) -> Match | None:
  if len(set(item.filters.values.get("flat", (1,)))) > 1:
    return None  # Flatten of pixels that are not square
  settings: dict[str, Any] = {
    "kernel": item.kernel,
    "stride": item.stride,
    "activation": item.activation,
    "batch_norm": item.batch_norm,
    "padding": item.padding,
  }
  if item.kind == "conv":
    return Match(blocks.Conv(item.kept, **settings), item.arrays("filters"), item.end)
  return Match(blocks.Depthwise(item.kept, **settings), item.arrays("depthwise"), item.end)
