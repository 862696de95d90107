"""What a network that was read is changed to before it is searched."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.models.parts.names import layer_name
from nadv2_tf.spec import NetworkSpec, Skip, blocks, shapes

if TYPE_CHECKING:
  from nadv2_tf.reading.network import ReadNetwork
  from nadv2_tf.spec.shapes import Shape

#: of rescaling, in double precision
ROUNDING = 1e-9


def with_input_range(read: ReadNetwork, low: float, high: float) -> ReadNetwork:
  """The same network, of images in [-1, 1] instead of [low, high].

  It begins with the rescaling from there, and what the network has of its own; with none where both
  together do nothing.
  """
  scale, offset = (high - low) / 2, (high + low) / 2
  first = read.spec.blocks[0]
  own = first if isinstance(first, blocks.Rescale) else blocks.Rescale((1.0,), (0.0,))
  composed = blocks.Rescale(
    tuple(one * scale for one in own.scale),
    tuple(one * offset + other for one, other in zip(own.scale, own.offset, strict=True)),
  )
  does_nothing = all(abs(one - 1) < ROUNDING for one in composed.scale) and all(
    abs(other) < ROUNDING for other in composed.offset
  )
  rest = read.spec.blocks[1:] if own is first else read.spec.blocks
  front = () if does_nothing else (composed,)
  by = len(front) - (own is first)
  if not rest and not front:
    return read
  skips = tuple(Skip(skip.source + by, skip.target + by) for skip in read.spec.skips)
  spec = NetworkSpec(read.spec.name, read.spec.input_shape, (*front, *rest), skips)
  weights = {_moved(name, by): arrays for name, arrays in read.weights.items()}
  return dataclasses.replace(read, spec=spec, weights=weights)


def _moved(name: str, by: int) -> str:
  """The name of a layer whose block is `by` blocks further on."""
  match = re.fullmatch(r"block(\d+)_(.*)", name)
  assert match, name
  return layer_name(int(match[1]) - 1 + by, match[2])


def with_classes(read: ReadNetwork, classes: int, seed: int = 0) -> ReadNetwork:
  """The same features with a fresh classifier of `classes` classes, which gives logits.

  A network of features alone gets a global average pool and a classifier. `seed` is that of its
  weights.
  """
  network, last = read.spec, read.spec.blocks[-1]
  weights = dict(read.weights)
  if isinstance(last, blocks.Head):
    kept, head = network.blocks[:-1], dataclasses.replace(last, classes=classes)
  elif last.kind == "global_pool" and not any(
    skip.target == len(network.blocks) - 1 for skip in network.skips
  ):
    kept, head = network.blocks[:-1], blocks.Head(classes)
  else:
    kept, head = network.blocks, blocks.Head(classes)
  spec = NetworkSpec(network.name, network.input_shape, (*kept, head), network.skips)
  name = layer_name(len(kept), "classes")
  kinds = {array.dtype for arrays in weights.values() for array in arrays}
  dtype = kinds.pop() if len(kinds) == 1 else np.dtype(np.float32)
  weights[name] = _fresh_classifier(_classifier_input(spec), classes, dtype, seed)
  return dataclasses.replace(read, spec=spec, weights=weights, output_activation="linear")


def _classifier_input(spec: NetworkSpec) -> Shape:
  layer = next(layer for layer in spec.layers()[-1] if layer.kind == "classifier")
  return layer.in_height, layer.in_width, layer.in_channels


def _fresh_classifier(shape: Shape, classes: int, dtype: np.dtype, seed: int) -> list[np.ndarray]:
  """Glorot's uniform kernel and a bias of zeros."""
  fan_in = math.prod(shape)
  limit = math.sqrt(6 / (fan_in + classes))
  kernel = np.random.default_rng(seed).uniform(-limit, limit, (*shape, classes))
  return [kernel.astype(dtype), np.zeros(classes, dtype)]


def with_bypass(read: ReadNetwork, share: float) -> ReadNetwork:
  """The same network whose blocks let a `share` of their output width pass their filters.

  0 switches it off. Nothing passes at full width. A block of whose layers one makes another size
  than SAME padding does has none: no channel can go around it.
  """
  if not 0 <= share <= 1:
    raise ValueError(f"bypass must be a share from 0 to 1, got {share}.")
  network = read.spec
  changed = []
  inputs = (network.input_shape, *network.block_outputs())
  for block, shape in zip(network.blocks, inputs, strict=False):
    if hasattr(block, "bypass_cap"):
      cap = int(share * _output_width(block))
      block = dataclasses.replace(block, bypass_cap=cap if _can_pass(block, shape, cap) else 0)  # type: ignore[type-var]
    changed.append(block)
  spec = NetworkSpec(network.name, network.input_shape, tuple(changed), network.skips)
  return dataclasses.replace(read, spec=spec)


def _output_width(block: blocks.Block) -> int:
  widths = block.widths()
  widths.pop("shortcut", None)
  return list(widths.values())[-1] if widths else 0


def _can_pass(block: blocks.Block, shape: Shape, cap: int) -> bool:
  """Whether channels can go around a block's layers once they keep one filter."""
  if not cap:
    return False
  narrow = {field: min(1, kept) for field, kept in block.widths().items()}
  try:
    shapes.block_shapes(dataclasses.replace(block, bypass_cap=cap, **narrow), shape)  # type: ignore[type-var]
  except ValueError:
    return False
  return True
