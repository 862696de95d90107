"""A stand-alone network rebuilt in tf_keras, for tensorflow-model-optimization takes no Keras 3.

Batch norm is folded into kernel and bias, as the converter folds it: training under fake
quantization then sees the very kernels that int8 will hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tf_keras

from nadv2_tf.export.quantizers import quantized_layer
from nadv2_tf.models.static_maker import StaticMaker
from nadv2_tf.models.wiring import wire
from nadv2_tf.spec import channels as channel_rules

if TYPE_CHECKING:
  from collections.abc import Callable

  import keras

  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.blocks import Filters
  from nadv2_tf.types import Tensor

layers = tf_keras.layers


class _TwinMaker(StaticMaker):
  """Maker that reads a block's wiring as tf_keras layers; with `quantized`, fakes int8 in each."""

  def __init__(self, spec: NetworkSpec, quantized: bool) -> None:
    super().__init__(spec)
    self._quantized = quantized

  def layer(self, layer: tf_keras.layers.Layer, x: Tensor, weight: str | None = None) -> Tensor:
    """Output of a layer; `weight` names its kernel attribute."""
    return (quantized_layer(layer, weight) if self._quantized else layer)(x)

  def activation(self, x: Tensor, function: str | Callable[[Tensor], Tensor], name: str) -> Tensor:
    return self.layer(layers.Activation(function, name=name), x)

  def hard_swish(self, x: Tensor, name: str) -> Tensor:
    # Written as the converter knows it: one HARD_SWISH operator.
    return self.activation(x, lambda v: v * tf.nn.relu6(v + 3.0) * (1.0 / 6.0), name)

  def convolution(self, x: Tensor, filters: Filters) -> Tensor:
    name, convolved = self.name(filters.field), None
    if filters.kept:
      conv = layers.Conv2D(
        filters.kept,
        filters.kernel,
        filters.stride,
        padding="same",
        activation="relu" if filters.activation == "relu" else None,
        name=name,
      )
      convolved = self.activated(self.layer(conv, x, "kernel"), filters.activation, name)
    return self.joined(x, convolved, filters.kept, filters.bypass_cap, filters.stride, name)

  def depthwise(self, x: Tensor, filters: Filters) -> Tensor:
    name, convolved = self.name(filters.field), None
    kept = channel_rules.depthwise_kept(x.shape[-1], filters.kept)
    if kept:
      conv = layers.DepthwiseConv2D(
        filters.kernel,
        filters.stride,
        padding="same",
        activation="relu" if filters.activation == "relu" else None,
        name=name,
      )
      filtered = x if kept == x.shape[-1] else x[..., :kept]
      convolved = self.layer(conv, filtered, "depthwise_kernel")
      convolved = self.activated(convolved, filters.activation, name)
    return self.joined(x, convolved, kept, None, filters.stride, name)

  def activated(self, convolved: Tensor, activation: str, name: str) -> Tensor:
    if activation == "hard_swish":
      return self.hard_swish(convolved, f"{name}_activation")
    return convolved

  def joined(
    self,
    x: Tensor,
    convolved: Tensor | None,
    kept: int,
    bypass_cap: int | None,
    stride: int,
    name: str,
  ) -> Tensor:
    def downsampled(passed: Tensor) -> Tensor:
      if stride == 1:
        return passed
      return layers.AveragePooling2D(2, stride, padding="same", name=f"{name}_passed")(passed)

    def concatenated(parts: list[Tensor]) -> Tensor:
      return self.layer(layers.Concatenate(name=f"{name}_bypass"), parts)

    return channel_rules.join(x, convolved, kept, bypass_cap, downsampled, concatenated)

  def squeeze_excite(self, x: Tensor, units: int, skipped: bool) -> Tensor:
    if skipped:
      return x
    name = self.name("squeeze")
    gate = self.layer(layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool"), x)
    reduce = layers.Conv2D(units, 1, activation="relu", name=f"{name}_reduce")
    gate = self.layer(reduce, gate, "kernel")
    gate = self.layer(layers.Conv2D(x.shape[-1], 1, name=f"{name}_expand"), gate, "kernel")
    # The hard sigmoid is two operators in int8, each with a range of its own.
    gate = self.activation(gate, lambda v: tf.nn.relu6(v + 3.0), f"{name}_shifted")
    gate = self.activation(gate, lambda v: v * (1.0 / 6.0), f"{name}_gate")
    return self.layer(layers.Multiply(name=name), [x, gate])

  def add(self, shortcut: Tensor, x: Tensor) -> Tensor:
    most = max(shortcut.shape[-1], x.shape[-1])
    operands = [_padded(shortcut, most), _padded(x, most)]
    return self.layer(layers.Add(name=self.name("add")), operands)

  def upsample(self, x: Tensor, factor: int) -> Tensor:
    size = (x.shape[1] * factor, x.shape[2] * factor)
    return layers.Resizing(*size, interpolation="nearest", name=self.name("upsample"))(x)

  def global_pool(self, x: Tensor) -> Tensor:
    return self.layer(layers.GlobalAveragePooling2D(keepdims=True, name=self.name("pool")), x)

  def dropout(self, x: Tensor, rate: float) -> Tensor:
    return x  # the twin learns to give the network's own outputs, which have none

  def classifier(self, x: Tensor, classes: int) -> Tensor:
    x = self.layer(layers.Conv2D(classes, 1, name=self.name("classes")), x, "kernel")
    return layers.Flatten(name="logits")(x)


def _padded(x: Tensor, channels: int) -> Tensor:
  missing = channels - x.shape[-1]
  return tf.pad(x, ((0, 0), (0, 0), (0, 0), (0, missing))) if missing else x


def twin(network: keras.Model, spec: NetworkSpec, quantized: bool = False) -> tf_keras.Model:
  """A tf_keras model that gives what a stand-alone Keras 3 network gives, without batch norm.

  Args:
    network: what `models.stand_alone(spec)` or `models.slice_network` gave.
    spec: its `NetworkSpec`.
    quantized: fake int8 weights and activations in every layer; ranges are still to be set.

  Raises:
    ValueError: if `network` is not a network of `spec`.
  """
  images = layers.Input(spec.input_shape, name="images")
  maker = _TwinMaker(spec, quantized)
  outputs = wire(spec, maker, maker.activation(images, "linear", "input"))
  model = tf_keras.Model(images, outputs, name=network.name)
  for name, arrays in folded_weights(network).items():
    try:
      layer = model.get_layer(f"quant_{name}" if quantized else name)
      for variable, array in zip(layer.trainable_weights, arrays, strict=True):
        variable.assign(array)
    except ValueError as error:
      raise ValueError(f"{network.name!r} is no network of {spec.name!r}: {error}") from None
  return model


def folded_weights(network: keras.Model) -> dict[str, tuple[np.ndarray, np.ndarray]]:
  """{layer name: (kernel, bias)} of a stand-alone network, its batch norms folded in."""
  names = {layer.name for layer in network.layers}
  folded = {}
  bias: Any
  for layer in network.layers:
    if type(layer).__name__ not in ("Conv2D", "DepthwiseConv2D"):
      continue
    kernel, *bias = (np.asarray(array, np.float64) for array in layer.get_weights())
    bias = bias[0] if bias else 0.0
    if f"{layer.name}_norm" in names:
      norm = network.get_layer(f"{layer.name}_norm")
      gamma, beta, mean, variance = (np.asarray(a, np.float64) for a in norm.get_weights())
      scale = gamma / np.sqrt(variance + norm.epsilon)
      depthwise = type(layer).__name__ == "DepthwiseConv2D"
      kernel = kernel * (scale[:, None] if depthwise else scale)
      bias = beta + (bias - mean) * scale
    folded[layer.name] = (kernel.astype(np.float32), bias.astype(np.float32))
  return folded
