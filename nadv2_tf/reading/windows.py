"""Nodes whose layers move a window over the pixels: convolutions and pools, and their padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.reading.graph import Node, UnplacedError
from nadv2_tf.spec import channels

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.reading.graph import Zeros
  from nadv2_tf.spec.blocks import Padding


def square(name: str, value: Any, allowed: tuple[int, ...] | None = None) -> int:
  """One number of a setting that has it for height and width."""
  height, width = (value, value) if isinstance(value, int) else tuple(value)
  if height != width:
    raise UnplacedError(f"{name} is {height}x{width}; equal numbers would be understood")
  if allowed and height not in allowed:
    listed = " or ".join(map(str, allowed))
    raise UnplacedError(f"{name} is {height}; {listed} would be understood")
  return int(height)


def filtered(
  kind: str,
  x: Node,
  weight: np.ndarray,
  bias: np.ndarray | None,
  stride: int,
  padding: str,
  label: str,
) -> Node:
  """A convolution (weight [k, k, in, out]) or a depthwise one (weight [k, k, channels, 1])."""
  kernel = weight.shape[0]
  x, zeros = _before(x, padding)
  if x.kind == "permute" and kind == "conv":
    x, weight = x.inputs[0], weight[:, :, np.argsort(x["order"])]
  pair, size = _normal(x, zeros, kernel, stride)
  out = weight.shape[-1] if kind == "conv" else weight.shape[2]
  values = {"weight": weight, "bias": bias, "kernel": kernel, "stride": stride, "padding": pair}
  return Node(kind, (x,), (*size, out), label, values)


def pool(x: Node, form: str, size: int, stride: int, padding: str, label: str) -> Node:
  """A pool over windows; over all pixels at once it is a global pool, if it is their mean."""
  x, zeros = _before(x, padding)
  is_whole = x.shape[:2] == (size, size) and not (zeros and any(map(any, zeros)))
  if form == "average" and is_whole and (zeros is not None or stride >= size):
    return Node("global_pool", (x,), (1, 1, x.shape[2]), label)
  pair, (height, width) = _normal(x, zeros, size, stride, only_unpadded=True)
  values = {"form": form, "size": size, "stride": stride, "padding": pair}
  return Node("pool", (x,), (height, width, x.shape[2]), label, values)


def dense(x: Node, weight: np.ndarray, bias: np.ndarray | None, label: str) -> Node:
  """A Dense layer: a convolution over the pixels that were made flat, or of 1x1."""
  if x.kind != "flatten":
    return filtered("conv", x, weight[None, None], bias, 1, "valid", label)
  x.inputs[0].dropout = x.dropout or x.inputs[0].dropout
  height, width, depth = x.inputs[0].shape
  if len(weight) != height * width * depth:
    raise UnplacedError(
      f"it takes {len(weight)} numbers, and there are {height}x{width}x{depth}; the model's own "
      "size would be understood"
    )
  weight = weight.reshape(height, width, depth, -1)
  values = {
    "weight": weight,
    "bias": bias,
    "kernel": height,
    "stride": 1,
    "padding": (0, 0),
    "flat": (height, width),
  }
  return Node("conv", x.inputs, (1, 1, weight.shape[-1]), label, values)


def _before(x: Node, padding: str) -> tuple[Node, Zeros | None]:
  """(what the window moves over, the zeros around it or None for SAME padding)."""
  if padding == "same":
    return x, None
  if x.kind == "zeros":
    return x.inputs[0], x["padding"]
  return x, ((0, 0), (0, 0))


def _same(size: int, kernel: int, stride: int) -> Padding:
  """The zeros (before, after) of SAME padding, as TensorFlow has them."""
  total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
  return total // 2, total - total // 2


def _normal(
  x: Node, zeros: Zeros | None, kernel: int, stride: int, only_unpadded: bool = False
) -> tuple[Padding | None, tuple[int, int]]:
  """(padding as specs have it, size of the output).

  None where it is SAME padding at this size of images. An even kernel has no SAME padding in specs.

  Args:
    only_unpadded: pads of SAME padding are no zeros, as in pools.
  """
  sides = x.shape[:2]
  same = tuple(_same(side, kernel, stride) for side in sides)
  is_same = zeros is None or (zeros == same and not (only_unpadded and any(map(any, same))))
  if is_same and (only_unpadded or kernel % 2):
    return None, (-(-sides[0] // stride), -(-sides[1] // stride))
  pairs = same if zeros is None else zeros
  if pairs[0] != pairs[1]:
    raise UnplacedError(
      f"padding is {pairs[0]} along height and {pairs[1]} along width; equal ones would be "
      "understood"
    )
  try:
    height, width = (channels.output_size(side, stride, kernel, pairs[0]) for side in sides)
  except ValueError as error:
    raise UnplacedError(str(error).rstrip(".")) from None
  return pairs[0], (height, width)
