"""Models at another size than their own."""

import keras
import numpy as np
import pytest
from user_models import USER_MODELS

from nadv2_tf import reading

layers = keras.layers


@pytest.mark.parametrize(
  "name", ["toy_resnet", "operator_activations", "within", "flat_after_pool"]
)
def test_the_same_layers_at_another_size(name, randomise):
  model = randomise(WITHIN.get(name, USER_MODELS.get(name, [None])[0])(), seed=1)
  size = 40
  resized = reading.at_size(model, (size, size, 3))
  assert resized.input_shape == (None, size, size, 3)
  for one, other in zip(model.get_weights(), resized.get_weights(), strict=True):
    assert np.array_equal(one, other)
  read = reading.read_network(model, input_shape=(size, size, 3))
  images = np.random.default_rng(0).uniform(0, 1, (2, size, size, 3)).astype("float32")
  assert reading.check_same(resized, read, images) <= 1e-5


def within():
  """Models within models, of sizes that follow from that of the images."""
  inner = keras.Sequential(
    [keras.Input((16, 16, 4)), layers.Conv2D(4, 3, 2), layers.BatchNormalization()]
  )
  images = keras.Input((32, 32, 3))
  x = layers.Conv2D(4, 3, 2, padding="same", activation="relu")(images)
  base = keras.Model(images, inner(x))
  return keras.Sequential(
    [keras.Input((32, 32, 3)), base, layers.GlobalAveragePooling2D(), layers.Dense(3)]
  )


def flat_after_pool():
  pooled = layers.GlobalAveragePooling2D(keepdims=True)
  return keras.Sequential(
    [keras.Input((32, 32, 3)), layers.Conv2D(4, 3), pooled, layers.Flatten(), layers.Dense(3)]
  )


WITHIN = {"within": within, "flat_after_pool": flat_after_pool}


def test_operators_of_old_files(tmp_path, randomise):
  """They are a layer of this package, which copies of the model need."""
  images = keras.Input((32, 32, 3))
  x = layers.Conv2D(4, 3)(images / 127.5 - 1.0)
  x = layers.GlobalAveragePooling2D()(keras.ops.relu6(x))
  randomise(keras.Model(images, layers.Dense(3)(x)), seed=1).save(tmp_path / "model.h5")
  loaded = reading.load_model(tmp_path / "model.h5")
  read = reading.read_network(loaded, input_shape=(40, 40, 3))
  images = np.random.default_rng(0).uniform(0, 1, (2, 40, 40, 3)).astype("float32")
  assert reading.check_same(reading.at_size(loaded, (40, 40, 3)), read, images) <= 1e-5


def test_layers_for_one_size_alone():
  flat = keras.Sequential(
    [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)]
  )
  with pytest.raises(ValueError, match="shape") as caught:
    reading.at_size(flat, (16, 16, 3))
  assert "\n" not in str(caught.value)
