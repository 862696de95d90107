"""Models as their users build them: with preprocessing, nested bases, and ends of all kinds.

`USER_MODELS` has a function for each, the range of its images, and the kinds of its blocks.
"""

import keras
import numpy as np
from user_residuals import pre_activation, residual_basic, toy_resnet

layers = keras.layers


def nested_base():
  """Transfer learning as Keras's guide has it, of a MobileNetV2 of alpha 0.35."""
  base = keras.applications.MobileNetV2(
    input_shape=(64, 64, 3), alpha=0.35, include_top=False, weights=None
  )
  base.trainable = False
  inputs = keras.Input((64, 64, 3))
  x = layers.RandomFlip("horizontal")(inputs)
  x = keras.applications.mobilenet_v2.preprocess_input(x)
  x = base(x, training=False)
  x = layers.GlobalAveragePooling2D()(x)
  x = layers.Dropout(0.2)(x)
  return keras.Model(inputs, layers.Dense(5, "softmax")(x), name="nested_base")


def sequential_with_augmentation():
  augmentation = keras.Sequential(
    [layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.RandomZoom(0.1)],
    name="augmentation",
  )
  return keras.Sequential(
    [
      keras.Input((33, 33, 3)),
      augmentation,
      layers.Rescaling(1 / 255),
      layers.Conv2D(8, 3, padding="same", activation="relu"),
      layers.MaxPooling2D(),
      layers.Conv2D(12, 3, padding="same", activation="relu"),
      layers.MaxPooling2D(),
      layers.SpatialDropout2D(0.1),
      layers.Conv2D(16, 3, activation="relu"),
      layers.GlobalAveragePooling2D(),
      layers.Dense(4),
    ],
    name="sequential_with_augmentation",
  )


def adapted_normalization():
  """Normalization adapted to images, and two Dense layers."""
  normalization = layers.Normalization()
  normalization.adapt(np.random.default_rng(3).normal((1, 2, 3), (2, 1, 3), (8, 12, 12, 3)))
  return keras.Sequential(
    [
      keras.Input((24, 24, 3)),
      normalization,
      layers.Conv2D(8, 3, 2, padding="same", use_bias=False),
      layers.BatchNormalization(),
      layers.ReLU(),
      layers.GlobalAveragePooling2D(),
      layers.Dropout(0.5),
      layers.Dense(20, activation="relu"),
      layers.Dropout(0.3),
      layers.Dense(3, activation="softmax"),
    ],
    name="adapted_normalization",
  )


def sigmoid_end():
  """Cats or dogs: one output."""
  inputs = keras.Input((32, 32, 3))
  x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
  for filters in (8, 12):
    x = layers.Conv2D(filters, 3, 2, "same")(x)
    x = layers.BatchNormalization(epsilon=1e-5)(x)
    x = layers.Activation("swish")(x)
  x = layers.GlobalAveragePooling2D()(x)
  return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x), name="sigmoid_end")


def several_labels():
  """Labels that do not exclude each other, pooled over windows and then over the maximum."""
  inputs = keras.Input((32, 32, 3))
  x = layers.Conv2D(8, 5, activation="relu")(inputs)
  x = layers.AveragePooling2D(2)(x)
  x = layers.Conv2D(8, 3, activation="relu6")(x)
  x = layers.GlobalMaxPooling2D()(x)
  return keras.Model(inputs, layers.Dense(3, activation="sigmoid")(x), name="several_labels")


def separable_stack():
  """MobileNets by SeparableConv2D, grey images, a batch norm in front."""
  inputs = keras.Input((28, 28, 1))
  x = layers.BatchNormalization()(inputs)
  x = layers.Conv2D(8, 3, 2, "same", use_bias=False)(x)
  x = layers.BatchNormalization(scale=False)(x)
  x = layers.Activation("relu")(x)
  for filters, stride in ((12, 1), (16, 2)):
    x = layers.SeparableConv2D(filters, 3, stride, "same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
  x = layers.SeparableConv2D(20, 3, padding="same", activation="relu")(x)
  x = layers.GlobalAveragePooling2D()(x)
  return keras.Model(inputs, layers.Dense(10, activation="softmax")(x), name="separable_stack")


def flat_vgg():
  """Convolutions, pools, Flatten, two Dense layers and the classifier."""
  return keras.Sequential(
    [
      keras.Input((32, 32, 3)),
      layers.Conv2D(8, 3, padding="same", activation="relu"),
      layers.Conv2D(8, 3, padding="same", activation="relu"),
      layers.MaxPooling2D((2, 2)),
      layers.Conv2D(12, 3, padding="same", activation="relu"),
      layers.MaxPooling2D((2, 2)),
      layers.Flatten(),
      layers.Dense(32, activation="relu"),
      layers.Dropout(0.5),
      layers.Dense(24, activation="relu"),
      layers.Dense(4, activation="softmax"),
    ],
    name="flat_vgg",
  )


def flat_classifier():
  """Keras's own first example (simple MNIST convnet): Flatten and the classifier."""
  return keras.Sequential(
    [
      keras.Input((28, 28, 1)),
      layers.Conv2D(8, kernel_size=(3, 3), activation="relu"),
      layers.MaxPooling2D(pool_size=(2, 2)),
      layers.Conv2D(12, kernel_size=(3, 3), activation="relu"),
      layers.MaxPooling2D(pool_size=(2, 2)),
      layers.Flatten(),
      layers.Dropout(0.5),
      layers.Dense(10, activation="softmax"),
    ],
    name="flat_classifier",
  )


def operator_activations():
  """Hard-swish and its parts out of operators, in each way that is common."""

  def hard_sigmoid(x):
    return layers.ReLU(6)(x + 3) / 6

  def hard_swish(x):
    return x * hard_sigmoid(x)

  def other_hard_swish(x):
    return layers.Multiply()([layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0), x])

  def third_hard_swish(x):
    return x * keras.ops.relu6(x + 3.0) / 6.0

  inputs = keras.Input((32, 32, 3))
  x = layers.ZeroPadding2D(1)(inputs)
  x = layers.Conv2D(8, 3, 2, "valid", use_bias=False)(x)
  x = layers.BatchNormalization(epsilon=1e-2)(x)
  x = hard_swish(x)
  y = layers.Conv2D(24, 1, use_bias=False)(x)
  y = other_hard_swish(layers.BatchNormalization()(y))
  y = layers.DepthwiseConv2D(5, padding="same", use_bias=False)(y)
  y = third_hard_swish(layers.BatchNormalization()(y))
  gate = keras.ops.mean(y, axis=(1, 2), keepdims=True)
  gate = keras.activations.relu(layers.Conv2D(6, 1)(gate))
  y = y * hard_sigmoid(layers.Conv2D(24, 1)(gate))
  y = layers.Conv2D(8, 1, use_bias=False)(y)
  x = x + layers.BatchNormalization()(y)
  x = layers.Conv2D(10, 1)(x)
  x = x * keras.ops.sigmoid(x)
  x = layers.GlobalAveragePooling2D()(x)
  return keras.Model(inputs, keras.ops.softmax(layers.Dense(4)(x)), name="operator_activations")


def norm_alone():
  """Batch norm behind activations, before convolutions and behind a pool; a layer reused."""
  relu = layers.ReLU()
  inputs = keras.Input((24, 24, 3))
  x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
  x = layers.BatchNormalization()(x)
  x = layers.MaxPooling2D(2)(x)
  x = relu(layers.BatchNormalization()(x))
  x = relu(layers.Conv2D(12, 4, padding="same")(x))
  x = layers.GlobalAveragePooling2D()(x)
  x = layers.BatchNormalization()(x)
  x = relu(layers.Dense(12)(x))
  x = layers.BatchNormalization()(x)
  return keras.Model(inputs, layers.Dense(4, activation="softmax")(x), name="norm_alone")


def turned_channels():
  """Preprocessing of ResNet50: channels turned round, their means taken off."""
  inputs = keras.Input((32, 32, 3))
  x = keras.applications.resnet50.preprocess_input(inputs)
  x = layers.ZeroPadding2D(2)(x)
  x = layers.Conv2D(8, 5, 2, activation="relu")(x)
  x = layers.ZeroPadding2D(1)(x)
  x = layers.MaxPooling2D(3, 2)(x)
  x = layers.GlobalAveragePooling2D()(x)
  return keras.Model(inputs, layers.Dense(4)(x), name="turned_channels")


def depth_map():
  """An encoder and a decoder with additive skips, as FastDepth has them; no classifier."""
  inputs = keras.Input((32, 32, 3))
  skips, x = [], inputs
  for filters in (8, 12, 16):
    x = layers.Conv2D(filters, 3, 2, "same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    skips.append(x)
  for filters in (12, 8):
    x = layers.SeparableConv2D(filters, 5, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = (
      layers.UpSampling2D()(x) if filters == 12 else keras.ops.image.resize(x, (16, 16), "nearest")
    )
    x = layers.add([x, skips[1] if filters == 12 else skips[0]])
  x = layers.Resizing(32, 32, interpolation="nearest")(x)
  return keras.Model(inputs, layers.Conv2D(1, 1)(x), name="depth_map")


#: name: (function, (low, high) of its images, kinds of its blocks in order, without repetitions)
USER_MODELS = {
  "nested_base": (nested_base, (0, 255), "rescale conv inverted_residual conv head"),
  "sequential_with_augmentation": (
    sequential_with_augmentation,
    (0, 255),
    "rescale conv pool conv pool conv head",
  ),
  "adapted_normalization": (adapted_normalization, (-1, 4), "rescale conv head"),
  "sigmoid_end": (sigmoid_end, (0, 255), "rescale conv head"),
  "several_labels": (several_labels, (-1, 1), "conv pool conv pool head"),
  "separable_stack": (separable_stack, (-1, 1), "norm conv depthwise_separable head"),
  "flat_vgg": (flat_vgg, (-1, 1), "conv pool conv pool conv head"),
  "flat_classifier": (flat_classifier, (-1, 1), "conv pool conv pool head"),
  "residual_basic": (residual_basic, (-1, 1), "conv residual head"),
  "toy_resnet": (toy_resnet, (-1, 1), "conv pool conv head"),
  "operator_activations": (operator_activations, (-1, 1), "conv inverted_residual conv head"),
  "norm_alone": (
    norm_alone,
    (-1, 1),
    "conv norm pool norm conv global_pool norm conv norm head",
  ),
  "pre_activation": (pre_activation, (-1, 1), "conv norm conv norm conv norm head"),
  "turned_channels": (turned_channels, (0, 255), "rescale conv pool head"),
  "depth_map": (
    depth_map,
    (-1, 1),
    "conv depthwise_separable upsample depthwise_separable upsample conv",
  ),
}
