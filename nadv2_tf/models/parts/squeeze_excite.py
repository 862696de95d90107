"""Squeeze-and-excite over all live channels, filtered and bypassed; its width is not searched.

Source: Howard et al. 2019, section 5.3 (gate: hard sigmoid); NetAdaptV2, appendix B.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

if TYPE_CHECKING:
  from typing import Any

  import numpy as np

  from nadv2_tf.spec.shapes import LayerShape
  from nadv2_tf.types import Tensor

REDUCE, EXPAND = "reduce", "expand"


class SuperSqueezeExcite(keras.layers.Layer):
  """Squeeze-and-excite of the super-network; dead channels are 0 and stay 0."""

  def __init__(self, units: int, **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self.units = units
    self.reduce = keras.layers.Dense(units, activation="relu", name=REDUCE)
    self.expand: Any = None

  def build(self, features_shape: tuple[Any, ...]) -> None:
    channels = features_shape[-1]
    self.expand = keras.layers.Dense(channels, activation="hard_sigmoid", name=EXPAND)
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


def stand_alone(x: Tensor, units: int, name: str) -> Tensor:
  """The same in plain Keras."""
  gate = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
  gate = keras.layers.Conv2D(units, 1, activation="relu", name=f"{name}_{REDUCE}")(gate)
  gate = keras.layers.Conv2D(x.shape[-1], 1, name=f"{name}_{EXPAND}")(gate)
  gate = keras.layers.Activation("hard_sigmoid", name=f"{name}_gate")(gate)
  return keras.layers.Multiply(name=name)([x, gate])


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
