"""A given network and what it was read as, compared at the size that is searched."""

import dataclasses

import keras
import numpy as np
import pytest

from nadv2_tf import reading
from nadv2_tf.options import NetworkOptions, TrainOptions
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages import workbench
from nadv2_tf.pipeline.stages.given import source

SIZE = 24


@pytest.fixture
def bench_at(tmp_path):
  """Function of an image size -> the workbench of a model of 16x16."""
  layers = keras.layers
  model = keras.Sequential(
    [
      keras.Input((16, 16, 3)),
      layers.Conv2D(8, 3, 2, padding="same", activation="relu"),
      layers.GlobalAveragePooling2D(),
      layers.Dense(3),
    ]
  )
  model.save(tmp_path / "model.keras")
  images = np.random.default_rng(0).integers(0, 256, (40, SIZE, SIZE, 3)).astype("uint8")
  labels = np.arange(40) % 3
  np.savez(tmp_path / "data.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)

  def bench(image_size):
    options = NetworkOptions(
      data=f"npz:{tmp_path / 'data.npz'}",
      holdout=10,
      network=str(tmp_path / "model.keras"),
      image_size=image_size,
    )
    train = TrainOptions(batch_size=16, strategy="one")
    return workbench.make_workbench(RunFolder(tmp_path / "run"), options, train)

  return bench


def test_it_is_compared_at_the_size_that_is_searched(bench_at):
  lines = bench_at(SIZE).given.lines
  assert any("gives the same outputs at 24x24 too, to" in line for line in lines)
  assert not any("too, to" in line for line in bench_at(None).given.lines)


def test_another_network_at_that_size_is_found_out(bench_at, monkeypatch):
  read_as_it_is = source.read

  def read(model, options, size=None):
    found = read_as_it_is(model, options, size)
    if size != SIZE:
      return found
    weights = {name: [2 * array for array in arrays] for name, arrays in found.weights.items()}
    return dataclasses.replace(found, weights=weights)

  monkeypatch.setattr(source, "read", read)
  with pytest.raises(ValueError, match="--image_size=24: What was read of .* other outputs"):
    bench_at(SIZE)


def test_a_model_that_keras_cannot_build_at_that_size_is_told(bench_at, monkeypatch):
  def refuse(model, shape):
    raise ValueError("it is of one size")

  monkeypatch.setattr(reading, "at_size", refuse)
  told = "compared at the model's own size alone; Keras cannot build it at 24x24: it is of one size"
  assert any(told in line for line in bench_at(SIZE).given.lines)
