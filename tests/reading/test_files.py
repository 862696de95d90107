"""Models in files: read without running what is in them."""

import json
import zipfile

import keras
import numpy as np
import pytest
from user_models import USER_MODELS

from nadv2_tf import reading

layers = keras.layers


@keras.saving.register_keras_serializable("mine")
class Doubled(layers.Layer):
  def call(self, x):
    return x * 2


def small(*behind):
  return keras.Sequential(
    [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), *behind, layers.GlobalAveragePooling2D()],
    name="small",
  )


@pytest.mark.parametrize(
  ("name", "suffix"),
  [
    ("operator_activations", "keras"),
    ("turned_channels", "keras"),
    ("nested_base", "h5"),
    ("residual_basic", "h5"),
  ],
)
def test_a_file_is_the_model(name, suffix, tmp_path, randomise):
  make, (low, high), _ = USER_MODELS[name]
  model = randomise(make(), 1)
  path = tmp_path / f"model.{suffix}"
  model.save(path)
  loaded = reading.load_model(str(path))
  images = np.random.default_rng(0).uniform(low, high, (2, *model.input_shape[1:]))
  assert reading.check_same(model, reading.read_network(loaded), images.astype("float32")) <= 1e-5


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_code_and_own_layers_are_refused_by_name(suffix, tmp_path):
  path = tmp_path / f"model.{suffix}"
  small(layers.Lambda(lambda x: x + 1, name="plus")).save(path)
  with pytest.raises(reading.ReadError, match="Lambda layer 'plus' is code.*keras.ops"):
    reading.load_model(path)
  small(Doubled(name="twice")).save(path)
  with pytest.raises(reading.ReadError, match="'twice' is a .*Doubled, which is not of Keras"):
    reading.load_model(path)


class Unregistered(layers.Layer):
  def call(self, x):
    return x * 2


class UnregisteredModel(keras.Model):
  """Keras writes neither settings nor a name of it into its config."""

  def call(self, x):
    return x * 2


def steep(x):
  return x * 2


NOT_KERAS = {
  "layer": (lambda: Unregistered(name="twice"), "'twice' is a Unregistered, which is not of Keras"),
  "model": (
    lambda: UnregisteredModel(name="within"),
    "'within' is a UnregisteredModel, which is not of Keras",
  ),
  "function": (
    lambda: layers.Conv2D(4, 1, activation=steep, name="bent"),
    "Conv2D 'bent' has a function, 'steep', which is not of Keras",
  ),
}


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("name", NOT_KERAS)
def test_what_was_never_registered_is_named_with_its_layer(name, suffix, tmp_path):
  make, message = NOT_KERAS[name]
  path = tmp_path / f"model.{suffix}"
  inputs = keras.Input((8, 8, 3))
  keras.Model(inputs, make()(layers.Conv2D(4, 3)(inputs))).save(path)
  with pytest.raises(reading.ReadError, match=message) as caught:
    reading.load_model(path)
  text = str(caught.value).replace(str(path), "")
  assert "\n" not in text and len(text) < 200, text


def test_an_operator_that_keras_reads_from_the_other_kind_of_file_alone(tmp_path):
  inputs = keras.Input((8, 8, 3))
  x = keras.ops.mean(layers.Conv2D(4, 3)(inputs), axis=(1, 2))
  model = keras.Model(inputs, layers.Dense(3)(x))
  model.save(tmp_path / "model.h5")
  with pytest.raises(reading.ReadError, match="operator Mean, which .* save .* as a .keras file"):
    reading.load_model(tmp_path / "model.h5")
  model.save(tmp_path / "model.keras")
  assert reading.read_network(reading.load_model(tmp_path / "model.keras"))


def test_a_loss_of_ones_own_does_no_harm(tmp_path):
  model = small()
  model.compile(loss=steep)
  model.save(tmp_path / "model.keras")
  assert reading.load_model(tmp_path / "model.keras").name == "small"


def test_other_files(tmp_path):
  with pytest.raises(reading.ReadError, match="There is no file .*none.keras"):
    reading.load_model(tmp_path / "none.keras")
  (tmp_path / "model.txt").write_text("x")
  with pytest.raises(reading.ReadError, match="model.txt is not a .keras or .h5 file"):
    reading.load_model(tmp_path / "model.txt")
  for name in ("broken.keras", "broken.h5"):
    (tmp_path / name).write_bytes(b"x" * 100)
    with pytest.raises(reading.ReadError, match=f"{name} cannot be read as a Keras model") as error:
      reading.load_model(tmp_path / name)
    assert "\n" not in str(error.value)
  model = small()
  model.save_weights(tmp_path / "only.weights.h5")
  with pytest.raises(reading.ReadError, match="it has weights and no model"):
    reading.load_model(tmp_path / "only.weights.h5")


def test_saved_model(tmp_path):
  (tmp_path / "saved").mkdir()
  (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
  for path in (tmp_path / "saved", tmp_path / "saved" / "saved_model.pb"):
    with pytest.raises(reading.ReadError, match="SavedModel.*tf_keras.*save it as a .h5 file"):
      reading.load_model(path)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"module": "tf_keras.src.layers"}, "saved by tf_keras; load it there and save it as a .h5"),
    ({"module": "os", "class_name": "system"}, "is a system, which is not of Keras"),
    (  # as Keras writes a class of a program
      {"module": None, "class_name": "Own", "registered_name": "Own"},
      "'conv2d.*' is a Own, which is not of Keras",
    ),
  ],
)
def test_a_file_of_something_else(changes, message, tmp_path):
  path, other = tmp_path / "model.keras", tmp_path / "other.keras"
  small().save(path)
  with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
    for item in source.infolist():
      content = source.read(item)
      if item.filename == "config.json":
        config = json.loads(content)
        config["config"]["layers"][1].update(changes)
        content = json.dumps(config)
      target.writestr(item, content)
  with pytest.raises(reading.ReadError, match=message):
    reading.load_model(other)


def test_a_tf_keras_h5_is_read(tmp_path, randomise):
  """The way out of tf_keras: its operators, and settings that layers of Keras 3 do not have."""
  tf_keras = pytest.importorskip("tf_keras")
  inputs = tf_keras.Input((16, 16, 3))
  x = tf_keras.applications.mobilenet_v2.preprocess_input(inputs)
  x = tf_keras.layers.Conv2D(4, 3, 2, "same", use_bias=False)(x)
  x = tf_keras.layers.BatchNormalization()(x)
  x = x * tf_keras.layers.ReLU(6.0)(3.0 + x) / 6.0
  x = tf_keras.layers.DepthwiseConv2D(3)(x)
  x = tf_keras.layers.SeparableConv2D(6, 3, padding="same")(x)
  x = tf_keras.layers.GlobalAveragePooling2D()(x)
  old = tf_keras.Model(inputs, tf_keras.layers.Dense(3)(x))
  old.save(tmp_path / "old.h5")
  read = reading.read_network(reading.load_model(tmp_path / "old.h5"))
  images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
  outputs = np.asarray(reading.build(read)(images))
  np.testing.assert_allclose(outputs, old(images), rtol=0, atol=1e-5)
  old.save(tmp_path / "old.keras")
  with pytest.raises(reading.ReadError, match="saved by tf_keras"):
    reading.load_model(tmp_path / "old.keras")


def test_a_hard_sigmoid_of_tf_keras_is_another_function(tmp_path):
  tf_keras = pytest.importorskip("tf_keras")
  layers = tf_keras.layers
  old = tf_keras.Sequential(
    [
      tf_keras.Input((8, 8, 3)),
      layers.Conv2D(4, 3, activation="hard_sigmoid"),
      layers.GlobalAveragePooling2D(),
      layers.Dense(3),
    ]
  )
  old.save(tmp_path / "old.h5")
  with pytest.raises(reading.ReadError, match="its hard_sigmoid is that of tf_keras"):
    reading.load_model(tmp_path / "old.h5")
