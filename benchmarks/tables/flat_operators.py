"""The layers of a network with random weights, written as the converter writes them, in float32.

What the converter of TensorFlow 2.19 to 2.21 makes of `operators.py` was read in its files;
`tests/benchmarks/test_flat_operators.py` holds the two against each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from nadv2_tf.benchmarks.tables.flat_graph import FlatGraph
from nadv2_tf.spec import channels

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.benchmarks.tables.flat_graph import FlatTensor
  from nadv2_tf.benchmarks.tables.timed_graph import TimedGraph

#: activations that are part of the convolution's operator; the others are none or one of their own
_FUSED = {
  "relu": schema.ActivationFunctionType.RELU,
  "hard_sigmoid": schema.ActivationFunctionType.RELU6,
}


class FlatOperators:
  """`Operators` whose values are the `FlatTensor`s of one graph."""

  def __init__(self) -> None:
    self.graph = FlatGraph()
    self._rng = np.random.Generator(np.random.SFC64(0))

  def _weights(self, *shape: int) -> FlatTensor:
    values = self._rng.standard_normal(shape, np.float32)
    values *= np.float32(0.1)
    return self.graph.constant(values)

  def convolution(
    self, x: FlatTensor, filters: int, kernel: int, stride: int, activation: str
  ) -> FlatTensor:
    kernels = self._weights(filters, kernel, kernel, x.shape[-1])
    options = _strides(schema.Conv2DOptionsT(), stride, activation)
    return self._filtered("CONV_2D", x, kernels, options, activation)

  def depthwise(self, x: FlatTensor, kernel: int, stride: int, activation: str) -> FlatTensor:
    kernels = self._weights(1, kernel, kernel, x.shape[-1])
    options = _strides(schema.DepthwiseConv2DOptionsT(), stride, activation)
    options.depthMultiplier = 1
    return self._filtered("DEPTHWISE_CONV_2D", x, kernels, options, activation)

  def _filtered(
    self, name: str, x: FlatTensor, kernels: FlatTensor, options: Any, activation: str
  ) -> FlatTensor:
    filters = kernels.shape[-1] if name == "DEPTHWISE_CONV_2D" else kernels.shape[0]
    shape = _shrunk(x.shape, options.strideH)[:-1] + (filters,)
    x = self.graph.apply(name, [x, kernels, self._weights(filters)], shape, options)
    if activation == "hard_swish":
      return self.graph.apply("HARD_SWISH", [x], shape)
    return x

  def squeeze_excite(self, x: FlatTensor, units: int) -> FlatTensor:
    gate = self.convolution(self.pooled(x), units, 1, 1, "relu")
    # The 3 of the hard sigmoid is in the bias.
    gate = self.convolution(gate, x.shape[-1], 1, 1, "hard_sigmoid")
    gate = self._multiply(gate, self.graph.shared(np.array(1 / 6, np.float32)))
    return self._multiply(x, gate)

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
    return self.graph.apply("AVERAGE_POOL_2D", [x], _shrunk(x.shape, stride), options)

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


def _shrunk(shape: tuple[int, ...], stride: int) -> tuple[int, ...]:
  batch, height, width, kept = shape
  return batch, channels.output_size(height, stride), channels.output_size(width, stride), kept


def flat_file(graph: TimedGraph) -> bytes:
  """The TFLite file, as bytes, of a `TimedGraph`."""
  operators = FlatOperators()
  inputs = [operators.graph.input(name, shape) for name, shape in graph.inputs.items()]
  return operators.graph.content(graph.build(operators, *inputs))
