"""FP-NAS: its weights and gradients against numbers, and how a run narrows down."""

import itertools
import math
import pathlib
import random

import pytest
from rounds import answered
from toy import SPACE

from nadv2_tf.search import Candidate, minimize
from nadv2_tf.search.distribution import Distribution
from nadv2_tf.search.fp_nas import FpNas, cost_weights, likelihood_weights
from nadv2_tf.search.tabular import TabularBenchmark

TABLE = pathlib.Path(__file__).with_name("data") / "nas_bench_macro_cifar10.csv"


@pytest.fixture(scope="module")
def bench():
  return TabularBenchmark.from_csv(TABLE)


def test_the_likelihood_weights_of_three_samples():
  # e^0 : e^1 : e^2 = 1 : 2.71828 : 7.38906, together 11.10734.
  weights = likelihood_weights([0.5, 0.51, 0.52], 0.01)
  assert weights == pytest.approx([0.0900306, 0.2447285, 0.6652410], abs=1e-7)
  # A hundred times the scale apart: no overflow.
  assert likelihood_weights([0.0, 1.0], 1e-4) == [0.0, 1.0]


def test_the_cost_weights_of_three_samples():
  assert cost_weights([0.1, 0.0, 0.3]) == pytest.approx([0.25, 0, 0.75])
  assert cost_weights([0.0, 0.0]) == [0.0, 0.0]


def _objective(distribution, draws, before, likelihoods, costs, weight):
  """-log P(y|X) + weight log C, both as means over samples that were drawn `before`."""
  ratios = [
    math.exp(distribution.log_probability(draw) - old)
    for draw, old in zip(draws, before, strict=True)
  ]
  likelihood, cost = (
    sum(r * value for r, value in zip(ratios, values, strict=True)) / len(draws)
    for values in (likelihoods, costs)
  )
  return -math.log(likelihood) + weight * math.log(cost)


@pytest.mark.parametrize("is_joint", [False, True])
def test_both_gradients_are_those_of_the_objective(is_joint):
  distribution, rng = Distribution.factorised(SPACE), random.Random(3)
  distribution.move([[rng.gauss(0, 1) for _ in v.options] for v in distribution.variables], 1.0)
  distribution = distribution.joint() if is_joint else distribution
  assert any(len(variable.columns) > 1 for variable in distribution.variables) == is_joint
  draws = [distribution.draw(rng) for _ in range(6)]
  accuracies, scale, weight = [rng.uniform(0.5, 0.6) for _ in draws], 0.02, 1.7
  costs = [max(rng.uniform(-0.5, 1), 0.0) for _ in draws]
  assert 0 < sum(cost == 0 for cost in costs) < 6
  before = list(map(distribution.log_probability, draws))
  likelihoods = [math.exp(accuracy / scale) for accuracy in accuracies]
  weights = zip(likelihood_weights(accuracies, scale), cost_weights(costs), strict=True)
  pulls = [weight * cost - likely for likely, cost in weights]
  slopes, step = distribution.gradient(zip(draws, pulls, strict=True)), 1e-5
  for variable, own in zip(distribution.variables, slopes, strict=True):
    for number, slope in enumerate(own):
      values = []
      for side in (step, -step):
        pull = [side * (place == number) for place in range(len(own))]
        variable.move(pull)
        values.append(_objective(distribution, draws, before, likelihoods, costs, weight))
        variable.move([-each for each in pull])
      # Central differences of a function of order 10: off by step^2 and the rounding of the log.
      assert slope == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-7)


def test_over_all_networks_the_gradient_is_the_exact_one():
  # With every network in proportion to its probability the samples are no sample any more:
  # d/da of -log sum P(A|a) P(y|A), here of two networks by hand. P = 1/4 and 3/4 (logits 0 and
  # log 3), likelihoods 1 and e: the second's share is 3e / (1 + 3e) = 0.8907682.
  rows = {(0,): (0.50, 1.0), (1,): (0.51, 1.0)}
  distribution = Distribution.factorised(TabularBenchmark(rows).space)
  distribution.move([[0.0, math.log(3)]], 1.0)
  draws = [(0,), (1,), (1,), (1,)]
  weights = likelihood_weights([rows[draw][0] for draw in draws], 0.01)
  assert sum(weights[1:]) == pytest.approx(0.8907682, abs=1e-7)
  slopes = distribution.gradient(zip(draws, weights, strict=True))
  assert slopes[0] == pytest.approx([-0.1407682, 0.1407682], abs=1e-7)


def _steps(bench, optimizer, share, seed):
  """(found network, what each step told) of a search."""
  search, steps, scored = optimizer.search(bench.problem(share), random.Random(seed)), [], None
  while True:
    try:
      specs = search.send(scored)
    except StopIteration as stop:
      return stop.value, steps[:-1]
    steps.append(specs.notes)
    accuracies = bench.accuracy(specs)
    candidates = zip(specs, accuracies, map(bench.measure, specs), strict=True)
    scored = answered(optimizer, itertools.starmap(Candidate, candidates), scored)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_entropy_and_samples_fall_and_the_mode_is_within_the_target(bench, share):
  optimizer = FpNas(200, 1.0)
  for seed in range(3):
    found, steps = _steps(bench, optimizer, share, seed)
    assert bench.measure(found) <= bench.problem(share).target
    # Near the target, it is surer than with all networks equally probable.
    entropies = [step["entropy_nats"] for step in steps]
    assert 7 < entropies[0] < 8 * math.log(3)
    drawn = [step["networks_drawn"] for step in steps]
    assert drawn == [max(round(entropy), 2) for entropy in entropies]
    quarters = [entropies[at] for at in (0, 50, 100, 199)]
    assert quarters == sorted(quarters, reverse=True) and quarters[-1] < 0.5 * quarters[0]
    assert drawn[-1] < drawn[0]


def test_without_a_lean_all_networks_are_equally_probable_at_first(bench):
  # 8 layers of 3 blocks have 8 log 3 = 8.79 nats.
  _, steps = _steps(bench, FpNas(1, 1.0, start_near_target=False), 0.5, 0)
  assert steps[0] == {"entropy_nats": pytest.approx(8 * math.log(3)), "networks_drawn": 9}


def test_the_most_probable_network_is_found(bench):
  # Two networks are within the target, and the better one is 1 % more accurate: e times as likely.
  rows = {(0,): (0.6, 1.0), (1,): (0.61, 2.0), (2,): (0.9, 3.0)}
  few = TabularBenchmark(rows)
  for seed in range(5):
    result = minimize(few.problem(0.7), FpNas(100, 4.0), few, seed=seed)
    assert few.space.encode(result.spec) == (1,) and result.accuracy == 0.61
