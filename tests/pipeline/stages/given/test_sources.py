"""Where a given network and trained weights come from."""

import types

import keras
import numpy as np
import pytest

from nadv2_tf import backbones
from nadv2_tf.models import slice_network, stand_alone, super_network
from nadv2_tf.pipeline.stages import trained_weights
from nadv2_tf.pipeline.stages.given import applications

SHAPE = (32, 32, 1)


@pytest.mark.parametrize(
  ("name", "expected"),
  [
    ("MobileNet", (-1.0, 1.0)),
    ("MobileNetV2", (-1.0, 1.0)),
    ("MobileNetV3Large", (0.0, 255.0)),
    ("EfficientNetB0", (0.0, 255.0)),
    ("ResNet50", (0.0, 255.0)),  # with what Keras does outside as a part of it
    ("DenseNet121", (0.0, 255.0)),
  ],
)
def test_what_networks_of_keras_take(name, expected):
  assert applications.input_range(f"keras:{name}") == expected


@pytest.mark.parametrize("name", ["ResNet50", "VGG16", "DenseNet121"])
def test_preprocessing_outside_of_a_network_becomes_a_part_of_it(name):
  """Means of channels, in another order or over their deviation."""
  make = getattr(keras.applications, name)
  keras.utils.set_random_seed(0)
  model = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Conv2D(4, 3)])
  pixels = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3)).astype("float32")
  module = __import__(make.__module__, fromlist=["preprocess_input"])
  expected = np.asarray(model(module.preprocess_input(pixels.copy())))
  outputs = np.asarray(applications._preprocessing(model, make)(pixels))
  np.testing.assert_allclose(outputs, expected, atol=1e-4 * expected.std())  # float32


def test_unknown_names_list_the_known_ones():
  with pytest.raises(ValueError, match="has no 'Mobile'; it has .*MobileNetV2, .*VGG16"):
    applications.load("keras:Mobile", "none")
  assert "MobileNetV3Small" in applications.names() and "mobilenet" not in applications.names()


def test_without_a_network_the_file_and_its_place_are_named(monkeypatch):
  address = "https://storage.googleapis.com/keras/mobilenet_v2/of_that.h5"

  def fetch(weights):
    raise Exception(f"URL fetch failure on {address}: None -- [Errno -2] Name or service unknown")

  monkeypatch.setattr(keras.applications, "MobileNetV2", fetch)
  with pytest.raises(ValueError, match=f"Put {address} at .*models/of_that.h5, or") as caught:
    applications.load("keras:MobileNetV2", "imagenet")
  assert "\n" not in str(caught.value)


def test_weights_of_a_file_are_taken(tmp_path, monkeypatch):
  def make(weights=None, include_top=True, pooling=None):
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(5)] if include_top else layers)

  make.__module__ = "keras.src.applications.mobilenet_v2"  # whose preprocessing is a range alone
  monkeypatch.setattr(
    keras.applications,
    "MobileNetV2",
    types.FunctionType(make.__code__, globals(), "MobileNetV2", (None, True, None)),
  )
  keras.applications.MobileNetV2.__module__ = make.__module__
  keras.utils.set_random_seed(3)
  trained = make()
  for name in ("whole.keras", "whole.weights.h5"):
    path = tmp_path / name
    (trained.save if name.endswith(".keras") else trained.save_weights)(path)
    loaded = applications.load("keras:MobileNetV2", str(path))
    for one, other in zip(loaded.get_weights(), trained.get_weights(), strict=True):
      np.testing.assert_array_equal(one, other)
  keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(7, 3)]).save(tmp_path / "a.keras")
  with pytest.raises(ValueError, match="a.keras is another network than keras:MobileNetV2"):
    applications.load("keras:MobileNetV2", str(tmp_path / "a.keras"))
  for path, message in (
    (tmp_path / "none.h5", "there is no file"),
    (__file__, "must be imagenet, none, a .keras or a .h5 file"),
  ):
    with pytest.raises(ValueError, match=message):
      applications.load("keras:MobileNetV2", str(path))


def test_a_backbone_begins_with_a_file_of_its_own(tmp_path, randomise):
  """`--weights=FILE` of the package's backbones; the classifier may be for other classes."""
  spec = backbones.search_space("mobilenet_v3_demo", SHAPE, 10).largest()
  trained = randomise(stand_alone(spec), 4)
  path = tmp_path / "full.keras"
  trained.save(path)
  space = backbones.search_space("mobilenet_v3_demo", SHAPE, 3)
  model = super_network(space)
  trained_weights.check(str(path), space.largest())
  taken = trained_weights.load(str(path), model, None)
  begun = slice_network(model, space.largest())
  with_weights = [layer for layer in begun.layers if layer.weights]
  assert taken == len(with_weights) - 1
  for layer in with_weights:
    if not layer.name.endswith("_classes"):
      for one, other in zip(
        layer.get_weights(), trained.get_layer(layer.name).get_weights(), strict=True
      ):
        np.testing.assert_array_equal(one, other)
  other = backbones.search_space("mobilenet_v3_cifar_small", (32, 32, 1), 3).largest()
  with pytest.raises(ValueError, match="the file must be of the same backbone"):
    trained_weights.check(str(path), other)
