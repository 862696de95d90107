""".h5 files of tf_keras, the way out for its models: what Keras 3 does not read by itself."""

import numpy as np
import pytest

from nadv2_tf import reading

tf_keras = pytest.importorskip("tf_keras")
layers = tf_keras.layers
SHAPE = (12, 12, 3)


def base():
  """A functional model whose names have "/", as those of MobileNetV3 have."""
  inputs = tf_keras.Input(SHAPE)
  x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="Conv")(inputs)
  x = layers.BatchNormalization(name="Conv/BatchNorm")(x)
  x = layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0) * x
  x = layers.DepthwiseConv2D(3, 2, use_bias=False, name="block/depthwise")(x)
  x = layers.BatchNormalization(name="block/BatchNorm")(x)
  return tf_keras.Model(inputs, x, name="base")


def end():
  return [layers.GlobalAveragePooling2D(), layers.Dense(3)]


def functional_in_functional():
  inputs = tf_keras.Input(SHAPE)
  x = base()(tf_keras.applications.mobilenet_v2.preprocess_input(inputs), training=False)
  for layer in end():
    x = layer(x)
  return tf_keras.Model(inputs, x)


def frozen():
  model = functional_in_functional()
  model.get_layer("base").trainable = False
  return model


def functional_in_sequential():
  rescaling = layers.Rescaling(1 / 127.5, offset=-1)
  return tf_keras.Sequential([tf_keras.Input(SHAPE), rescaling, base(), *end()])


def sequential_in_sequential():
  inner = [layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU()]
  return tf_keras.Sequential([tf_keras.Input(SHAPE), tf_keras.Sequential(inner), *end()])


def sequential_at_the_end():
  inputs = tf_keras.Input(SHAPE)
  return tf_keras.Model(inputs, tf_keras.Sequential(end())(base()(inputs)))


def augmented():
  augmentation = [
    layers.RandomFlip(),
    layers.RandomRotation(0.1),
    layers.RandomZoom(0.1),
    layers.RandomContrast(0.1),
    layers.RandomCrop(*SHAPE[:2]),
  ]
  return tf_keras.Sequential(
    [tf_keras.Input(SHAPE), tf_keras.Sequential(augmentation), layers.Conv2D(4, 3), *end()]
  )


MODELS = {
  "flat": base,
  "functional_in_functional": functional_in_functional,
  "frozen": frozen,
  "functional_in_sequential": functional_in_sequential,
  "sequential_in_sequential": sequential_in_sequential,
  "sequential_at_the_end": sequential_at_the_end,
  "augmented": augmented,
}


@pytest.mark.parametrize("name", MODELS)
def test_models_within_models(name, tmp_path):
  rng = np.random.default_rng(0)
  model = MODELS[name]()
  model.set_weights([rng.uniform(0.2, 1.0, weight.shape) for weight in model.weights])
  model.save(tmp_path / "old.h5")
  read = reading.read_network(reading.load_model(tmp_path / "old.h5"))
  images = rng.uniform(0, 255, (2, *SHAPE)).astype("float32")
  expected = np.asarray(model(images, training=False))
  outputs = np.asarray(reading.build(read)(images))
  # Both are float32; the outputs are as large as the pixels let them be.
  assert np.abs(outputs - expected).max() <= 1e-5 * np.abs(expected).max()


def bent(x):
  return tf_keras.backend.clip(x, 0.0, 5.0)


class Own(layers.Layer):
  def call(self, x):
    return x * 2


REFUSED = {
  "operator": (
    lambda: bent,
    # tf_keras numbers the layers of a process.
    r"'tf.clip_by_value\w*' is the operator clip_by_value of tf_keras.*activations would be",
  ),
  "slice": (lambda: lambda x: x[:, :2], r"'tf.__operators__.getitem\w*' is the operator"),
  "layer": (lambda: Own(name="mine"), "'mine' is a Own, which is not of Keras"),
  "model": (
    lambda: tf_keras.Sequential([layers.Conv2D(4, 1), Own(name="mine")]),
    "'mine' is a Own, which is not of Keras",
  ),
  "function": (
    lambda: layers.Conv2D(4, 1, activation=bent, name="bent"),
    "Conv2D 'bent' has a function, 'bent', which is not of Keras",
  ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_keras_3_does_not_know_is_named(name, tmp_path):
  make, message = REFUSED[name]
  inputs = tf_keras.Input(SHAPE)
  tf_keras.Model(inputs, make()(layers.Conv2D(4, 3)(inputs))).save(tmp_path / "old.h5")
  with pytest.raises(reading.ReadError, match=message) as caught:
    reading.load_model(tmp_path / "old.h5")
  text = str(caught.value).replace(str(tmp_path), "")
  assert "\n" not in text and len(text) < 250, text
