"""Pools over windows; channels that are 0 stay 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from nadv2_tf.models.parts.padding import keras_padding, pad_layer

if TYPE_CHECKING:
  from nadv2_tf.spec.blocks import Window
  from nadv2_tf.types import Tensor

LAYERS = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}


def stand_alone(x: Tensor, window: Window, name: str) -> Tensor:
  """In plain Keras, in which super-networks have it too."""
  layer = LAYERS[window.form](
    window.size, window.stride, padding=keras_padding(window.padding), name=name
  )
  return layer(pad_layer(x, window.padding, name))
