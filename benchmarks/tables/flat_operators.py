"""The layers of a network with random weights, written as the converter writes them, in float32.

What the converter of TensorFlow 2.19 to 2.21 makes of `operators.py` was read in its files;
`tests/benchmarks/test_flat_operators.py` holds the two against each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from nadv2_tf.benchmarks.tables.flat_graph import FlatGraph
from nadv2_tf.resources.pieces import is_same
from nadv2_tf.spec import channels

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.benchmarks.tables.flat_graph import FlatTensor
  from nadv2_tf.benchmarks.tables.timed_graph import TimedGraph
  from nadv2_tf.spec.blocks import Padding, Window

#: activations that are part of the convolution's operator; the others are none or of their own
_FUSED = {
  "relu": schema.ActivationFunctionType.RELU,
  "relu6": schema.ActivationFunctionType.RELU6,
  "hard_sigmoid": schema.ActivationFunctionType.RELU6,
}
#: activations that are one operator
_OPERATORS = {"relu": "RELU", "relu6": "RELU6", "hard_swish": "HARD_SWISH", "sigmoid": "LOGISTIC"}
_POOLS = {"max": "MAX_POOL_2D", "average": "AVERAGE_POOL_2D"}


class FlatOperators:
  """`Operators` whose values are the `FlatTensor`s of one graph."""

  def __init__(self) -> None:
    self.graph = FlatGraph()
    self._rng = np.random.Generator(np.random.SFC64(0))
    self._scaled: dict[int, FlatTensor] = {}

  def _weights(self, *shape: int) -> FlatTensor:
    values = self._rng.standard_normal(shape, np.float32)
    values *= np.float32(0.1)
    return self.graph.constant(values)

  def convolution(
    self,
    x: FlatTensor,
    filters: int,
    kernel: int,
    stride: int,
    activation: str,
    padding: Padding | None = None,
  ) -> FlatTensor:
    kernels = self._weights(filters, kernel, kernel, x.shape[-1])
    options = _strides(schema.Conv2DOptionsT(), stride, activation)
    return self._filtered("CONV_2D", x, kernels, options, activation, padding)

  def dense(self, x: FlatTensor, filters: int) -> FlatTensor:
    if x.shape[1:3] == (1, 1):
      return self.convolution(x, filters, 1, 1, "linear")
    options = _strides(schema.Conv2DOptionsT(), 1, "linear")
    options.padding = schema.Padding.VALID
    inputs = [x, self._weights(filters, *x.shape[1:]), self._weights(filters)]
    return self.graph.apply("CONV_2D", inputs, (x.shape[0], 1, 1, filters), options)

  def depthwise(
    self,
    x: FlatTensor,
    kernel: int,
    stride: int,
    activation: str,
    padding: Padding | None = None,
  ) -> FlatTensor:
    kernels = self._weights(1, kernel, kernel, x.shape[-1])
    options = _strides(schema.DepthwiseConv2DOptionsT(), stride, activation)
    options.depthMultiplier = 1
    return self._filtered("DEPTHWISE_CONV_2D", x, kernels, options, activation, padding)

  def _filtered(
    self,
    name: str,
    x: FlatTensor,
    kernels: FlatTensor,
    options: Any,
    activation: str,
    padding: Padding | None,
  ) -> FlatTensor:
    filters = kernels.shape[-1] if name == "DEPTHWISE_CONV_2D" else kernels.shape[0]
    kernel, stride = kernels.shape[1], options.strideH
    shape = _windowed(x.shape, stride, kernel, padding)[:-1] + (filters,)
    if not padding or not any(padding):
      x = self._scaled.get(x.index, x)
    # Zeros that are those of SAME padding are left to the operator, as the converter leaves them.
    if padding and not (any(padding) and is_same(padding, x.shape[1:3], kernel, stride)):
      x = self._surrounded(x, padding)
      options.padding = schema.Padding.VALID
    x = self.graph.apply(name, [x, kernels, self._weights(filters)], shape, options)
    return x if activation in _FUSED else self.activated(x, activation)

  def _surrounded(self, x: FlatTensor, padding: Padding) -> FlatTensor:
    if not any(padding):
      return x
    batch, height, width, kept = x.shape
    shape = (batch, height + sum(padding), width + sum(padding), kept)
    paddings = self.graph.integers([[0, 0], padding, padding, [0, 0]])
    return self.graph.apply("PAD", [x, paddings], shape, schema.PadOptionsT())

  def activated(self, x: FlatTensor, activation: str) -> FlatTensor:
    if activation == "linear":
      return x
    if activation == "swish":
      return self._multiply(x, self.activated(x, "sigmoid"))
    return self.graph.apply(_OPERATORS[activation], [x], x.shape)

  def norm(self, x: FlatTensor, activation: str) -> FlatTensor:
    kept = x.shape[-1]
    x = self.add(self._multiply(x, self._weights(kept)), self._weights(kept))
    return self.activated(x, activation)

  def rescaled(
    self, x: FlatTensor, scale: tuple[float, ...], offset: tuple[float, ...]
  ) -> FlatTensor:
    before = x
    if any(value != 1 for value in scale):
      x = self._multiply(x, self.graph.shared(_one_or_all(scale)))
    if any(offset):
      return self.add(x, self.graph.shared(_one_or_all(offset)))
    if len(scale) == 1:
      # A convolution that follows has the factor in its kernel.
      self._scaled[x.index] = before
    return x

  def window_pool(self, x: FlatTensor, window: Window) -> FlatTensor:
    shape = _windowed(x.shape, window.stride, window.size, window.padding)
    options = _strides(schema.Pool2DOptionsT(), window.stride)
    options.filterHeight = options.filterWidth = window.size
    if window.padding:
      x = self._surrounded(x, window.padding)
      options.padding = schema.Padding.VALID
    return self.graph.apply(_POOLS[window.form], [x], shape, options)

  def squeeze_excite(self, x: FlatTensor, units: int, activation: str, gate: str) -> FlatTensor:
    shares = self.convolution(self.pooled(x), units, 1, 1, activation)
    # The 3 of the hard sigmoid is in the bias.
    shares = self.convolution(shares, x.shape[-1], 1, 1, gate)
    if gate == "hard_sigmoid":
      shares = self._multiply(shares, self.graph.shared(np.array(1 / 6, np.float32)))
    return self._multiply(x, shares)

  def _multiply(self, x: FlatTensor, factor: FlatTensor) -> FlatTensor:
    return self.graph.apply("MUL", [x, factor], x.shape, schema.MulOptionsT())

  def add(self, x: FlatTensor, y: FlatTensor) -> FlatTensor:
    return self.graph.apply("ADD", [x, y], x.shape, schema.AddOptionsT())

  def plus_one(self, x: FlatTensor) -> FlatTensor:
    return self.add(x, self.graph.shared(np.array(1, np.float32)))

  def downsampled(self, x: FlatTensor, stride: int) -> FlatTensor:
    if stride == 1:
      return x
    options = _strides(schema.Pool2DOptionsT(), stride)
    options.filterHeight = options.filterWidth = 2
    return self.graph.apply("AVERAGE_POOL_2D", [x], _windowed(x.shape, stride), options)

  def padded(self, x: FlatTensor, channels: int) -> FlatTensor:
    missing = channels - x.shape[-1]
    if not missing:
      return x
    paddings = self.graph.integers([[0, 0], [0, 0], [0, 0], [0, missing]])
    shape = (*x.shape[:-1], channels)
    return self.graph.apply("PAD", [x, paddings], shape, schema.PadOptionsT())

  def joined(self, parts: Sequence[FlatTensor]) -> FlatTensor:
    options = schema.ConcatenationOptionsT()
    options.axis = -1
    shape = (*parts[0].shape[:-1], sum(part.shape[-1] for part in parts))
    return self.graph.apply("CONCATENATION", parts, shape, options)

  def pooled(self, x: FlatTensor) -> FlatTensor:
    batch, height, width, kept = x.shape
    if height == width == 1:  # as the converter leaves it out
      return x
    options = schema.ReducerOptionsT()
    options.keepDims = True
    axes = self.graph.integers([1, 2])
    return self.graph.apply("MEAN", [x, axes], (batch, 1, 1, kept), options)

  def upsampled(self, x: FlatTensor, factor: int) -> FlatTensor:
    batch, height, width, kept = x.shape
    size = (height * factor, width * factor)
    options = schema.ResizeNearestNeighborOptionsT()
    options.halfPixelCenters = True
    inputs = [x, self.graph.integers(size)]
    shape = (batch, *size, kept)
    return self.graph.apply("RESIZE_NEAREST_NEIGHBOR", inputs, shape, options, version=3)

  def reshaped(self, x: FlatTensor, shape: tuple[int, ...]) -> FlatTensor:
    return self.graph.apply("RESHAPE", [x, self.graph.integers(shape)], shape)


def _strides(options: Any, stride: int, activation: str = "linear") -> Any:
  options.padding = schema.Padding.SAME
  options.strideH = options.strideW = stride
  options.fusedActivationFunction = _FUSED.get(activation, schema.ActivationFunctionType.NONE)
  return options


def _windowed(
  shape: tuple[int, ...], stride: int, kernel: int = 1, padding: Padding | None = None
) -> tuple[int, ...]:
  batch, height, width, kept = shape
  size = (channels.output_size(side, stride, kernel, padding) for side in (height, width))
  return batch, *size, kept


def _one_or_all(values: tuple[float, ...]) -> np.ndarray:
  return np.array(values if len(values) > 1 else values[0], np.float32)


def flat_file(graph: TimedGraph) -> bytes:
  """The TFLite file, as bytes, of a `TimedGraph`."""
  operators = FlatOperators()
  inputs = [operators.graph.input(name, shape) for name, shape in graph.inputs.items()]
  outputs = graph.build(operators, *inputs)
  return operators.graph.content(outputs)
