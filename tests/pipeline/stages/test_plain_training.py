"""The training of one plain network: what it ends with."""

import io
import types

import numpy as np
import pytest

from nadv2_tf.models import stand_alone
from nadv2_tf.options import TrainOptions
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.stages import plain_training
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, Head
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training import strategies
from nadv2_tf.training.recipe import Recipe

SPEC = NetworkSpec("tiny", (8, 8, 1), (Conv(4, 3, 2), Head(2)))


@pytest.fixture
def bench():
  """What `train_on` takes of a `Workbench`: 16 images of two classes."""
  images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1), np.uint8)
  return types.SimpleNamespace(
    datasets=types.SimpleNamespace(train=Examples(images, np.arange(16) % 2)),
    task=Classification("demo", 8, 1, 0),
    strategy=strategies.make_strategy("one"),
    train_options=TrainOptions(),
    seed=0,
  )


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_averaged_weights_have_batch_norm_statistics_of_their_own(bench, ema):
  """To recalibrate them once more changes nothing; those of the last weights are running ones."""
  model, recipe = stand_alone(SPEC), Recipe(2, 8, "adam", 1e-2, ema=ema)
  state = plain_training.train_on(bench, model, SPEC, recipe, "a training", Progress(io.StringIO()))
  assert state.steps == 4  # 2 epochs of 16 images, 8 a step
  trained = model.get_weights()
  plain_training.recalibrate_on(bench, model)
  again = model.get_weights()
  # 1e-6: float32 sums over the same images.
  same = [np.allclose(one, other, atol=1e-6) for one, other in zip(trained, again, strict=True)]
  assert all(same) == bool(ema)
