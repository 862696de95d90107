"""The layers of a network as TensorFlow operators with random weights, for the converter.

Batch norm is folded into kernel and bias, and the activation follows at once, so that the converter
fuses what it fuses in an exported network.
"""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from nadv2_tf.export.quantization import Quantization, convert

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.benchmarks.tables.timed_graph import TimedGraph
  from nadv2_tf.spec.blocks import Padding, Window
  from nadv2_tf.types import Tensor


class TensorFlowOperators:
  """`Operators` whose values are TensorFlow tensors."""

  def __init__(self) -> None:
    self._seeds = itertools.count()

  def _weights(self, *shape: int) -> Tensor:
    """Random constants. Each differs from all others: equal ones would share one buffer."""
    values = np.random.default_rng(next(self._seeds)).normal(0, 0.1, shape)
    return tf.constant(values.astype(np.float32))

  def convolution(
    self,
    x: Tensor,
    filters: int,
    kernel: int,
    stride: int,
    activation: str,
    padding: Padding | None = None,
  ) -> Tensor:
    kernels = self._weights(kernel, kernel, x.shape[-1], filters)
    x, border = _zeros_around(x, padding)
    y = tf.nn.conv2d(x, kernels, stride, border) + self._weights(filters)
    return self.activated(y, activation)

  def dense(self, x: Tensor, filters: int) -> Tensor:
    if x.shape[1:3] == (1, 1):
      return self.convolution(x, filters, 1, 1, "linear")
    kernels = self._weights(*x.shape[1:], filters)
    return tf.nn.conv2d(x, kernels, 1, "VALID") + self._weights(filters)

  def depthwise(
    self, x: Tensor, kernel: int, stride: int, activation: str, padding: Padding | None = None
  ) -> Tensor:
    channels = x.shape[-1]
    kernels = self._weights(kernel, kernel, channels, 1)
    x, border = _zeros_around(x, padding)
    y = tf.nn.depthwise_conv2d(x, kernels, (1, stride, stride, 1), border)
    return self.activated(y + self._weights(channels), activation)

  def squeeze_excite(self, x: Tensor, units: int, activation: str, gate: str) -> Tensor:
    shares = self.convolution(self.pooled(x), units, 1, 1, activation)
    shares = self.convolution(shares, x.shape[-1], 1, 1, "linear")
    return x * _ACTIVATIONS[gate](shares)

  def activated(self, x: Tensor, activation: str) -> Tensor:
    return _ACTIVATIONS[activation](x)

  def norm(self, x: Tensor, activation: str) -> Tensor:
    channels = x.shape[-1]
    return self.activated(x * self._weights(channels) + self._weights(channels), activation)

  def rescaled(self, x: Tensor, scale: tuple[float, ...], offset: tuple[float, ...]) -> Tensor:
    if any(value != 1 for value in scale):
      x = x * _one_or_all(scale)
    return x + _one_or_all(offset) if any(offset) else x

  def window_pool(self, x: Tensor, window: Window) -> Tensor:
    pool = tf.nn.max_pool2d if window.form == "max" else tf.nn.avg_pool2d
    x, border = _zeros_around(x, window.padding)
    return pool(x, window.size, window.stride, border)

  def add(self, x: Tensor, y: Tensor) -> Tensor:
    return x + y

  def plus_one(self, x: Tensor) -> Tensor:
    return x + 1.0

  def downsampled(self, x: Tensor, stride: int) -> Tensor:
    return x if stride == 1 else tf.nn.avg_pool2d(x, 2, stride, "SAME")

  def padded(self, x: Tensor, channels: int) -> Tensor:
    missing = channels - x.shape[-1]
    return tf.pad(x, ((0, 0), (0, 0), (0, 0), (0, missing))) if missing else x

  def joined(self, parts: Sequence[Tensor]) -> Tensor:
    return tf.concat(parts, axis=-1)

  def pooled(self, x: Tensor) -> Tensor:
    return tf.reduce_mean(x, (1, 2), keepdims=True)

  def upsampled(self, x: Tensor, factor: int) -> Tensor:
    return tf.image.resize(x, (x.shape[1] * factor, x.shape[2] * factor), "nearest")

  def reshaped(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return tf.reshape(x, shape)


#: activations and gates, as the converter knows them
_ACTIVATIONS = {
  "linear": lambda x: x,
  "relu": tf.nn.relu,
  "relu6": tf.nn.relu6,
  "hard_swish": lambda x: x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0),
  "swish": lambda x: x * tf.sigmoid(x),
  "hard_sigmoid": lambda x: tf.nn.relu6(x + 3.0) * (1.0 / 6.0),
  "sigmoid": tf.sigmoid,
}


def _zeros_around(x: Tensor, padding: Padding | None) -> tuple[Tensor, str]:
  """`x` with its zeros around it, and what TensorFlow is to add to them."""
  if padding is None:
    return x, "SAME"
  return (tf.pad(x, ((0, 0), padding, padding, (0, 0))) if any(padding) else x), "VALID"


def _one_or_all(values: tuple[float, ...]) -> Tensor:
  return tf.constant(values if len(values) > 1 else values[0], tf.float32)


def converted_file(graph: TimedGraph, precision: str, integer_io: bool = False) -> bytes:
  """The TFLite file, as bytes, that the converter makes of a `TimedGraph`.

  For int8 the ranges come from one random input for each argument: they decide what is computed,
  not how long it takes.
  """
  signature = [tf.TensorSpec(shape, name=name) for name, shape in graph.inputs.items()]
  build = functools.partial(graph.build, TensorFlowOperators())
  function = tf.function(build, autograph=False).get_concrete_function(*signature)
  if precision == "float32":
    return convert(function)
  rng = np.random.default_rng(0)
  inputs = tuple(rng.normal(size=one.shape).astype(np.float32) for one in function.inputs)
  return convert(function, Quantization("int8", inputs=(inputs,), integer_io=integer_io))
