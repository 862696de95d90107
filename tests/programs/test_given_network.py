"""Commands with a Keras model of the user's."""

import json

import pytest


@pytest.fixture(scope="module")
def model_of(tmp_path_factory):
  """Function (channels) -> path of a small Keras model of 10 classes."""
  import keras

  def make(channels):
    layers = keras.layers
    path = tmp_path_factory.mktemp("models") / "mine.keras"
    keras.Sequential(
      [
        keras.Input((16, 16, channels)),
        layers.Rescaling(1 / 255),
        layers.RandomFlip(),
        layers.Conv2D(8, 3, strides=2, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.DepthwiseConv2D(5, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2D(16, 1),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10, activation="softmax"),
      ]
    ).save(path)
    return path

  return make


def test_count_says_what_is_understood_searched_and_fixed(run_command, model_of):
  path = model_of(1)
  status, printed, stderr = run_command("count", f"--network={path}")
  assert status == 0, stderr
  assert "it takes pixels as 0..255: it preprocesses them itself" in printed
  assert "random_flip" in printed  # what was dropped
  assert "searched    3 widths and 1 kernel sizes, in 2 of 4 blocks" in printed
  assert "fixed       rescale in block 1; head in block 4" in printed
  status, printed, _ = run_command("count", f"--network={path}", "--json", "--fixed_blocks=2")
  counts = json.loads(printed)
  assert status == 0 and counts["input_shape"] == [16, 16, 1]
  assert any("searched    2 widths" in line for line in counts["notes"])
  # 8x8 positions: 9 taps to 8 filters, 25 taps of 8, 8 to 16; then 16 to 10 classes.
  assert counts["macs"] == 64 * (9 * 8 + 25 * 8 + 8 * 16) + 160


def test_a_wrong_beginning_is_one_line(fails, model_of, output, tmp_path):
  there = f"--output={output}"
  colour, grey = model_of(3), model_of(1)
  message = r"takes images of 3 channel\(s\), those of --data have 1"
  for command in ("run", "train"):
    fails(message, command, there, f"--network={colour}")
  fails(
    "leave --backbone=mobilenet_v1 out",
    "run",
    there,
    f"--network={grey}",
    "--backbone=mobilenet_v1",
  )
  (tmp_path / "no.keras").write_bytes(b"no archive")
  fails("cannot be read as a Keras model", "run", there, f"--network={tmp_path / 'no.keras'}")
  fails("keras.applications has no 'Mobile'", "run", there, "--backbone=keras:Mobile")
  fails("of mobilenet_v3_demo there are none", "train", there, "--weights=imagenet")
  fails("there is no file none.keras", "train", there, "--weights=none.keras")
  fails("There is no file .*none.h5", "count", f"--network={tmp_path / 'none.h5'}")
