"""Ranges of activations that int8 kernels can work with.

A layer that gave 0 for every calibration image (units that died in training, a squeeze that learnt
nothing) has no range. The converter makes one of 2e-6 of it, and kernels take no step that is so
much finer than those of what it is made of: XNNPACK refuses the whole file, LiteRT's sum ends the
process. Such ranges are widened between calibration and quantization, so that zero points and the
scales of biases and of what follows come out of the converter as ever.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as litert

if TYPE_CHECKING:
  from collections.abc import Sequence

#: steps of int8 in a range, and on either side of 0 in a kernel
STEPS, KERNEL_STEPS = 255, 127
#: How many times finer an output's step may be than the one that it is made in: that of its
#: coarsest input, or the product of two. XNNPACK takes below 256 in convolutions and dense layers
#: ("requantization scale ... is greater or equal to 256.0"), LiteRT's HARD_SWISH below 128,
#: its ADD below 2**19. At 32 the whole range holds eight of the steps that the output is made in.
FINEST = 32
#: A range so many times smaller than 255 steps at the finest holds nothing but 0.
NOTHING = 2**20
_CODES = litert.BuiltinOperator
#: their outputs are made in the product of two steps
PRODUCTS = (
  *(_CODES.CONV_2D, _CODES.DEPTHWISE_CONV_2D, _CODES.FULLY_CONNECTED, _CODES.TRANSPOSE_CONV),
  *(_CODES.MUL, _CODES.BATCH_MATMUL),
)
#: their outputs have the range of their input in int8
MOVING = (
  *(_CODES.AVERAGE_POOL_2D, _CODES.MAX_POOL_2D, _CODES.PAD, _CODES.PADV2, _CODES.RESHAPE),
  *(_CODES.RESIZE_NEAREST_NEIGHBOR, _CODES.RESIZE_BILINEAR, _CODES.SLICE, _CODES.STRIDED_SLICE),
  *(_CODES.TRANSPOSE, _CODES.CONCATENATION),
)
#: their outputs have a range in int8 that no image changes
FIXED = (_CODES.LOGISTIC, _CODES.SOFTMAX, _CODES.TANH)

Range = tuple[float, float]


def widened(low: float, high: float, made_in: float, inputs: Sequence[float]) -> Range:
  """The range of an output; as it is, but where kernels would refuse it.

  Args:
    low, high: what was found, in the output's unit.
    made_in: the step that the output is made in.
    inputs: steps of the activations that it is made of. Where nothing was found the output gets the
      range of the coarsest: another image may wake the layer.
  """
  bottom, top = min(low, 0.0), max(high, 0.0)
  least = STEPS * made_in / FINEST
  if (top - bottom) * NOTHING <= least:
    least = max(least, STEPS * max(inputs, default=0.0))
  return (low, high) if top - bottom >= least else (bottom, bottom + least)


def step(low: float, high: float) -> float:
  """What one step of int8 is in a range; 0 is always in it."""
  return (max(high, 0.0) - min(low, 0.0)) / STEPS


def with_wide_ranges(calibrated: bytes) -> bytes:
  """A calibrated float file, as bytes, whose ranges int8 kernels can work with.

  Args:
    calibrated: what the converter gives with ranges, before it quantizes.

  Returns:
    The same file, if every range is wide enough.
  """
  content = bytearray(calibrated)
  model = litert.Model.GetRootAs(content, 0)
  for number in range(model.SubgraphsLength()):
    _widen(model, model.Subgraphs(number))
  return bytes(content)


def _widen(model: Any, graph: Any) -> None:
  """Widens the ranges of a graph where they are, in the order in which its operators run."""
  changed: set[int] = set()
  for number in range(graph.OperatorsLength()):
    operator = graph.Operators(number)
    code = model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
    inputs = [int(index) for index in operator.InputsAsNumpy() if index >= 0]
    (output, *more) = (int(index) for index in operator.OutputsAsNumpy())
    found = _range(graph.Tensors(output))
    if found is None or more or code in FIXED:
      continue
    moved = [index for index in inputs if index in changed] if code in MOVING else []
    wanted = _moved(graph, moved, found) if moved else _computed(model, graph, code, inputs, found)
    if wanted != found:
      changed.add(output)
      quantization = graph.Tensors(output).Quantization()
      quantization.MinAsNumpy()[0], quantization.MaxAsNumpy()[0] = wanted


def _moved(graph: Any, inputs: Sequence[int], found: Range) -> Range:
  """A range that has those of these inputs in it."""
  ranges = [found, *filter(None, (_range(graph.Tensors(index)) for index in inputs))]
  return min(low for low, _ in ranges), max(high for _, high in ranges)


def _computed(model: Any, graph: Any, code: int, inputs: Sequence[int], found: Range) -> Range:
  """The range of an output of an operator, `found` in calibration, that kernels can work with."""
  tensors = [graph.Tensors(index) for index in inputs]
  tensors = [tensor for tensor in tensors if tensor.Type() == litert.TensorType.FLOAT32]
  ranges = [_range(tensor) for tensor in tensors]
  steps = [
    step(*one) if one else _largest(model, tensor) / KERNEL_STEPS
    for one, tensor in zip(ranges, tensors, strict=True)
  ]
  # A bias, which comes third, has a step of its own.
  made_in = math.prod(steps[:2]) if code in PRODUCTS else max(steps, default=0.0)
  return widened(*found, made_in, [step(*one) for one in ranges if one])


def _range(tensor: Any) -> Range | None:
  """What calibration found; None of a constant."""
  quantization = tensor.Quantization()
  if quantization is None or not quantization.MinLength() or not quantization.MaxLength():
    return None
  return float(quantization.Min(0)), float(quantization.Max(0))


def _largest(model: Any, tensor: Any) -> float:
  """The largest number of a float constant by size; 0 of what is none."""
  data = model.Buffers(tensor.Buffer()).DataAsNumpy()
  return float(np.abs(data.view(np.float32)).max()) if isinstance(data, np.ndarray) else 0.0
