"""Every optimizer on NAS-Bench-Macro, 6561 trained networks, against the best of the table."""

import pathlib
import statistics

import pytest

from nadv2_tf.benchmarks.studies import tabular
from nadv2_tf.benchmarks.studies.tabular import Watched, flash, study, told
from nadv2_tf.search import (
  OPTIMIZERS,
  Differentiable,
  Evolution,
  Flash,
  FpNas,
  Hurricane,
  IntegerProgram,
  LayerNAS,
  MultiLayerCoordinateDescent,
  NetAdaptV1,
  RandomSearch,
  SingleLayerCoordinateDescent,
  minimize,
)
from nadv2_tf.search.tabular import TabularBenchmark

TABLE = pathlib.Path(__file__).with_name("data") / "nas_bench_macro_cifar10.csv"


@pytest.fixture(scope="module")
def bench():
  return TabularBenchmark.from_csv(TABLE)


def _ranks(bench, optimizer, share, seeds):
  """Ranks of what is found with each seed, as shares of the networks within the target."""
  problem = bench.problem(share)
  rank_of, feasible = bench.ranks(problem.target)
  found = [minimize(problem, optimizer, bench, seed=seed) for seed in range(seeds)]
  assert all(bench.measure(result.spec) <= problem.target for result in found)
  return [rank_of(result.accuracy) / feasible for result in found], found


def test_the_table_is_the_published_one(bench):
  assert len(bench.rows) == 3**8
  # All identities: a 3x3 stem on 32x32, three 1x1 convolutions where a stage begins, a 1x1 to 1280
  # channels on 4x4, the classifier.
  stem, stages, last = 9 * 3 * 32 * 32**2, 3 * 32 * 64 * 16**2, 256 * 1280 * 4**2
  macs = stem + stages + last + 1280 * 10
  assert bench.rows[(0,) * 8] == (pytest.approx(0.453633, abs=1e-6), macs)
  assert bench.measure(bench.space.largest()) == 105660928
  assert bench.rows[2, 2, 2, 2, 0, 2, 1, 2][0] == pytest.approx(0.9292, abs=0.01)


def test_every_network_that_a_row_stands_for_has_its_macs(bench):
  for row, (_, macs) in list(bench.rows.items())[::50]:
    assert bench.network(bench.space.decode(row)).macs() == macs


def test_a_cheaper_block_is_always_cheaper(bench):
  for row, (_, macs) in bench.rows.items():
    for layer, choice in enumerate(row):
      if choice:
        assert bench.rows[(*row[:layer], choice - 1, *row[layer + 1 :])][1] < macs


def test_ranks_among_the_networks_within_the_target(bench):
  problem = bench.problem(0.3)
  rank_of, feasible = bench.ranks(problem.target)
  within = [row for row in bench.rows.values() if row[1] <= problem.target]
  accuracies = sorted((accuracy for accuracy, _ in within), reverse=True)
  assert feasible == len(within) == 319
  assert [rank_of(accuracies[place]) for place in (0, 1, 100)] == [1, 2, 101]
  assert rank_of(1.0) == 1 and rank_of(0.0) == 320


# The settings of the paper, and a reduction so large that a sample must shrink several layers. With
# the first all seeds agree: a step of one block saves 3 %, so that an iteration has at most eight
# samples, and all of them are scored.
@pytest.mark.parametrize(
  "optimizer",
  [
    MultiLayerCoordinateDescent.published(),
    MultiLayerCoordinateDescent(50, 4, 0.1, choose_by="accuracy"),
  ],
  ids=["published", "large steps"],
)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_mcd_finds_one_of_the_best_hundredth(bench, optimizer, share):
  ranks, _ = _ranks(bench, optimizer, share, seeds=3)
  assert statistics.median(ranks) <= 0.01


# At 0.3 there are 319 networks, of which either would score two thirds.
@pytest.mark.parametrize("share", [0.5, 0.7])
def test_mcd_ranks_above_random_search_with_as_many_samples(bench, share):
  optimizer = MultiLayerCoordinateDescent(50, 4, 0.1, choose_by="accuracy")
  ranks, found = _ranks(bench, optimizer, share, seeds=5)
  samples = round(statistics.mean(result.samples_scored for result in found))
  random_ranks, _ = _ranks(bench, RandomSearch(samples), share, seeds=5)
  assert statistics.median(ranks) <= statistics.median(random_ranks)


# How far from the best is tolerated, as a share of the networks within the target.
OTHERS = {
  "differentiable": (Differentiable(60, 2, 5, 80, predictor_samples=200), 0.05),
  "evolution": (Evolution(20, 5, 10, 0.2, 10, 8), 0.02),
  # Its metric counts channels, which are all but fixed here.
  "flash": (Flash(), 0.25),
  "fp_nas": (FpNas(200, 1.0), 0.1),
  "hurricane": (Hurricane(10, 3, 5, 0.1, 5, 4), 0.025),
  "layernas": (LayerNAS(10), 0.01),
  "integer_program": (IntegerProgram(program_solutions=2), 0.01),
  "mcd": (MultiLayerCoordinateDescent(), 0.01),
  "netadaptv1": (NetAdaptV1(0.03, 0.98), 0.25),
  "random": (RandomSearch(100), 0.05),
  "scd": (SingleLayerCoordinateDescent(), 0.02),
}


def test_every_optimizer_is_tried():
  # A uniformly scaled network removes no layer, and all 1 is above half of all 2 already.
  assert sorted({*OTHERS, "uniform"}) == sorted(OPTIMIZERS)


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_other_optimizers_come_as_close_as_they_can(bench, name):
  optimizer, tolerated = OTHERS[name]
  ranks, _ = _ranks(bench, optimizer, 0.5, seeds=5)
  assert statistics.median(ranks) <= tolerated


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_layernas_as_published_finds_one_of_the_best_hundredth(bench, share):
  ranks, _ = _ranks(bench, LayerNAS(), share, seeds=1)  # nothing of it is random
  assert LayerNAS().buckets == 100 and ranks[0] <= 0.01


# By the true networks. At 0.5 and 0.3 it is far off, which the study says; here it finds something.
def test_flash_by_the_networks_of_the_table_finds_one_of_the_best_thirtieth(bench):
  ranks, found = _ranks(bench, flash(bench), 0.7, seeds=3)
  assert statistics.median(ranks) <= 0.03
  assert all(result.samples_scored == 26 for result in found)


def test_the_study_prints_what_optimizers_tell_of_themselves(bench):
  _, text = study(bench, 0.7, 2, ["FLASH"])
  assert "found within the target in 2 of 2 searches" in text
  assert "leave_one_out_error_of_accuracy: first 0.0" in text
  assert "seconds of the longest pause between scores and the next question: " in text
  problem = bench.problem(0.7)
  found = [minimize(problem, FpNas(20, 1.0), bench, seed=seed) for seed in range(2)]
  _, entropy, drawn = told(found, problem.target, [])
  ends = [result.iterations[-1].notes["entropy_nats"] for result in found]
  assert entropy.startswith("    entropy_nats: first 7.2") and f"{max(ends):.3g})" in entropy
  assert drawn.startswith("    networks_drawn: first 7, last ") and "last 0" not in drawn
  mcd = minimize(problem, MultiLayerCoordinateDescent(), bench)
  assert list(told([mcd], problem.target, [])) == []


def test_the_study_tells_the_longest_pause_of_a_search(bench, monkeypatch):
  clock = iter([1.0, 1.0, 1.5, 4.5, 5.0] + [10.0, 12.0, 13.0])  # answered, asked, answered, ...
  monkeypatch.setattr(tabular.time, "perf_counter", lambda: next(clock))
  watched = Watched(bench)
  spec = bench.problem(0.5).start
  for _ in range(3):  # the second part of a question, then the next question 3 seconds later
    watched.accuracy([spec])
  watched.begin().accuracy([spec])
  watched.accuracy([spec])
  assert watched.seconds == [3.0, 2.0]
  assert watched.begin().seconds == [3.0, 2.0]


def test_a_table_with_a_missing_network_is_refused(bench):
  rows = dict(list(bench.rows.items())[1:])
  with pytest.raises(ValueError, match=r"every network of 8 layers of \(0, 1, 2\)"):
    TabularBenchmark(rows)


def test_a_file_with_other_columns_is_refused(tmp_path):
  path = tmp_path / "table.csv"
  path.write_text("# a comment\nnetwork,accuracy\n00,50\n")
  with pytest.raises(ValueError, match="the columns must be network, mean_accuracy_percent, macs"):
    TabularBenchmark.from_csv(path)
