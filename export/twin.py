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
  from nadv2_tf.spec.blocks import Filters, Padding, Window
  from nadv2_tf.types import Tensor

layers = tf_keras.layers


#: activations that are part of the operator that gives their input
_FUSED: dict[str, Callable[[Tensor], Tensor]] = {"relu": tf.nn.relu, "relu6": tf.nn.relu6}


class _TwinMaker(StaticMaker):
  """Maker that reads a block's wiring as tf_keras layers; with `quantized`, fakes int8 in each."""

  def __init__(self, spec: NetworkSpec, quantized: bool) -> None:
    super().__init__(spec)
    self._quantized = quantized
    self._sums: dict[int, tuple[Tensor, list[Tensor]]] = {}

  def layer(self, layer: tf_keras.layers.Layer, x: Tensor, weight: str | None = None) -> Tensor:
    """Output of a layer; `weight` names its kernel attribute."""
    return (quantized_layer(layer, weight) if self._quantized else layer)(x)

  def function(self, x: Tensor, function: str | Callable[[Tensor], Tensor], name: str) -> Tensor:
    return self.layer(layers.Activation(function, name=name), x)

  def convolution(self, x: Tensor, filters: Filters) -> Tensor:
    name, convolved = self.name(filters.field), None
    if filters.kept:
      conv = layers.Conv2D(
        filters.kept,
        filters.kernel,
        filters.stride,
        padding=_border(filters.padding),
        activation=_FUSED.get(filters.activation),
        name=name,
      )
      convolved = self.layer(conv, _surrounded(x, filters.padding, name), "kernel")
      convolved = self.rest_activated(convolved, filters.activation, f"{name}_activation")
    return self.joined(x, convolved, filters.kept, filters.bypass_cap, filters.stride, name)

  def depthwise(self, x: Tensor, filters: Filters) -> Tensor:
    name, convolved = self.name(filters.field), None
    kept = channel_rules.depthwise_kept(x.shape[-1], filters.kept)
    if kept:
      conv = layers.DepthwiseConv2D(
        filters.kernel,
        filters.stride,
        padding=_border(filters.padding),
        activation=_FUSED.get(filters.activation),
        name=name,
      )
      filtered = x if kept == x.shape[-1] else x[..., :kept]
      filtered = _surrounded(filtered, filters.padding, name)
      convolved = self.layer(conv, filtered, "depthwise_kernel")
      convolved = self.rest_activated(convolved, filters.activation, f"{name}_activation")
    return self.joined(x, convolved, kept, None, filters.stride, name)

  def rest_activated(self, x: Tensor, activation: str, name: str) -> Tensor:
    """The activation of a layer, if it is not part of the layer's operator."""
    if activation == "hard_swish":
      # Written as the converter knows it: one HARD_SWISH operator.
      return self.function(x, lambda v: v * tf.nn.relu6(v + 3.0) * (1.0 / 6.0), name)
    if activation == "swish":
      shares = self.sigmoid(x, f"{name}_sigmoid")
      return self.layer(layers.Multiply(name=name), [x, shares])
    return x

  def sigmoid(self, x: Tensor, name: str) -> Tensor:
    """The gate that int8 has: LOGISTIC gives steps of 1/256, whatever the range of its outputs."""
    function = _sigmoid_in_steps if self._quantized else tf.sigmoid
    return layers.Activation(function, name=name)(x)

  def activation(self, x: Tensor, activation: str) -> Tensor:
    name = self.name("activation")
    if activation not in _FUSED:
      return self.rest_activated(x, activation, name)
    _, operands = self._sums.get(id(x), (x, None))
    if operands:
      # One operator with one range, as the converter writes it.
      return self.layer(_ActivatedAdd(activation, name=name), operands)
    return self.function(x, _FUSED[activation], name)

  def norm(self, x: Tensor, activation: str) -> Tensor:
    # One operator, with a scale for each channel; a factor and a term would share one each.
    name = self.name("norm")
    conv = layers.DepthwiseConv2D(1, activation=_FUSED.get(activation), name=name)
    x = self.layer(conv, x, "depthwise_kernel")
    return self.rest_activated(x, activation, f"{name}_activation")

  def rescale(self, x: Tensor, scale: tuple[float, ...], offset: tuple[float, ...]) -> Tensor:
    conv = layers.DepthwiseConv2D(
      1,
      depthwise_initializer=_of_channels(scale, x.shape[-1]),
      bias_initializer=_of_channels(offset, x.shape[-1]),
      trainable=False,
      name=self.name("rescale"),
    )
    return self.layer(conv, x, "depthwise_kernel")

  def window_pool(self, x: Tensor, window: Window) -> Tensor:
    name = self.name("pool")
    pool = layers.MaxPooling2D if window.form == "max" else layers.AveragePooling2D
    x = _surrounded(x, window.padding, name)
    return pool(window.size, window.stride, padding=_border(window.padding), name=name)(x)

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

  def squeeze_excite(
    self,
    x: Tensor,
    units: int,
    skipped: bool,
    activation: str,
    gate: str,
  ) -> Tensor:
    if skipped:
      return x
    name = self.name("squeeze")
    shares = self.layer(layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool"), x)
    reduce = layers.Conv2D(units, 1, activation=_FUSED.get(activation), name=f"{name}_reduce")
    shares = self.layer(reduce, shares, "kernel")
    shares = self.rest_activated(shares, activation, f"{name}_reduce_activation")
    shares = self.layer(layers.Conv2D(x.shape[-1], 1, name=f"{name}_expand"), shares, "kernel")
    if gate == "sigmoid":
      shares = self.sigmoid(shares, f"{name}_gate")
    else:
      # The hard sigmoid is two operators in int8, each with a range of its own.
      shares = self.function(shares, lambda v: tf.nn.relu6(v + 3.0), f"{name}_shifted")
      shares = self.function(shares, lambda v: v * (1.0 / 6.0), f"{name}_gate")
    return self.layer(layers.Multiply(name=name), [x, shares])

  def add(self, shortcut: Tensor, x: Tensor) -> Tensor:
    most = max(shortcut.shape[-1], x.shape[-1])
    operands = [_padded(shortcut, most), _padded(x, most)]
    made = self.layer(layers.Add(name=self.next_name("add")), operands)
    self._sums[id(made)] = made, operands  # `made` kept, so that its id stays its own
    return made

  def upsample(self, x: Tensor, factor: int) -> Tensor:
    size = (x.shape[1] * factor, x.shape[2] * factor)
    return layers.Resizing(*size, interpolation="nearest", name=self.name("upsample"))(x)

  def global_pool(self, x: Tensor) -> Tensor:
    return self.layer(layers.GlobalAveragePooling2D(keepdims=True, name=self.name("pool")), x)

  def dropout(self, x: Tensor, rate: float) -> Tensor:
    return x  # the twin learns to give the network's own outputs, which have none

  def classifier(self, x: Tensor, classes: int) -> Tensor:
    layer = layers.Conv2D(classes, x.shape[1:3], name=self.name("classes"))  # over all pixels
    x = self.layer(layer, x, "kernel")
    return layers.Flatten(name="logits")(x)


class _ActivatedAdd(tf_keras.layers.Add):
  """A sum and an activation after it."""

  def __init__(self, activation: str, **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self.activation = activation

  def call(self, inputs: list[Tensor]) -> Tensor:
    return _FUSED[self.activation](super().call(inputs))

  def get_config(self) -> dict[str, Any]:
    return {**super().get_config(), "activation": self.activation}


def _sigmoid_in_steps(x: Tensor) -> Tensor:
  return tf.quantization.fake_quant_with_min_max_args(tf.sigmoid(x), 0.0, 255 / 256)


def _border(padding: Padding | None) -> str:
  return "same" if padding is None else "valid"


def _surrounded(x: Tensor, padding: Padding | None, name: str) -> Tensor:
  if padding is None or not any(padding):
    return x
  return layers.ZeroPadding2D((padding, padding), name=f"{name}_padding")(x)


def _of_channels(values: tuple[float, ...], channels: int) -> Callable[..., Tensor]:
  """An initializer: one number for each channel, or one for all."""
  row = np.broadcast_to(np.array(values, np.float32), (channels,))
  return lambda shape, dtype=None, **unused: tf.reshape(tf.constant(row, dtype), shape)


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
  outputs = wire(spec, maker, maker.function(images, "linear", "input"))
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
  """{layer name: (kernel, bias)} of a stand-alone network, its batch norms folded in.

  A batch norm by itself is there as a depthwise layer of kernel 1.
  """
  norms = {
    layer.name: _factor_and_term(layer)
    for layer in network.layers
    if type(layer).__name__ == "BatchNormalization"
  }
  folded: dict[str, tuple[Any, Any]] = {}
  bias: Any
  for layer in network.layers:
    if type(layer).__name__ not in ("Conv2D", "DepthwiseConv2D"):
      continue
    kernel, *bias = (np.asarray(array, np.float64) for array in layer.get_weights())
    bias = bias[0] if bias else 0.0
    if f"{layer.name}_norm" in norms:
      factor, term = norms.pop(f"{layer.name}_norm")
      depthwise = type(layer).__name__ == "DepthwiseConv2D"
      kernel = kernel * (factor[:, None] if depthwise else factor)
      bias = bias * factor + term
    folded[layer.name] = kernel, bias
  for name, (factor, term) in norms.items():
    folded[name] = factor[None, None, :, None], term
  return {
    name: (kernel.astype(np.float32), bias.astype(np.float32))
    for name, (kernel, bias) in folded.items()
  }


def _factor_and_term(norm: keras.layers.Layer) -> tuple[np.ndarray, np.ndarray]:
  """float64 numbers of each channel: what a batch norm multiplies by, and then adds."""
  gamma, beta, mean, variance = (np.asarray(a, np.float64) for a in norm.get_weights())
  factor = gamma / np.sqrt(variance + norm.epsilon)
  return factor, beta - mean * factor
