"""Batch norm by itself, over whatever channels come, and an activation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from nadv2_tf.layers import channel_mask
from nadv2_tf.layers.batch_norm import EPSILON
from nadv2_tf.models.parts.activations import activate, activation_layer
from nadv2_tf.models.parts.filtered import masked_norm, norm_arrays, normalised

if TYPE_CHECKING:
  from collections.abc import Mapping
  from typing import Any

  import numpy as np

  from nadv2_tf.spec.shapes import LayerShape
  from nadv2_tf.types import Tensor


class SuperNorm(keras.layers.Layer):
  """Batch norm of the super-network; dead channels are 0 and stay 0.

  Args:
    activation: after it.
    norm: keyword arguments of `MaskedBatchNorm`.
  """

  def __init__(self, activation: str, norm: Mapping[str, Any], **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self.activation = activation
    self.norm = masked_norm(norm)

  def build(self, features_shape: tuple[Any, ...], live_shape: tuple[Any, ...]) -> None:
    channels = features_shape[-1]
    self.norm.build((None, None, None, channels), (None, channels))

  def call(self, features: Tensor, live: Tensor, training: bool = False) -> Tensor:
    """`features`, [batch, height, width, channels], of which `live`, int32 [batch], are live."""
    mask = channel_mask(live, features.shape[-1], features.dtype)
    return activate(normalised(self.norm, features, mask, training), self.activation)

  def compute_output_spec(
    self, features: Tensor, live: Tensor, training: bool = False
  ) -> keras.KerasTensor:
    return keras.KerasTensor(features.shape, self.compute_dtype)


def stand_alone(x: Tensor, activation: str, name: str) -> Tensor:
  """The same in plain Keras."""
  x = keras.layers.BatchNormalization(epsilon=EPSILON, name=name)(x)
  return activation_layer(x, activation, f"{name}_activation")


def sliced_weights(super_layer: SuperNorm, shape: LayerShape) -> list[np.ndarray]:
  """Arrays of the batch norm for a `LayerShape`."""
  return norm_arrays(super_layer.norm, shape.in_channels)
