"""Squeeze-and-excite over all live channels, filtered and bypassed; its width is not searched.

Source: Howard et al. 2019, section 5.3 (gate: hard sigmoid); NetAdaptV2, appendix B; Tan and Le,
EfficientNet, 2019 (swish between the two layers, gate: sigmoid).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from nadv2_tf.models.parts.activations import KERAS_NAMES

if TYPE_CHECKING:
  from typing import Any

  import numpy as np

  from nadv2_tf.spec.shapes import LayerShape
  from nadv2_tf.types import Tensor

REDUCE, EXPAND = "reduce", "expand"


class SuperSqueezeExcite(keras.layers.Layer):
  """Squeeze-and-excite of the super-network; dead channels are 0 and stay 0."""

  def __init__(self, units: int, activation: str, gate: str, **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self.units = units
    self.gate = gate
    self.reduce = keras.layers.Dense(units, activation=KERAS_NAMES[activation], name=REDUCE)
    self.expand: Any = None

  def build(self, features_shape: tuple[Any, ...]) -> None:
    channels = features_shape[-1]
    self.expand = keras.layers.Dense(channels, activation=self.gate, name=EXPAND)
    self.reduce.build((None, channels))
    self.expand.build((None, self.units))

  def call(self, features: Tensor, skipped: Tensor | None = None) -> Tensor:
    """Gates `features`, [batch, height, width, channels]; not the rows where `skipped` holds."""
    gate = self.expand(self.reduce(ops.mean(features, axis=(1, 2))))
    if skipped is not None:
      gate = ops.where(skipped[:, None], ops.ones_like(gate), gate)
    return features * ops.reshape(gate, (-1, 1, 1, features.shape[-1]))

  def compute_output_spec(
    self, features: Tensor, skipped: Tensor | None = None
  ) -> keras.KerasTensor:
    return keras.KerasTensor(features.shape, features.dtype)


def stand_alone(x: Tensor, units: int, activation: str, gate: str, name: str) -> Tensor:
  """The same in plain Keras."""
  y = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
  between = KERAS_NAMES[activation]
  y = keras.layers.Conv2D(units, 1, activation=between, name=f"{name}_{REDUCE}")(y)
  y = keras.layers.Conv2D(x.shape[-1], 1, name=f"{name}_{EXPAND}")(y)
  y = keras.layers.Activation(gate, name=f"{name}_gate")(y)
  return keras.layers.Multiply(name=name)([x, y])


def sliced_weights(
  super_layer: SuperSqueezeExcite, shape: LayerShape
) -> dict[str, list[np.ndarray]]:
  """{suffix of the layer's name: arrays of its 1x1 convolution} for a `LayerShape`."""
  live = shape.in_channels
  reduce = [ops.convert_to_numpy(array) for array in super_layer.reduce.weights]
  expand = [ops.convert_to_numpy(array) for array in super_layer.expand.weights]
  return {
    REDUCE: [reduce[0][None, None, :live], reduce[1]],
    EXPAND: [expand[0][None, None, :, :live], expand[1][:live]],
  }
