"""`mobilenet_v3_large` is the network of `keras.applications`, weight by weight."""

import keras
import numpy as np

from nadv2_tf import backbones
from nadv2_tf.models import slice_network, stand_alone, super_network


def copy_in_order(source, target):
  """Copies weights of equal kinds in order; every kind must match in number and shape."""
  kinds = (keras.layers.DepthwiseConv2D, keras.layers.Conv2D, keras.layers.BatchNormalization)
  for kind in kinds:
    pairs = [[layer for layer in model.layers if type(layer) is kind] for model in (source, target)]
    assert len(pairs[0]) == len(pairs[1])
    for one, other in zip(*pairs, strict=True):
      other.set_weights(one.get_weights())


def test_equals_keras_applications(randomise, relative_gap, widths_of, float64):
  reference = keras.applications.MobileNetV3Large(
    weights=None, include_preprocessing=False, classifier_activation=None
  )
  randomise(reference, seed=1)
  spec = backbones.network("mobilenet_v3_large")
  ours = stand_alone(spec)
  copy_in_order(reference, ours)
  images = np.random.default_rng(2).uniform(-1, 1, (2, 224, 224, 3))
  expected = np.asarray(reference(images, training=False))
  assert np.abs(expected - expected.mean(axis=0)).max() > 0  # the outputs tell images apart
  assert relative_gap(ours(images, training=False), expected) <= 1e-6


def test_super_network_of_it_is_the_same(randomise, relative_gap, widths_of, float64):
  space = backbones.search_space("mobilenet_v3_large", input_shape=(64, 64, 3), classes=10)
  model = randomise(super_network(space), seed=3)
  plain = slice_network(model, space.largest())
  reference = keras.applications.MobileNetV3Large(
    input_shape=(64, 64, 3),
    classes=10,
    weights=None,
    include_preprocessing=False,
    classifier_activation=None,
  )
  copy_in_order(plain, reference)
  images = np.random.default_rng(4).normal(size=(2, 64, 64, 3))
  widths = widths_of(space, space.largest(), 2)
  assert (
    relative_gap(model([images, widths], training=False), reference(images, training=False)) <= 1e-6
  )
