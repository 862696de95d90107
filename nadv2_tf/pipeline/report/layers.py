"""The found network beside the initial one, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from nadv2_tf.resources.latency_table import LatencyTable
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.shapes import LayerShape


def rows(
  found: NetworkSpec, largest: NetworkSpec, table: LatencyTable | None = None
) -> tuple[list[str], list[tuple[str, ...]]]:
  """(header, rows) of cells; the first cell of a removed layer's row says so.

  Args:
    found, largest: `NetworkSpec`s of the same blocks.
    table: a `LatencyTable` of the space, for the milliseconds of every layer; None leaves them out.
  """
  header = ["layer", "kept filters", "kernel", "bypassed channels", "output", "MACs", "initial"]
  if table:
    header += ["ms", "initial ms"]
  lines = []
  for index, block in enumerate(largest.blocks):
    left = list(found.layers()[index])
    for full in largest.layers()[index]:
      layer = _take(left, full)
      lines.append(_row(f"{index + 1} {block.kind.replace('_', ' ')}", layer, full, table))
  return header, lines


def _take(layers: list[LayerShape], full: LayerShape) -> LayerShape | None:
  """The layer that stands in the place of `full`, taken out; None if it was removed."""
  for layer in layers:
    if (layer.kind, layer.field) == (full.kind, full.field):
      layers.remove(layer)
      return layer
  return None


def _row(block, layer, full, table):
  name = " ".join([full.field or full.kind.replace("_", " "), *_details(full)])
  searched = full.kind in ("conv", "depthwise")
  removed = layer is None or (searched and layer.kept == 0)
  kept = f"{layer.kept} of {full.kept}" if searched and not removed else ""
  cells = [
    f"{block}: {name}",
    "removed" if removed else kept,
    "" if removed or not full.kernel else _kernel(layer, full, searched),
    f"{layer.bypassed or ''}" if layer else "",
    f"{layer.out_height}x{layer.out_width}x{layer.out_channels}" if layer else "",
    f"{layer.macs():,}" if layer else "0",
    f"{full.macs():,}",
  ]
  if table:
    cells += [_milliseconds(table, one) for one in (layer, full)]
  return tuple(cells)


def _details(layer: LayerShape) -> list[str]:
  """What a layer of another network has that those of our backbones have not."""
  details = []
  if layer.kind == "activation" or layer.activation in ("relu6", "swish"):
    details.append(layer.activation.replace("_", " "))
  if layer.gate not in ("", "hard_sigmoid"):
    details.append(f"{layer.gate} gate")
  if layer.padding is not None:
    details.append("padding {} {}".format(*layer.padding))
  return [f"({', '.join(details)})"] if details else []


def _kernel(layer: LayerShape, full: LayerShape, searched: bool) -> str:
  """Kernel sizes; the window of a pool is no decision."""
  return f"{layer.kernel} of {full.kernel}" if searched else f"{layer.kernel}"


def _milliseconds(table: LatencyTable, layer: LayerShape | None) -> str:
  return "0" if layer is None else f"{table.layer_milliseconds(layer):.4f}"
