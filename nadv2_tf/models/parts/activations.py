"""Activations by the names that specs use. All map 0 to 0 (see layers/batch_norm.py)."""

import keras

KERAS_NAMES = {"linear": "linear", "relu": "relu", "hard_swish": "hard_silu"}


def activate(features, name):
  return keras.activations.get(KERAS_NAMES[name])(features)


def activation_layer(features, name, layer_name):
  """The same as a plain Keras layer; nothing for "linear"."""
  if name == "linear":
    return features
  return keras.layers.Activation(KERAS_NAMES[name], name=f"{layer_name}_activation")(features)
