"""Scores of other weights, on other images or with other statistics are told apart."""

import numpy as np
import pytest

from nadv2_tf.models import super_network
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator


@pytest.fixture(scope="module")
def digest(tiny_space):
  """Function (of numbers, each a seed) -> what an evaluator made of them writes into a journal."""
  model, task = super_network(tiny_space), Classification("demo", 8, 1, 0)

  def images(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 8, 8, 1), np.uint8)
    return Examples(pixels, np.arange(4) % 2)

  def digest_of(weights=0, holdout=1, calibration=2):
    model.set_weights([np.full_like(array, weights) for array in model.get_weights()])
    chosen = calibration if isinstance(calibration, str | None) else images(calibration)
    return SharedWeightsEvaluator(model, task, images(holdout), chosen).digest()

  return digest_of


@pytest.mark.parametrize(
  "changed",
  [{"weights": 3}, {"holdout": 3}, {"calibration": 3}, {"calibration": None},
   {"calibration": "moving"}],
)  # fmt: skip
def test_everything_that_scores_depend_on_is_told(digest, changed):
  before, now = digest(), digest(**changed)
  assert before == digest()
  assert {name for name in before if before[name] != now[name]} == set(changed)
