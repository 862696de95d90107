"""Zeros around an image, before a layer that pads nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

if TYPE_CHECKING:
  from nadv2_tf.spec.blocks import Padding
  from nadv2_tf.types import Tensor


def keras_padding(padding: Padding | None) -> str:
  """What Keras calls the rest of it, once `pad` has been there."""
  return "same" if padding is None else "valid"


def pad(features: Tensor, padding: Padding | None) -> Tensor:
  """`features` with `padding` zeros (before, after) along height, and as many along width."""
  if padding in (None, (0, 0)):
    return features
  return ops.pad(features, ((0, 0), padding, padding, (0, 0)))


def pad_layer(features: Tensor, padding: Padding | None, layer_name: str) -> Tensor:
  """The same as a plain Keras layer; nothing where there is nothing to pad."""
  if padding in (None, (0, 0)):
    return features
  return keras.layers.ZeroPadding2D((padding, padding), name=f"{layer_name}_padding")(features)
