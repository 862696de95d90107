"""Accuracy worked out by hand, and the same network from a .keras and a .tflite file."""

import json
import re

import numpy as np
import pytest
from absl.testing import flagsaver

from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.scoring.evaluation import evaluate, evaluate_logits

NAN, INF = float("nan"), float("inf")


def test_top_1_and_per_class():
  logits = np.array([[3, 1, 2], [0, 5, 1], [9, 0, 1], [1, 2, 3], [7, 8, 0]], np.float32)
  labels = np.array([0, 1, 1, 0, 1])
  # Predicted: 0, 1, 0, 2, 1. Right: the first, second and last.
  result = evaluate_logits(logits, labels, 4)
  assert result.examples == 5
  assert result.accuracy == 3 / 5
  assert result.per_class == (1 / 2, 2 / 3, None, None)  # classes 2 and 3 have no examples
  assert result.top_5 is None  # 4 classes: five guesses are always right


def test_top_5_needs_six_classes():
  rank = np.array([[6, 5, 4, 3, 2, 1]] * 6, np.float32)  # class 0 is first, class 5 sixth
  result = evaluate_logits(rank, np.arange(6), 6)
  assert result.top_5 == 5 / 6
  assert result.accuracy == 1 / 6
  assert evaluate_logits(rank[:, :5], np.arange(5).repeat(2)[:6], 5).top_5 is None


def test_ties_go_to_the_lower_class():
  tied = np.array([[1, 2, 2], [0, 0, 0], [4, 4, 0]], np.float32)
  assert evaluate_logits(tied, np.array([1, 0, 0]), 3).accuracy == 1
  assert evaluate_logits(tied, np.array([2, 1, 1]), 3).accuracy == 0
  # A network that says the same of everything names classes 0 to 4, not all six.
  assert evaluate_logits(np.zeros((6, 6)), np.arange(6), 6).top_5 == 5 / 6


@pytest.mark.parametrize("broken", [[NAN] * 6, [1, NAN, 0, 0, 0, 0], [INF, 1, 1, 1, 1, NAN]])
def test_nan_is_never_right(broken):
  logits = np.array([broken, [9, 0, 0, 0, 0, 0]])
  for label in range(6):
    result = evaluate_logits(logits, np.array([label, 0]), 6)
    assert (result.accuracy, result.top_5) == (1 / 2, 1 / 2)


@pytest.mark.parametrize("batch_size", [1, 4, 7, 100])
def test_evaluate_goes_through_all_examples_in_order(batch_size):
  # The network finds the class that the only pixel names; three of seven labels are others.
  images = np.array([0, 1, 2, 0, 1, 2, 2], np.uint8).reshape(7, 1, 1, 1)
  labels = np.array([0, 1, 2, 1, 1, 0, 0])
  sizes = []

  def predict(inputs):
    sizes.append(len(inputs))
    return np.eye(3)[np.rint((inputs[:, 0, 0, 0] + 1) * 127.5).astype(int)]

  result = evaluate(predict, Examples(images, labels), 3, batch_size)
  assert result.accuracy == 4 / 7
  assert result.per_class == (1 / 3, 2 / 3, 1)
  assert sum(sizes) == 7 and max(sizes) == min(batch_size, 7)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
  """A network that weighs the pixels of 4x4 images, as .keras and .tflite, and labelled images."""
  import keras

  from nadv2_tf.export import to_tflite

  folder = tmp_path_factory.mktemp("networks")
  model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
  rng = np.random.default_rng(0)
  weights = rng.normal(size=(16, 3)).astype(np.float32)
  model.layers[-1].set_weights([weights, np.zeros(3, np.float32)])
  model.save(folder / "net.keras")
  to_tflite(model, folder / "net.tflite")
  images = rng.integers(0, 256, (60, 4, 4, 1), np.uint8)
  logits = (images.reshape(60, 16) / 127.5 - 1) @ weights
  labels = logits.argmax(axis=1)
  labels[::4] = (labels[::4] + 1) % 3  # 15 of 60 are wrong
  np.savez(
    folder / "data.npz",
    x_train=images[:3],
    y_train=np.arange(3),
    x_test=images,
    y_test=labels,
  )
  top_two = np.sort(logits, axis=1)
  assert (top_two[:, -1] - top_two[:, -2]).min() > 1e-3  # no rounding decides
  shares = [float((logits.argmax(1) == labels)[labels == label].mean()) for label in range(3)]
  return folder, shares


@pytest.fixture
def run_evaluate(files, capsys):
  """Function (file, **flags) -> what nadv2-evaluate prints."""
  from absl import flags

  from nadv2_tf.programs import evaluate as program

  before = set(flags.FLAGS)
  program.define_flags()
  flags.FLAGS(["nadv2-evaluate", "--network=unset"])

  def run(name, **values):
    values = {"data": f"npz:{files[0] / 'data.npz'}", "network": str(files[0] / name)} | values
    with flagsaver.flagsaver(**values):
      program.main()
    return capsys.readouterr().out

  yield run
  for name in set(flags.FLAGS) - before:
    delattr(flags.FLAGS, name)


def test_keras_and_tflite_files_have_the_same_accuracy(files, run_evaluate):
  found = [json.loads(run_evaluate(f"net.{kind}", json=True)) for kind in ("keras", "tflite")]
  assert found[0] == found[1]
  assert found[0]["accuracy"] == 45 / 60
  assert found[0]["per_class"] == pytest.approx(files[1], abs=1e-12)
  assert (found[0]["examples"], found[0]["top_5"]) == (60, None)


def test_table_names_the_classes(files, run_evaluate):
  text = run_evaluate("net.tflite")
  assert "top-1  75.00% of 60 images" in text
  for label, share in enumerate(files[1]):
    assert re.search(rf"^  {label} +{share:.2%}$", text, re.MULTILINE)


def test_training_images_on_demand(run_evaluate):
  assert json.loads(run_evaluate("net.keras", json=True, part="train"))["examples"] == 3


@pytest.mark.parametrize(
  ("classes", "channels", "message"),
  [(4, 1, "tells 3 classes apart, .* has 4"), (3, 3, r"takes images of 1 channel.* has 3")],
)
def test_data_that_does_not_fit_is_refused(run_evaluate, tmp_path, classes, channels, message):
  images, labels = np.zeros((classes, 4, 4, channels), np.uint8), np.arange(classes)
  path = tmp_path / "other.npz"
  np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)
  with pytest.raises(ValueError, match=message):
    run_evaluate("net.tflite", data=f"npz:{path}")
