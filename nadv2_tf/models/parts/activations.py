"""Activations by the names that specs use. All map 0 to 0 (see layers/batch_norm.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

if TYPE_CHECKING:
  from nadv2_tf.types import Tensor

KERAS_NAMES = {
  "linear": "linear",
  "relu": "relu",
  "relu6": "relu6",
  "hard_swish": "hard_silu",
  "swish": "silu",
}


def activate(features: Tensor, name: str) -> Tensor:
  return keras.activations.get(KERAS_NAMES[name])(features)


def activation_layer(features: Tensor, name: str, layer_name: str) -> Tensor:
  """The same as a plain Keras layer; nothing for "linear"."""
  if name == "linear":
    return features
  return keras.layers.Activation(KERAS_NAMES[name], name=layer_name)(features)
