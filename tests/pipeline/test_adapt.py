"""nad.adapt: a model in, a model out."""

import io

import keras
import numpy as np
import pytest

import nadv2_tf as nad
from nadv2_tf.pipeline import adapt as adapting
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.tasks import sources

SMALL = {
  "full_epochs": 1, "finetune_epochs": 1, "batch_size": 16, "holdout": 32, "strategy": "one",
  "samples_per_iteration": 4, "initial_reduction": 0.2,
}  # fmt: skip


@pytest.fixture(scope="module")
def data():
  """Images from 0 to 1 whose upper or lower half is bright, and one-hot labels."""
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 2, 160)
  images = rng.uniform(0, 0.4, (160, 12, 12, 3)).astype("float32")
  for image, label in zip(images, labels, strict=True):
    image[6 * label : 6 * label + 6] += 0.6
  return images, np.eye(2, dtype="float32")[labels]


def model_of_two_classes():
  keras.utils.set_random_seed(0)
  layers = keras.layers
  return keras.Sequential(
    [
      keras.Input((12, 12, 3)),
      layers.Conv2D(8, 3, strides=2, activation="relu", padding="same"),
      layers.Conv2D(16, 3, activation="relu", padding="same"),
      layers.MaxPooling2D(),
      layers.Conv2D(16, 3, activation="relu"),
      layers.GlobalAveragePooling2D(),
      layers.Dense(1, activation="sigmoid"),
    ]
  )


@pytest.fixture(scope="module")
def adapted(data, tmp_path_factory):
  model, stream = model_of_two_classes(), io.StringIO()
  model.compile("adam", "binary_crossentropy")
  model.fit(data[0], data[1][:, 1:], epochs=12, batch_size=16, verbose=0)
  output = tmp_path_factory.mktemp("adapt") / "mine"
  result = nad.adapt(model, data, target="60%", output=output, progress=Progress(stream), **SMALL)
  return model, result, output, stream.getvalue()


def test_the_model_that_comes_out_takes_and_gives_what_the_one_before_did(adapted, data):
  model, result, _, _ = adapted
  images, labels = data
  assert result.model.input_shape == model.input_shape == (None, 12, 12, 3)
  outputs = np.asarray(result.model.predict(images, verbose=0))
  assert outputs.shape == (160, 1) and outputs.min() >= 0 and outputs.max() <= 1
  right = (outputs[:, 0] > 0.5) == (labels[:, 1] > 0.5)
  assert right.mean() > 0.9 and outputs.std() > 0.0
  assert result.model.count_params() < model.count_params()
  assert result.spec.macs() <= 0.6 * result.metrics["networks"]["original"]["macs"]


def test_what_was_made_is_saved(adapted, data, tmp_path):
  _, result, output, _ = adapted
  place = result.save(tmp_path / "result")
  names = {path.name for path in place.iterdir()}
  assert names == {"model.keras", "found.tflite", "found.json", "metrics.json", "report.html"} | {
    path.name for path in (output / "run").glob("found*.json")
  }
  again = keras.saving.load_model(place / "model.keras")
  images = data[0][:8]
  np.testing.assert_array_equal(
    again.predict(images, verbose=0), result.model.predict(images, verbose=0)
  )


def test_the_same_call_goes_on(adapted, data):
  model, result, output, _ = adapted
  stream = io.StringIO()
  again = nad.adapt(model, data, target="60%", output=output, progress=Progress(stream), **SMALL)
  assert "found: trained network in" in stream.getvalue()
  assert again.spec == result.spec
  with pytest.raises(ValueError, match="began with another network"):
    nad.adapt(
      keras.models.clone_model(model), data, target="60%", output=output, progress=Progress(stream),
      **SMALL,
    )  # fmt: skip


@pytest.mark.parametrize(
  ("images", "asked", "expected"),
  [
    (np.array([0, 128, 255], np.uint8), None, ([0, 128, 255], "0..255")),
    (np.array([0, 1, 1], np.int64), None, ([0, 1, 1], "0..255")),
    (np.array([0.0, 0.5, 1.0]), None, ([0, 128, 255], "0..1")),
    (np.array([-1.0, 0.0, 1.0]), "auto", ([0, 128, 255], "-1..1")),
    (np.array([0.0, 12.0, 255.0]), None, ([0, 12, 255], "0..255")),
    (np.array([0.0, 0.5, 1.0]), "-1..1", ([128, 191, 255], "-1..1")),
    (np.array([-1e-7, 0.5, 1.0000001]), None, ([0, 128, 255], "0..1")),  # as rounding leaves them
    (np.array([-1.0, 0.0, 1.001]), "-1..1", ([0, 128, 255], "-1..1")),
    (np.array([0.0, 2.0, 3.0]), None, ([0, 2, 3], "0..255")),
    (np.array([0.5, 2.0, 40.0]), None, ([0, 2, 40], "0..255")),
  ],
)
def test_images_become_bytes(images, asked, expected):
  found, input_range = adapting._bytes(images.reshape(3, 1, 1, 1), asked)
  assert (found.reshape(-1).tolist(), input_range) == expected and found.dtype == np.uint8


def test_one_hot_rows_say_how_many_classes_there_are(tmp_path):
  path = tmp_path / "data.npz"
  images = np.zeros((10, 4, 4, 3), np.uint8)
  labels = np.arange(10) % 3
  for given, classes in ((np.eye(5)[labels], 5), (labels, 3)):
    adapting._written(path, (images, given), 0.2, {})
    assert len(sources.load(f"npz:{path}", 4).class_names) == classes
  # The test images have the last class alone.
  adapting._written(path, (images[:6], labels[:6] % 2), (images[6:], labels[6:]), {})
  assert len(sources.load(f"npz:{path}", 4).class_names) == 3


def test_figures_are_not_mixed_with_those_of_other_test_images(adapted, data):
  model, _, output, _ = adapted
  images, labels = data
  tested = np.random.default_rng(0).permutation(160)[:32]
  others = labels.copy()
  others[tested] = 1 - others[tested]
  with pytest.raises(ValueError, match="were measured on other test images than those here"):
    nad.adapt(model, (images, others), target="60%", output=output, **SMALL)
  nad.adapt(model, data, target="60%", output=output, **SMALL)  # and data.npz is as it was


def test_a_policy_of_half_precision_is_left_alone(data, tmp_path):
  keras.mixed_precision.set_dtype_policy("mixed_float16")
  try:
    model = model_of_two_classes()
    untrained = {"full_epochs": 0, "finetune_epochs": 0, "search_optimizer": "uniform"}
    result = nad.adapt(
      model, data, target="60%", output=tmp_path, batch_size=16, strategy="one", **untrained
    )
    assert keras.config.dtype_policy().name == "mixed_float16"
  finally:
    keras.mixed_precision.set_dtype_policy("float32")
  assert {layer.compute_dtype for layer in result.model.layers} == {"float32"}
  assert (result.folder / "found.tflite").exists()


def test_what_cannot_be_adapted_is_one_line(data, tmp_path):
  model = model_of_two_classes()
  images, labels = data
  for changes, message in (
    ({"data": (images * 5 - 2, labels)}, "not of any of .*belongs into the model, as Rescaling"),
    ({"data": (images * 2, labels)}, "Images from .* are not of any of"),  # three bytes were left
    ({"data": (images, labels[:9])}, "Labels must be an integer or a one-hot row for each of the"),
    ({"target": "50,30%"}, "target must be one number or share"),
    ({"invented": 3}, "adapt has no option 'invented'"),
    ({"test": 1.5}, "test must be a share of the 160 images"),
    ({"backbone": "mobilenet_v1"}, "leave --backbone=mobilenet_v1 out"),
    ({"network": "other.keras"}, "leave network out"),
    ({"data": "demo", "test": 0.5}, "has a test set of its own; leave test out"),
    ({"data": (images, np.ones((160, 2)))}, "Labels must be an integer or a one-hot row"),
    ({"data": (images, np.full(160, "cat"))}, "Labels must be an integer or a one-hot row"),
  ):
    with pytest.raises(ValueError, match=message):
      nad.adapt(model, **{"data": data, "output": tmp_path / "run"} | changes)
