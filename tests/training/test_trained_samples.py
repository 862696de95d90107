"""NetAdaptV1's samples: cut by norm, trained and scored in one trace each, resumed from files."""

import dataclasses

import keras
import numpy as np
import pytest

from nadv2_tf.models import slice_network, super_network
from nadv2_tf.resources import MacsMeter
from nadv2_tf.search import NetAdaptV1, Problem, minimize
from nadv2_tf.spec import NetworkSpec, SearchSpace, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.scoring.trained_samples import FineTuningEvaluator

NETWORK = NetworkSpec(
  "tiny",
  (8, 8, 1),
  (
    Conv(8, 3, 2, "hard_swish"),
    InvertedResidual(16, 16, 8, 3, 1, 4, "relu"),
    Head(2, 8, dropout=0.3),
  ),
)
RECIPE = Recipe(6, 16, "adam", 1e-2, weight_decay=0.0)


@pytest.fixture(scope="module")
def space():
  decisions = (
    dataclasses.replace(one, choices=one.choices[1:] if one.choices[0] == 0 else one.choices)
    for one in space_of(NETWORK, levels=4).decisions
    if one.field != "depthwise"
  )
  return SearchSpace(NETWORK, tuple(decisions))


@pytest.fixture(scope="module")
def examples():
  """Which half of the image is a little brighter; what noise hides of it is to be learnt."""
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 2, 200)
  images = rng.integers(0, 200, (200, 8, 8, 1))
  for image, label in zip(images, labels, strict=True):
    image[4 * label : 4 * label + 4] += 50
  return Examples(images.astype(np.uint8), labels.astype(np.int64))


@pytest.fixture
def make(space, examples):
  """Function (folder) -> a `FineTuningEvaluator` that starts from always the same weights."""

  def evaluator(folder=None, seed=0):
    keras.utils.set_random_seed(1)
    model = super_network(space)
    train, holdout = examples.take(slice(64)), examples.take(slice(64, None))
    task = Classification("demo", 8, 1, 0)
    made = FineTuningEvaluator(model, task, train, holdout, RECIPE, train, folder, seed)
    made.model = model
    return made

  return evaluator


def test_samples_are_trained_in_one_trace_and_do_not_disturb_each_other(space, make):
  evaluator = make()
  current = evaluator.model.get_weights()
  specs = [space.largest(), space.smallest(), space.decode((4, 16, 8, 4))]
  (untrained,) = evaluator._scorer.accuracy(specs[:1])
  one_by_one = [evaluator.accuracy([spec])[0] for spec in specs]
  assert one_by_one[0] > untrained + 0.1
  for one, other in zip(evaluator.model.get_weights(), current, strict=True):
    np.testing.assert_array_equal(one, other)
  # In another order, after others: the same.
  assert evaluator.accuracy(specs[::-1]) == pytest.approx(one_by_one[::-1], abs=0.01)
  assert evaluator.traces == evaluator._scorer.traces == 1


def test_the_chosen_sample_is_what_the_next_ones_are_cut_from(space, make):
  evaluator = make()
  spec = space.decode((8, 8, 8, 8))
  (score,) = evaluator.accuracy([spec])
  trained = evaluator._samples[space.encode(spec)]
  (place,) = (
    index
    for index, weight in enumerate(evaluator.model.weights)
    if weight.path == "block02_expansion/kernel"
  )
  trained[place][..., 5] *= 10  # which batch norm takes back
  largest = trained[place][..., 5].copy()
  evaluator.go_on_from(spec)
  # Ordered anew, not trained anew: it scores as it did.
  assert evaluator._scorer.accuracy([spec]) == pytest.approx([score], abs=0.01)
  kernel = np.asarray(evaluator.model.get_layer("block02_expansion").kernel)[..., :8]
  assert np.all(np.diff(np.sqrt((kernel**2).sum((0, 1, 2)))) <= 1e-6)
  assert sorted(kernel[..., 0].ravel()) == sorted(largest.ravel())
  with pytest.raises(ValueError, match="block02_expansion must be at most 8, got 16"):
    evaluator.accuracy([space.largest()])


def test_a_sample_changes_nothing_of_what_it_cut_off(space, make):
  evaluator = make()
  before = np.array(evaluator.model.get_layer("block02_expansion").kernel)
  spec = space.decode((8, 8, 8, 8))
  evaluator.accuracy([spec])
  trained = dict(
    zip(
      (weight.path for weight in evaluator.model.weights),
      evaluator._samples[space.encode(spec)],
      strict=True,
    )
  )
  after = trained["block02_expansion/kernel"]
  np.testing.assert_array_equal(after[..., 8:], before[..., 8:])
  assert np.abs(after[..., :8] - before[..., :8]).min(axis=(0, 1, 2)).max() > 0


class Killed(Exception):
  """Stands for a power cut."""


def _search(space, evaluator, journal=None):
  meter = MacsMeter()
  target = 0.4 * meter.measure(space.largest())
  problem = Problem(space, space.largest(), meter, target, (1.6 * target,))
  return minimize(problem, NetAdaptV1(0.15, 1.0), evaluator, journal)


def _search_until_killed(space, evaluator, journal, samples):
  left, score = iter(range(samples)), evaluator.accuracy

  def accuracy(specs):
    if next(left, None) is None:
      raise Killed
    return score(specs)

  evaluator.accuracy = accuracy
  with pytest.raises(Killed):
    _search(space, evaluator, journal)


def test_a_resumed_search_gives_what_an_uninterrupted_one_gives(space, make, tmp_path):
  whole = make(tmp_path / "whole")
  expected = _search(space, whole)
  assert len(expected.iterations) > 3
  # Killed within the second iteration, and again after some more.
  journal, weights = tmp_path / "search.jsonl", tmp_path / "weights"
  _search_until_killed(space, make(weights), journal, 3)
  _search_until_killed(space, make(weights), journal, 4)
  resumed = make(weights)
  result = _search(space, resumed, journal)
  assert result.trajectory == expected.trajectory
  assert result.accuracy == pytest.approx(expected.accuracy, abs=0.01)
  for found in expected.found:
    whole.show(found.spec)
    resumed.show(found.spec)
    one, other = (slice_network(made.model, found.spec).get_weights() for made in (whole, resumed))
    for left, right in zip(one, other, strict=True):
      np.testing.assert_allclose(left, right, atol=1e-4)


def test_what_cannot_be_found_again_is_an_error(space, make, tmp_path):
  spec = space.decode((8, 8, 8, 8))
  with pytest.raises(ValueError, match="only with a folder"):
    make().go_on_from(spec)
  evaluator = make(tmp_path)
  evaluator.accuracy([spec])
  evaluator.go_on_from(spec)
  with pytest.raises(ValueError, match=r"iteration_001.npz is of another search"):
    make(tmp_path, seed=1).go_on_from(spec)
  with pytest.raises(ValueError, match="No weights of"):
    evaluator.show(space.smallest())
