"""Training on streamed images goes on from a checkpoint, and is that of images in memory."""

import pathlib

import keras
import numpy as np
import pytest
from odd_pictures import broken_inside
from PIL import Image

from nadv2_tf.models import super_network
from nadv2_tf.tasks import images
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import batch_indices
from nadv2_tf.tasks.records import Files
from nadv2_tf.tasks.stream import streamed
from nadv2_tf.training.checkpoints.folder import Checkpoints
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.widths import WidthSampler

STEPS = 6  # two epochs of three, with an image left over


class PowerCut(Exception):
  """Stands for a kill between two steps."""


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
  folder = tmp_path_factory.mktemp("pictures")
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 2, 25)
  paths = [str(folder / f"{number}.png") for number in range(25)]
  for path, label in zip(paths, labels, strict=True):
    pixels = rng.integers(0, 100, (12, 9)) + 100 * label
    Image.fromarray(pixels.astype(np.uint8)).save(path)
  return streamed(Files("folder:x", paths, labels), 8, 1)


def train(tiny_space, examples, folder, cut_at=None, every=0, **changes):
  keras.utils.set_random_seed(5)
  recipe = Recipe(2, 8, "adam", 1e-2, weight_decay=0.0, **changes)
  model = super_network(tiny_space, groups=2, stochastic_depth=recipe.stochastic_depth)
  lines, sampler = [], WidthSampler(tiny_space, 8, 2, 1)
  loop = TrainingLoop(model, Classification("demo", 8, 1, 0), recipe, sampler, seed=3)

  def count(report):
    if report.step == cut_at:
      raise PowerCut

  keeper = Checkpoints(folder, {}, every=every, tell=lines.append)
  loop.run(examples, count, report_every=1, checkpoints=keeper)
  assert loop.state.step == STEPS
  return model.get_weights(), lines


def test_a_training_cut_off_goes_on_at_its_step(tiny_space, examples, tmp_path):
  """With all that is random: crops, AutoAugment, widths and the branches that are dropped."""
  how = {"augmentation": "autoaugment", "stochastic_depth": 0.5}
  alone, _ = train(tiny_space, examples, tmp_path / "alone", **how)
  with pytest.raises(PowerCut):
    train(tiny_space, examples, tmp_path / "cut", cut_at=5, **how)
  resumed, lines = train(tiny_space, examples, tmp_path / "cut", **how)
  assert lines == [f"going on from the checkpoint of step 4 of {STEPS}"]
  for one, other in zip(resumed, alone, strict=True):
    np.testing.assert_array_equal(one, other)


def test_a_picture_that_is_found_broken_late_is_named_and_loses_nothing(
  tiny_space, examples, tmp_path
):
  """Its header and its end are good, so that no look before the training finds it."""
  alone, _ = train(tiny_space, examples, tmp_path / "alone")
  path = pathlib.Path(examples.records.name(batch_indices(25, 8, 3, 2)[4]))
  whole = path.read_bytes()
  path.write_bytes(broken_inside(np.asarray(Image.open(path))))
  with path.open("rb") as file:
    images.look(path, file)
  saved = (
    f"step 2 of {STEPS} is saved in {tmp_path / 'late'}. When the file is whole again, the same"
  )
  with pytest.raises(images.Unreadable, match=f"^Cannot read the image {path}: .*; {saved}"):
    train(tiny_space, examples, tmp_path / "late", every=3600)
  path.write_bytes(whole)
  resumed, lines = train(tiny_space, examples, tmp_path / "late", every=3600)
  assert lines == [f"going on from the checkpoint of step 2 of {STEPS}"]
  for one, other in zip(resumed, alone, strict=True):
    np.testing.assert_array_equal(one, other)


def test_memory_and_stream_train_the_same_network(tiny_space, examples, tmp_path):
  from_files, _ = train(tiny_space, examples, tmp_path / "files")
  in_memory, _ = train(tiny_space, examples.decoded(), tmp_path / "memory")
  for one, other in zip(from_files, in_memory, strict=True):
    np.testing.assert_array_equal(one, other)
