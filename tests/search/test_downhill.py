"""Models of accuracy and resource, and bisecting the weight between them."""

import random

import numpy as np
import pytest
from toy import SPACE

from nadv2_tf.regressor import Regressor
from nadv2_tf.resources import MacsMeter, ParametersMeter
from nadv2_tf.search import Candidate, Problem
from nadv2_tf.search.downhill import (
  Downhill,
  PredictingMeter,
  ResourceModels,
  accuracy_model,
  random_of_any_size,
)
from nadv2_tf.spec.features import features_of

MACS = MacsMeter()
LARGEST = MACS.measure(SPACE.largest())
MOST = max(len(decision.choices) for decision in SPACE.decisions)


def _hard(spec):
  row = zip(SPACE.decisions, SPACE.encode(spec), strict=True)
  return np.eye(MOST)[[decision.choices.index(value) for decision, value in row]]


def _quality(spec):
  """Each decision's share of its largest value, one more than the one before."""
  row = zip(SPACE.decisions, SPACE.encode(spec), strict=True)
  return sum((n + 1) * value / one.choices[-1] for n, (one, value) in enumerate(row)) / 100


def _specs(count):
  rng = random.Random(4)
  return [SPACE.sample(rng) for _ in range(count)]


def _accuracy():
  return accuracy_model(SPACE, [Candidate(spec, _quality(spec), 0.0) for spec in _specs(80)])


def test_the_model_of_the_accuracy_orders_networks_that_it_never_saw():
  model, others = _accuracy(), _specs(140)[80:]
  told = [model.at(_hard(spec))[0] for spec in others]
  assert np.corrcoef(told, list(map(_quality, others)))[0, 1] > 0.99


def test_scores_that_are_all_alike_give_a_flat_model():
  model = accuracy_model(SPACE, [Candidate(spec, 0.1, 0.0) for spec in _specs(10)])
  value, slopes = model.at(_hard(SPACE.largest()))
  assert value == pytest.approx(0) and not slopes.any()


def _problem(share=0.5, limits=()):
  return Problem(SPACE, SPACE.largest(), MACS, share * LARGEST, limits=limits)


def test_the_resource_is_learned_and_its_slopes_are_differences():
  limits = ((ParametersMeter(), 0.3 * ParametersMeter().measure(SPACE.largest())),)
  resource = ResourceModels(_problem(limits=limits), 1000, random.Random(0)).at(0.5 * LARGEST)
  largest, smallest = (resource.at(_hard(s))[0] for s in (SPACE.largest(), SPACE.smallest()))
  # Parameters are 1 / 0.3 of what is allowed, MACs 1 / 0.5.
  assert ResourceModels(_problem(), 1000, random.Random(0)).error(_specs(20)) < 0.2
  assert largest == pytest.approx(1 / 0.3, rel=0.1) and smallest < 0.5
  shares, step = _hard(_specs(1)[0]), 1e-5
  _, slopes = resource.at(shares)
  for place in np.ndindex(*shares.shape):
    moved = np.zeros(shares.shape)
    moved[place] = step
    difference = resource.at(shares + moved)[0] - resource.at(shares - moved)[0]
    # A square of piecewise linear functions: off by the step at most where one has a kink.
    assert slopes[place] == pytest.approx(difference / (2 * step), abs=1e-3)


class Predicting:
  """A meter that is a predictor: 1 for every filter that the first decision leaves out, squared."""

  unit, is_exact, decisions = "ms", True, SPACE.decisions

  def __init__(self):
    size = len(features_of(SPACE.decisions, SPACE.encode(SPACE.largest())))
    self.regressor = Regressor([(np.eye(size)[:, :1], [1.0])])

  def measure(self, spec):
    raise AssertionError("a predictor is not asked, but followed")


def test_a_meter_that_is_a_predictor_is_taken_as_it_is():
  meter = Predicting()
  assert isinstance(meter, PredictingMeter) and not isinstance(MACS, PredictingMeter)
  problem = Problem(SPACE, SPACE.largest(), meter, 2.0)
  resource = ResourceModels(problem, 10, random.Random(0)).at(2.0)
  # 1 of the full first layer, and 1: squared 4, twice the target.
  assert resource.at(_hard(SPACE.largest()))[0] == pytest.approx(2.0)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_the_bisected_weight_meets_the_target_and_does_not_waste_it(share):
  problem = _problem(share)
  resource = ResourceModels(problem, 1000, random.Random(0)).at(problem.target)
  downhill = Downhill(problem, _accuracy(), resource, 150, 0.1, 1.0, 7)
  spec = SPACE.decode(downhill.bisected()[1].mode())
  assert 0.6 * problem.target < MACS.measure(spec) <= problem.target
  again = Downhill(problem, _accuracy(), resource, 150, 0.1, 1.0, 7)
  assert SPACE.decode(again.bisected()[1].mode()) == spec


def test_a_larger_weight_gives_a_smaller_network():
  problem = _problem()
  resource = ResourceModels(problem, 500, random.Random(0)).at(problem.target)
  downhill = Downhill(problem, _accuracy(), resource, 150, 0.1, 1.0, 7)
  costs = [MACS.measure(SPACE.decode(downhill.weighted(w).mode())) for w in (0.01, 3.0, 1e4)]
  assert costs[0] > costs[1] > costs[2]


def test_random_networks_reach_over_the_whole_range():
  rng = random.Random(0)
  shares = [MACS.measure(random_of_any_size(SPACE, rng)) / LARGEST for _ in range(200)]
  assert min(shares) < 0.2 and max(shares) > 0.8
