"""Differentiable search on a table of trained networks."""

import pathlib
import statistics

import pytest

from nadv2_tf.search import minimize
from nadv2_tf.search.differentiable import Differentiable
from nadv2_tf.search.tabular import TabularBenchmark

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
