"""Quantize configs for tensorflow-model-optimization: per-channel kernels, moving output ranges.

Its own 8-bit scheme has no config for hard-swish and for the gates of squeeze-and-excite, and takes
one range for all channels of a depthwise kernel.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import tf_keras

from nadv2_tf.export.ranges import KERNEL_STEPS

if TYPE_CHECKING:
  from collections.abc import Mapping, Sequence

  from nadv2_tf.types import Tensor


#: in steps of a bias: half of what int32 holds, for rounding
LARGEST_BIAS = 2.0**30


def _import_quietly():
  """tfmot's Keras quantization; it sets a variable that would change Keras in child processes."""
  before = os.environ.get("TF_USE_LEGACY_KERAS")
  import tensorflow_model_optimization as tfmot

  if before is None:
    os.environ.pop("TF_USE_LEGACY_KERAS", None)
  return tfmot.quantization.keras


tfmot_keras: Any = _import_quietly()


class PerChannel(tfmot_keras.quantizers.LastValueQuantizer):
  """Symmetric int8 in [-127, 127] with a range for each output channel of a kernel.

  Args:
    depthwise: the channels are on the axis before the last, of length 1.
  """

  def __init__(self, depthwise: bool) -> None:
    super().__init__(num_bits=8, per_axis=True, symmetric=True, narrow_range=True)
    self.depthwise = depthwise

  def build(
    self, tensor_shape: tf.TensorShape, name: str, layer: tf_keras.layers.Layer
  ) -> dict[str, tf.Variable]:
    shape = (tensor_shape[-2] if self.depthwise else tensor_shape[-1],)
    return {
      f"{end}_var": layer.add_weight(
        f"{name}_{end}",
        shape=shape,
        initializer=tf_keras.initializers.Constant(value),
        trainable=False,
      )
      for end, value in (("min", -6.0), ("max", 6.0))
    }

  def __call__(
    self,
    inputs: Tensor,
    training: bool | Tensor,
    weights: Mapping[str, tf.Variable],
    **unused: Any,
  ) -> Tensor:
    if not self.depthwise:
      return super().__call__(inputs, training, weights)
    # The operator takes the last axis for the channels.
    turned = super().__call__(tf.transpose(inputs, (0, 1, 3, 2)), training, weights)
    return tf.transpose(turned, (0, 1, 3, 2))

  def get_config(self) -> dict[str, Any]:
    return {"depthwise": self.depthwise}


class Config(tfmot_keras.QuantizeConfig):
  """Quantizes a layer's kernel, if it has one, and its output.

  Args:
    weight: "kernel", "depthwise_kernel" or None.
  """

  def __init__(self, weight: str | None = None) -> None:
    self.weight = weight

  def get_weights_and_quantizers(
    self, layer: tf_keras.layers.Layer
  ) -> list[tuple[tf.Variable, PerChannel]]:
    if self.weight is None:
      return []
    return [(getattr(layer, self.weight), PerChannel(self.weight == "depthwise_kernel"))]

  def set_quantize_weights(
    self, layer: tf_keras.layers.Layer, quantize_weights: Sequence[Tensor]
  ) -> None:
    if self.weight is not None:
      setattr(layer, self.weight, quantize_weights[0])

  def get_activations_and_quantizers(self, layer: tf_keras.layers.Layer) -> list[Any]:
    return []  # the output is quantized, after the activation

  def set_quantize_activations(
    self, layer: tf_keras.layers.Layer, quantize_activations: Sequence[Tensor]
  ) -> None:
    pass

  def get_output_quantizers(self, layer: tf_keras.layers.Layer) -> list[Any]:
    return [
      tfmot_keras.quantizers.MovingAverageQuantizer(
        num_bits=8, per_axis=False, symmetric=False, narrow_range=False
      )
    ]

  def get_config(self) -> dict[str, Any]:
    return {"weight": self.weight}


def quantized_layer(
  layer: tf_keras.layers.Layer, weight: str | None = None
) -> tf_keras.layers.Layer:
  """A tf_keras layer under fake quantization; its name becomes quant_NAME."""
  return tfmot_keras.QuantizeWrapperV2(layer, Config(weight))


def set_output_range(wrapper: tf_keras.layers.Layer, low: float, high: float) -> None:
  """Sets the range of a wrapped layer's output; 0 is always in it, as TFLite wants it."""
  ranges = wrapper._output_quantizer_vars
  ranges["min_var"].assign(min(float(low), 0.0))
  ranges["max_var"].assign(max(float(high), 0.0))


def output_range(wrapper: tf_keras.layers.Layer) -> tuple[float, float]:
  """The range of a wrapped layer's output."""
  ranges = wrapper._output_quantizer_vars
  return float(ranges["min_var"]), float(ranges["max_var"])


def largest_weight(wrapper: tf_keras.layers.Layer) -> float | None:
  """The largest weight of a wrapped layer's kernel by size; None of a layer without one."""
  found = [float(tf.reduce_max(tf.abs(weight))) for weight, *_ in wrapper._weight_vars]
  return max(found, default=None)


def make_room_for_bias(wrapper: tf_keras.layers.Layer, input_step: float) -> None:
  """Widens the ranges of kernels, channel by channel, until int32 holds the bias in their steps.

  A channel whose weights are all 0 has no range, and its bias would be cut off in silence. After
  calibration the converter sees to it; of fake quantization it takes the ranges as they are.

  Args:
    wrapper: a wrapped layer with a kernel and a bias.
    input_step: of the layer's input; with 0, of images that are all black, nothing is widened.
  """
  if not input_step:
    return
  for _, _, kernel in wrapper._weight_vars:
    least = KERNEL_STEPS * tf.abs(wrapper.layer.bias) / (input_step * LARGEST_BIAS)
    kernel["max_var"].assign(tf.maximum(kernel["max_var"], least))
    kernel["min_var"].assign(-kernel["max_var"])
