"""Weights of trained classifiers arrive in the first layers, from every kind of file."""

import keras
import numpy as np
import pytest

from nadv2_tf import backbones, export
from nadv2_tf.models import slice_network, stand_alone, super_network
from nadv2_tf.pipeline.stages import encoder_weights
from nadv2_tf.tasks.examples import Examples

SHAPE = (32, 32, 3)
LAST = "block14_pointwise_activation"


@pytest.fixture(scope="module")
def classifier(randomise):
  """MobileNetV1 of this package, trained elsewhere as far as the loader can tell."""
  space = backbones.search_space("mobilenet_v1", input_shape=SHAPE, classes=5)
  return randomise(stand_alone(space.largest()), seed=1, shift=0.3)


@pytest.fixture(scope="module")
def published(randomise):
  """Keras's own MobileNetV1, the head left out."""
  model = keras.applications.MobileNet(weights=None, include_top=False, input_shape=SHAPE)
  return randomise(model, seed=2, shift=0.3)


@pytest.fixture
def images():
  rng = np.random.default_rng(0)
  return Examples(rng.integers(0, 256, (48, *SHAPE), np.uint8), np.zeros(48, np.int64))


@pytest.fixture
def depth():
  return super_network(backbones.search_space("fastdepth", input_shape=SHAPE))


def features(network, images):
  encoder = keras.Model(network.inputs[0], network.get_layer(LAST).output)
  return np.asarray(encoder(images.inputs(), training=False))


@pytest.mark.parametrize("suffix", ["keras", "h5", "tflite"])
def test_the_encoder_computes_what_the_classifier_did(
  classifier, depth, images, tmp_path, relative_gap, suffix
):
  path = tmp_path / f"classifier.{suffix}"
  if suffix == "tflite":
    export.to_tflite(classifier, path)
  else:
    classifier.save(path)
  assert encoder_weights.load(path, depth, images) == 27
  plain = slice_network(depth, depth.space.largest())
  # Float32 sums in another order over 27 layers, folded once more.
  assert relative_gap(features(plain, images), features(classifier, images)) <= 1e-3
  assert features(classifier, images).std() > 0


def test_folded_layers_get_the_statistics_of_the_images(classifier, depth, images, tmp_path):
  """Normalised by its own statistics, as in training, the encoder still computes the same."""
  export.to_tflite(classifier, tmp_path / "classifier.tflite")
  encoder_weights.load(tmp_path / "classifier.tflite", depth, images)
  plain = slice_network(depth, depth.space.largest())
  for name in ("block01_filters_norm", "block05_depthwise_norm"):
    norm = plain.get_layer(name)
    assert np.median(norm.moving_variance) > 1e-3
    np.testing.assert_allclose(norm.gamma**2, norm.moving_variance + 1e-3, rtol=1e-4)
  first = keras.Model(plain.inputs[0], plain.get_layer("block03_pointwise_activation").output)
  trained = np.asarray(first(images.inputs(), training=True))
  alone = np.asarray(first(images.inputs(), training=False))
  assert np.abs(trained - alone).max() <= 0.02 * alone.std()


def test_weights_of_keras_mobilenet(published, depth, images, tmp_path):
  for path in (tmp_path / "mobilenet.weights.h5", tmp_path / "mobilenet.keras"):
    published.save_weights(path) if path.suffix == ".h5" else published.save(path)
    assert encoder_weights.load(path, depth, images) == 27
    for ours, theirs in (("block01_filters", "conv1"), ("block14_pointwise", "conv_pw_13")):
      layer, norm = published.get_layer(theirs), published.get_layer(f"{theirs}_bn")
      super_layer = depth.get_layer(ours)
      np.testing.assert_array_equal(super_layer.kernel, layer.kernel)
      np.testing.assert_allclose(super_layer.norm.gamma, norm.gamma)
      np.testing.assert_allclose(super_layer.norm.beta, norm.beta)
      np.testing.assert_allclose(super_layer.norm.moving_mean, norm.moving_mean)
      np.testing.assert_allclose(super_layer.norm.moving_variance, norm.moving_variance, rtol=1e-6)


def test_the_decoder_is_left_alone(classifier, depth, images, tmp_path):
  classifier.save(tmp_path / "classifier.keras")
  before = np.array(depth.get_layer("block15_pointwise").kernel)
  encoder_weights.load(tmp_path / "classifier.keras", depth, images)
  np.testing.assert_array_equal(depth.get_layer("block15_pointwise").kernel, before)


def test_another_network_is_named_layer_by_layer(tmp_path):
  narrow = keras.applications.MobileNet(
    weights=None, include_top=False, input_shape=SHAPE, alpha=0.5
  )
  narrow.save(tmp_path / "narrow.keras")
  network = backbones.search_space("fastdepth", input_shape=SHAPE).largest()
  message = r"layer 1, 'conv1', has a kernel of \[3, 3, 3, 16\], 'fastdepth' has \[3, 3, 3, 32\]"
  with pytest.raises(ValueError, match=message):
    encoder_weights.match(tmp_path / "narrow.keras", network)


def test_files_that_are_none(tmp_path):
  with pytest.raises(ValueError, match="there is no file"):
    encoder_weights.read(tmp_path / "none.keras")
  for name, message in (
    ("text.txt", r"must be a \.keras, \.h5 or \.tflite file"),
    ("text.keras", "is neither a Keras model nor weights of"),
    ("text.h5", "is neither a Keras model nor weights of"),
    ("text.tflite", "Cannot load the TFLite model"),
  ):
    (tmp_path / name).write_text("nothing")
    with pytest.raises(ValueError, match=message):
      encoder_weights.read(tmp_path / name)
