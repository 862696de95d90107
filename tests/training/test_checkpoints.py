"""Checkpoints: a training that is cut off anywhere ends like one that was left alone."""

import dataclasses
import errno
import os
import pathlib
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from nadv2_tf.models import stand_alone, super_network
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training import strategies
from nadv2_tf.training.checkpoints import file as checkpoint_file
from nadv2_tf.training.checkpoints.file import Checkpoint, CheckpointError
from nadv2_tf.training.checkpoints.folder import Checkpoints
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.widths import WidthSampler

SETTINGS = {"network": {"backbone": "tiny", "seed": 3}, "version": "1"}
RECIPE = Recipe(3, 32, "adam", 1e-2, weight_decay=1e-4)
STEPS = 9


class PowerCut(Exception):
  """Stands for a kill between two steps."""


@pytest.fixture(scope="module")
def examples():
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 2, 100)  # 3 batches, and 4 images left over
  images = rng.integers(0, 100, (100, 8, 8, 1)) + 100 * labels[:, None, None, None]
  return Examples(images.astype(np.uint8), labels.astype(np.int64))


@pytest.fixture(scope="module")
def train(tiny_space, examples):
  """Function (folder, lives, ...) -> weights, reports, lines; trains at most `lives` steps."""

  def run(folder, lives=10**9, recipe=RECIPE, wide=False, strategy=None, report_every=1, **keeping):
    keras.utils.set_random_seed(5)
    lines, task = [], Classification("demo", 8, 1, 0)
    scope = strategy.scope() if strategy else tf.distribute.get_strategy().scope()
    with scope:
      if wide:
        model, sampler = super_network(tiny_space, groups=4), WidthSampler(tiny_space, 32, 4, 1)
      else:
        model, sampler = _with_dropout(stand_alone(tiny_space.largest())), None
    loop = TrainingLoop(model, task, recipe, sampler, strategy, seed=3)
    keeper = Checkpoints(folder, SETTINGS, tell=lines.append, **{"every": 0} | keeping)

    def count(report):
      nonlocal lives
      lives -= 1
      if lives < 0:
        raise PowerCut

    reports = loop.run(examples, count, report_every=report_every, checkpoints=keeper)
    run.state = loop.state
    return model.get_weights(), reports, lines

  return run


@pytest.mark.parametrize("seed", [3, 4])
def test_a_sliced_super_network_drops_the_same_after_a_cut(examples, tmp_path, seed):
  blocks = (Conv(8, 3, 2, "relu"), Conv(8, 3, 2, "relu"), Head(2, None, dropout=0.5))
  space = space_of(NetworkSpec("dropping", (8, 8, 1), blocks), levels=2)

  def train(folder, steps):
    """Weights after at most so many steps, the first or those after a cut."""
    keras.utils.set_random_seed(5)
    model = super_network(space, groups=4)
    keras.utils.set_random_seed(len(list(folder.glob("*"))))  # dropout must not come from here
    lives = iter(range(steps))

    def count(report):
      if next(lives, None) is None:
        raise PowerCut

    sampler = WidthSampler(space, 32, 4, 1)
    task = Classification("demo", 8, 1, 0)
    loop = TrainingLoop(model, task, RECIPE, sampler, seed=seed, execution="sliced")
    keeper = Checkpoints(folder, SETTINGS, every=0)
    loop.run(examples, count, report_every=1, checkpoints=keeper)
    return model.get_weights()

  undisturbed = train(tmp_path / "alone", 99)
  with pytest.raises(PowerCut):
    train(tmp_path / "cut", 4)
  for resumed, alone in zip(train(tmp_path / "cut", 99), undisturbed, strict=True):
    np.testing.assert_array_equal(resumed, alone)


def _with_dropout(model):
  outputs = keras.layers.Dropout(0.5, seed=1)(model.outputs[0])
  return keras.Model(model.inputs, outputs)


@pytest.fixture(scope="module")
def undisturbed(train, tmp_path_factory):
  """Weights and reports of trainings that were left alone: super-network, stand-alone network."""
  return {
    wide: train(tmp_path_factory.mktemp("alone"), wide=wide, report_every=1 if wide else 4)[:2]
    for wide in (True, False)
  }


@pytest.mark.parametrize(
  ("wide", "lives", "cut_at"),
  [(True, (4, 2), 6), (False, (1, 0), 7)],  # the second between its reports of steps 4 and 8
)
def test_a_training_cut_off_twice_ends_with_the_same_bits(
  train, undisturbed, tmp_path, wide, lives, cut_at
):
  settings = {"wide": wide, "report_every": 1 if wide else 4}
  for life in lives:
    with pytest.raises(PowerCut):
      train(tmp_path, life, **settings)
  weights, reports, lines = train(tmp_path, **settings)
  assert lines == [f"going on from the checkpoint of step {cut_at} of {STEPS}"]
  assert [report.step for report in reports] == (list(range(1, 10)) if wide else [4, 8, 9])
  assert reports == undisturbed[wide][1]
  for resumed, alone in zip(weights, undisturbed[wide][0], strict=True):
    np.testing.assert_array_equal(resumed, alone)


def test_two_replicas_go_on_too(train, tmp_path):
  strategy = strategies.make_strategy("mirrored")
  if strategy.num_replicas_in_sync != 2:
    pytest.skip("needs two logical CPUs: TensorFlow was started before they were made")
  settings = {"recipe": dataclasses.replace(RECIPE, optimizer="sgd"), "strategy": strategy}
  alone, *_ = train(tmp_path, keep=20, **settings)
  for path in tmp_path.glob("*.npz"):
    if int(path.stem.removeprefix("step_")) > 4:
      path.unlink()
  resumed, _, lines = train(tmp_path, **settings)
  assert lines == [f"going on from the checkpoint of step 4 of {STEPS}"]
  for one, other in zip(resumed, alone, strict=True):
    np.testing.assert_allclose(one, other, atol=1e-6)  # replicas may be added in another order


def test_as_many_as_asked_for_are_kept(train, tmp_path):
  train(tmp_path, keep=3)
  assert _steps(tmp_path) == [7, 8, 9]
  assert all(path.suffix == ".npz" for path in tmp_path.iterdir())


def test_seconds_of_the_processes_before_are_known(train, tmp_path):
  with pytest.raises(PowerCut):
    train(tmp_path / "cut", 4)
  train(tmp_path / "cut")
  assert 0 < train.state.seconds_before < train.state.seconds
  train(tmp_path / "alone")
  assert train.state.seconds_before == 0 < train.state.seconds


def test_seconds_pass_between_two_checkpoints(train, tmp_path):
  train(tmp_path, every=3600)
  assert _steps(tmp_path) == [0]


def _steps(folder):
  return [int(path.stem.removeprefix("step_")) for path in sorted(folder.glob("step_*.npz"))]


@pytest.mark.parametrize("damage", ["flipped", "torn", "empty"])
def test_the_one_before_a_damaged_one_is_used_and_named(train, undisturbed, tmp_path, damage):
  with pytest.raises(PowerCut):
    train(tmp_path, 4)
  newest = tmp_path / "step_000000004.npz"
  content = bytearray(newest.read_bytes())
  content[len(content) // 2] ^= 1
  newest.write_bytes(
    {"flipped": content, "torn": content[: len(content) // 2], "empty": b""}[damage]
  )
  weights, _, lines = train(tmp_path)
  assert len(lines) == 2 and lines[1] == f"going on from the checkpoint of step 3 of {STEPS}"
  assert lines[0].startswith(f"The checkpoint {newest} is damaged: ")
  assert lines[0].endswith("The one before, step_000000003.npz, is used.")
  assert newest.with_name("step_000000004.npz.damaged").exists()
  for resumed, alone in zip(weights, undisturbed[False][0], strict=True):
    np.testing.assert_array_equal(resumed, alone)


def test_none_that_is_whole_is_a_clear_error(train, tmp_path):
  with pytest.raises(PowerCut):
    train(tmp_path, 4)
  for path in tmp_path.iterdir():
    path.write_bytes(b"\0" * 40)
  with pytest.raises(CheckpointError, match=f"step_000000004.npz is damaged: .*{tmp_path} has no"):
    train(tmp_path)
  assert _steps(tmp_path) == [3, 4]  # nothing is put aside or removed


@pytest.mark.parametrize(
  ("settings", "message"),
  [
    (SETTINGS | {"network": {"backbone": "big", "seed": 3}}, "it has network: backbone 'tiny', "),
    (SETTINGS | {"version": "2"}, "it has version '1', this one '2'. Go on as it was started, or"),
  ],
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, settings, message):
  Checkpoints(tmp_path, SETTINGS).save(Checkpoint(3, {"a": np.zeros(2, np.float32)}, {}))
  with pytest.raises(CheckpointError, match="step_000000003.npz is a checkpoint of another") as got:
    Checkpoints(tmp_path, settings).latest()
  assert message in str(got.value)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"optimizer": "sgd"}, "of another network or optimizer: for the variable optimizer/"),
    ({"epochs": 4}, "is of a training of 9 steps, this one has 12"),
  ],
)
def test_a_checkpoint_that_does_not_fit_changes_nothing(train, tmp_path, changes, message):
  train(tmp_path)
  before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
  with pytest.raises(CheckpointError, match=message) as error:
    train(tmp_path, recipe=dataclasses.replace(RECIPE, **changes))
  assert "step_000000009.npz" in str(error.value)
  assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_checkpoint_is_an_ordinary_npz_without_pickle(tmp_path):
  arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(7, np.int64)}
  path = tmp_path / "one.npz"
  checkpoint_file.write(path, Checkpoint(5, arrays, {"x": [1.5]}), SETTINGS)
  read, settings = checkpoint_file.read(path)
  assert (read.step, read.state, settings) == (5, {"x": [1.5]}, SETTINGS)
  for name, array in arrays.items():
    np.testing.assert_array_equal(read.arrays[name], array)
    assert read.arrays[name].dtype == array.dtype
  with np.load(path, allow_pickle=False) as archive:
    np.testing.assert_array_equal(archive["array_00000"], arrays["a"])


def test_a_file_that_unpacks_to_more_is_refused(tmp_path):
  path = tmp_path / "bomb.npz"
  with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("header.json", b" " * 10**6)
  with pytest.raises(CheckpointError, match="bomb.npz is damaged: a part is compressed"):
    checkpoint_file.read(path)


def test_a_full_disk_is_told_and_loses_nothing(train, undisturbed, tmp_path, monkeypatch):
  sync, left = os.fsync, 8  # two for each file: itself and its folder

  def fill_up(handle):
    nonlocal left
    left -= 1
    if left < 0:
      raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    sync(handle)

  with monkeypatch.context() as patch:
    patch.setattr(os, "fsync", fill_up)
    with pytest.raises(OSError, match=r"No space left on device: .*step_000000004\.npz"):
      train(tmp_path)
  assert _steps(tmp_path) == [2, 3] and len(list(tmp_path.iterdir())) == 2
  weights, *_ = train(tmp_path)
  for resumed, alone in zip(weights, undisturbed[False][0], strict=True):
    np.testing.assert_array_equal(resumed, alone)


def test_a_folder_that_cannot_be_written_is_named(train, tmp_path, monkeypatch):
  def refuse(*unused, **named):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))

  monkeypatch.setattr("tempfile.mkstemp", refuse)
  with pytest.raises(OSError, match=r"Read-only file system: .*step_000000000\.npz"):
    train(tmp_path)


def test_clear_leaves_nothing(tmp_path):
  keeper = Checkpoints(tmp_path / "all" / "one", SETTINGS)
  keeper.clear()
  keeper.save(Checkpoint(3, {}, {}))
  assert pathlib.Path(keeper.place).exists()
  keeper.clear()
  assert not list(tmp_path.iterdir())
