"""Differentiable search on a table of trained networks, by a model of it and by slopes."""

import pathlib
import random
import statistics

import numpy as np
import pytest
from toy import SPACE

from nadv2_tf.regressor import Regressor
from nadv2_tf.resources.predictor import Encoding, LatencyPredictor
from nadv2_tf.search import MultiLayerCoordinateDescent, Problem, UnmetNeed, journal, minimize
from nadv2_tf.search.differentiable import Differentiable
from nadv2_tf.search.downhill import PredictingMeter, ResourceModels
from nadv2_tf.search.tabular import TabularBenchmark
from nadv2_tf.spec import space_of

TABLE = pathlib.Path(__file__).with_name("data") / "nas_bench_macro_cifar10.csv"
#: fewer of everything than by default, so that it is quick
OPTIMIZER = Differentiable(60, 3, 5, 100, predictor_samples=300)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_it_finds_one_of_the_best_twentieth(share):
  bench = TabularBenchmark.from_csv(TABLE)
  problem = bench.problem(share)
  rank_of, feasible = bench.ranks(problem.target)
  found = [minimize(problem, OPTIMIZER, bench, seed=seed) for seed in range(3)]
  assert all(result.resource <= problem.target for result in found)
  assert statistics.median(rank_of(result.accuracy) for result in found) <= 0.05 * feasible
  assert all(result.samples_scored <= 60 + 3 * 5 for result in found)


def test_what_the_descent_proposes_is_better_than_what_it_began_with():
  bench = TabularBenchmark.from_csv(TABLE)
  problem, better = bench.problem(0.5), 0
  for seed in range(3):
    iterations = minimize(problem, OPTIMIZER, bench, seed=seed).iterations
    first = [one for one in iterations[:2] if one.best.resource <= problem.target]
    before = max((one.best.accuracy for one in first), default=0.0)
    better += max(one.best.accuracy for one in iterations[2:-1]) > before
  assert better >= 2


class Sloping:
  """A table that tells slopes: what every other option of a decision would change by itself."""

  def __init__(self, bench):
    self._bench, self._space = bench, bench.space
    self.accuracy = bench.accuracy
    self.batches = []

  def loss_slopes(self, shares, batch, images):
    self.batches.append((batch, images))
    assert np.array_equal(np.sort(shares, axis=1)[:, -2:], [[0, 1]] * len(shares))
    row = [one.choices[n] for one, n in zip(self._space.decisions, shares.argmax(1), strict=True)]
    slopes = np.zeros_like(shares)
    for column, decision in enumerate(self._space.decisions):
      for option, value in enumerate(decision.choices):
        changed = [*row[:column], value, *row[column + 1 :]]
        slopes[column, option] = -self._accuracy(changed) * 100
    return -self._accuracy(row) * 100, slopes

  def _accuracy(self, row):
    return self._bench.rows[tuple(row)][0]


FOLLOWING = Differentiable(refit_samples=5, descent_steps=120, predictor_samples=300)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_true_slopes_lead_to_one_of_the_best_twentieth(share):
  bench = TabularBenchmark.from_csv(TABLE)
  problem = bench.problem(share)
  rank_of, feasible = bench.ranks(problem.target)
  found = [minimize(problem, FOLLOWING, Sloping(bench), seed=seed) for seed in range(3)]
  assert all(result.resource <= problem.target for result in found)
  assert statistics.median(rank_of(result.accuracy) for result in found) <= 0.05 * feasible
  assert all(result.samples_scored <= 5 for result in found)


def test_a_descent_sees_one_batch_after_the_other_and_each_weight_the_same():
  bench = TabularBenchmark.from_csv(TABLE)
  sloping = Sloping(bench)
  minimize(bench.problem(0.5), FOLLOWING, sloping)
  descents = len(sloping.batches) // 120
  assert descents >= 2 and sloping.batches == [(step, 64) for step in range(120)] * descents


def test_several_targets_and_a_limit_are_met_going_downhill(tmp_path):
  bench = TabularBenchmark.from_csv(TABLE)
  most = bench.measure(bench.space.largest())
  limits = ((_Layers(bench.space), 9),)
  problem = Problem(bench.space, bench.space.largest(), bench, 0.4 * most, (0.6 * most,), limits)
  path = tmp_path / "search.jsonl"
  result = minimize(problem, FOLLOWING, Sloping(bench), path)
  text = path.read_bytes()
  for found in result.found:
    assert found.resource <= found.target and sum(bench.space.encode(found.spec)) <= 9
  path.write_bytes(text[: len(text) // 2])
  assert minimize(problem, FOLLOWING, Sloping(bench), path) == result
  assert path.read_bytes() == text


class _Layers:
  """The sum of all choices."""

  unit, is_exact = "choices", True

  def __init__(self, space):
    self._space = space

  def measure(self, spec):
    return float(sum(self._space.encode(spec)))


def test_which_form_is_taken():
  bench = TabularBenchmark.from_csv(TABLE)
  problem, few = bench.problem(0.5), (12, 1, 3, 10)
  sloping = Sloping(bench)
  modelled = minimize(problem, Differentiable(*few, slopes="surrogate"), sloping)
  assert sloping.batches == []
  # A table has no slopes, so the model is what there is.
  assert minimize(problem, Differentiable(*few, slopes="auto"), bench) == modelled
  message = "--search_optimizer=differentiable needs an evaluator .* take --slopes=surrogate"
  with pytest.raises(UnmetNeed, match=message):
    minimize(problem, Differentiable(*few, slopes="super_network"), bench)
  assert minimize(problem, Differentiable(*few, slopes="super_network"), sloping) != modelled
  assert sloping.batches
  # Others have no use for slopes.
  assert minimize(problem, MultiLayerCoordinateDescent(4), sloping).samples_scored > 0


def test_a_latency_predictor_is_followed_itself():
  encoding = Encoding.of(SPACE)
  assert encoding.size > 1
  meter = LatencyPredictor(encoding, Regressor([(np.ones((encoding.size, 1)), [0.1])]))
  assert isinstance(meter, PredictingMeter)
  # Nothing is learned: with no samples to learn from the model is the predictor all the same.
  models = ResourceModels(Problem(SPACE, SPACE.largest(), meter, 1.0), 0, random.Random(0))
  specs = [SPACE.sample(random.Random(seed)) for seed in range(5)]
  assert models.error(specs) == pytest.approx(0, abs=1e-12)
  assert models.at(1.0).parts[0][0].regressor is meter.regressor
  # One of another space is not: its inputs are others.
  other = LatencyPredictor(Encoding.of(space_of(SPACE.network, 2)), meter.regressor)
  models = ResourceModels(Problem(SPACE, SPACE.largest(), other, 1.0), 20, random.Random(0))
  assert models.at(1.0).parts[0][0].regressor is not meter.regressor


def test_the_journal_of_another_search_says_nothing_of_descents(tmp_path):
  bench = TabularBenchmark.from_csv(TABLE)
  path = tmp_path / "search.jsonl"
  minimize(bench.problem(0.5), FOLLOWING, Sloping(bench), path, seed=1)
  known, sloping = journal.read(path), Sloping(bench)
  assert minimize(bench.problem(0.5), FOLLOWING, sloping, seed=2, known=known)
  assert sloping.batches
