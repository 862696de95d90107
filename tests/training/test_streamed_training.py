"""Training on streamed images goes on from a checkpoint, and is that of images in memory."""

import keras
import numpy as np
import pytest
from PIL import Image

from nadv2_tf.models import super_network
from nadv2_tf.tasks.classification import Classification
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


def train(tiny_space, examples, folder, cut_at=None, **changes):
  keras.utils.set_random_seed(5)
  recipe = Recipe(2, 8, "adam", 1e-2, weight_decay=0.0, **changes)
  model = super_network(tiny_space, groups=2, stochastic_depth=recipe.stochastic_depth)
  lines, sampler = [], WidthSampler(tiny_space, 8, 2, 1)
  loop = TrainingLoop(model, Classification("demo", 8, 1, 0), recipe, sampler, seed=3)

  def count(report):
    if report.step == cut_at:
      raise PowerCut

  keeper = Checkpoints(folder, {}, every=0, tell=lines.append)
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


def test_memory_and_stream_train_the_same_network(tiny_space, examples, tmp_path):
  from_files, _ = train(tiny_space, examples, tmp_path / "files")
  in_memory, _ = train(tiny_space, examples.decoded(), tmp_path / "memory")
  for one, other in zip(from_files, in_memory, strict=True):
    np.testing.assert_array_equal(one, other)
