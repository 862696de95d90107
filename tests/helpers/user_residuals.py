"""Residual networks as their users build them."""

import keras

layers = keras.layers


def residual_basic():
  """Basic blocks of ResNet, with and without a shortcut of its own."""

  def block(x, filters, stride=1):
    y = layers.Conv2D(filters, 3, stride, "same", use_bias=False)(x)
    y = layers.BatchNormalization(epsilon=1.001e-5)(y)
    y = layers.ReLU()(y)
    y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(y)
    y = layers.BatchNormalization(epsilon=1.001e-5)(y)
    if stride != 1:
      x = layers.Conv2D(filters, 1, stride, use_bias=False)(x)
      x = layers.BatchNormalization(epsilon=1.001e-5)(x)
    return layers.ReLU()(layers.Add()([y, x]))

  inputs = keras.Input((32, 32, 3))
  x = layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
  x = layers.BatchNormalization()(x)
  x = layers.ReLU()(x)
  x = block(block(x, 8), 12, 2)
  x = layers.AveragePooling2D(16)(x)
  x = layers.Flatten()(x)
  return keras.Model(inputs, layers.Dense(6)(x), name="residual_basic")


def toy_resnet():
  """Keras's guide to the functional API: additions without batch norm."""
  inputs = keras.Input((32, 32, 3), name="img")
  x = layers.Conv2D(8, 3, activation="relu")(inputs)
  x = layers.Conv2D(12, 3, activation="relu")(x)
  first = layers.MaxPooling2D(3)(x)
  x = layers.Conv2D(12, 3, activation="relu", padding="same")(first)
  x = layers.Conv2D(12, 3, activation="relu", padding="same")(x)
  second = layers.add([x, first])
  x = layers.Conv2D(12, 3, activation="relu", padding="same")(second)
  x = layers.Conv2D(12, 3, activation="relu", padding="same")(x)
  third = x + second
  x = layers.Conv2D(12, 3, activation="relu")(third)
  x = layers.GlobalAveragePooling2D()(x)
  x = layers.Dense(16, activation="relu")(x)
  x = layers.Dropout(0.5)(x)
  return keras.Model(inputs, layers.Dense(10)(x), name="toy_resnet")


def pre_activation():
  """Residual blocks whose batch norm comes first (He et al., 2016)."""
  inputs = keras.Input((16, 16, 3))
  x = layers.Conv2D(8, 3, padding="same")(inputs)
  for _ in range(2):
    y = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.Conv2D(8, 3, padding="same", use_bias=False)(y)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.Conv2D(8, 3, padding="same")(y)
    x = layers.Add()([x, y])
  x = layers.ReLU()(layers.BatchNormalization()(x))
  x = layers.GlobalAveragePooling2D()(x)
  return keras.Model(inputs, layers.Dense(4)(x), name="pre_activation")
