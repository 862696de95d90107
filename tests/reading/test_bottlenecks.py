"""Bottlenecks of ResNet, three convolutions: read, and taken the whole way to a file."""

import keras
import numpy as np
import pytest
from macs_of_layers import macs_of_layers

from nadv2_tf import export, reading
from nadv2_tf.models import slice_network, super_network
from nadv2_tf.models.slicing import fill_super_network
from nadv2_tf.spec import space_of

layers = keras.layers
SHAPE = (17, 17, 3)


def convolution(x, filters, kernel=1, stride=1, activation="relu"):
  x = layers.Conv2D(filters, kernel, stride, "same")(x)
  x = layers.BatchNormalization(epsilon=1.001e-5)(x)
  return layers.Activation(activation)(x) if activation else x


def bottleneck(x, filters, out, stride=1, has_shortcut=False):
  """As ResNet50 of Keras has it: the first convolution has the stride, and biases."""
  shortcut = convolution(x, out, 1, stride, None) if has_shortcut else x
  y = convolution(convolution(x, filters, 1, stride), filters, 3)
  return layers.ReLU()(layers.Add()([shortcut, convolution(y, out, activation=None)]))


@pytest.fixture
def model(randomise):
  inputs = keras.Input(SHAPE)
  x = convolution(layers.Rescaling(1 / 127.5, offset=-1)(inputs), 6, 3)
  x = bottleneck(x, 4, 12, has_shortcut=True)
  x = bottleneck(x, 5, 12)
  x = bottleneck(x, 6, 10, 2, has_shortcut=True)
  outputs = layers.Dense(4)(layers.GlobalAveragePooling2D()(x))
  return randomise(keras.Model(inputs, outputs, name="bottlenecks"), 1)


@pytest.fixture
def images():
  return np.random.default_rng(0).uniform(0, 255, (4, *SHAPE)).astype("float32")


def test_a_bottleneck_is_one_block(model, images):
  read = reading.read_network(model)
  assert [block.kind for block in read.spec.blocks[2:5]] == ["residual"] * 3
  assert [
    (block.first, block.second, block.third, block.shortcut, block.first_stride)
    for block in read.spec.blocks[2:5]
  ] == [(4, 4, 12, 12, 1), (5, 5, 12, None, 1), (6, 6, 10, 10, 2)]
  assert reading.check_same(model, read, images) <= 1e-5
  assert read.spec.macs() == macs_of_layers(model, SHAPE)


def test_a_users_model_is_the_same_up_to_its_file(model, images, widths_of, relative_gap, tmp_path):
  """Keras, super-network at full widths, its sliced network and TFLite: equal outputs."""
  expected = np.asarray(model(images, training=False))
  read = reading.read_network(model)
  space = space_of(read.spec, 4)
  shared = super_network(space)
  fill_super_network(shared, reading.build(read))
  full = space.largest()
  # Rounding of float32 over a dozen layers, each in another order.
  assert relative_gap(shared([images, widths_of(space, full, 4)], training=False), expected) <= 1e-5
  sliced = slice_network(shared, full)
  assert relative_gap(sliced(images, training=False), expected) <= 1e-5
  export.to_tflite(sliced, tmp_path / "bottlenecks.tflite")
  found = export.predictor(tmp_path / "bottlenecks.tflite")(images)
  assert relative_gap(found, expected) <= 1e-4  # batch norms become part of the filters
