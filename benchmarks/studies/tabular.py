"""Optimizers on NAS-Bench-Macro: how what they find ranks among all networks within the target.

  python -m nadv2_tf.benchmarks.studies.tabular

The table is read from the tests' folder: run it from the root of the repository, or give --table.
Rank 1 is the most accurate of the networks within the target. Random search and evolution score as
many networks as MCD did with the same seed, whose settings stand above them. --only=LayerNAS leaves
all rows out but those whose names begin so. Below a row stand the figures that its optimizer tells
of itself, such as the entropy of FP-NAS or the errors of FLASH.
"""

from __future__ import annotations

import random
import statistics
import time
from typing import TYPE_CHECKING

from absl import app, flags

from nadv2_tf.search import (
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
from nadv2_tf.search.nn_degree import nn_degree
from nadv2_tf.search.tabular import TabularBenchmark

if TYPE_CHECKING:
  from collections.abc import Callable, Iterator, Mapping, Sequence
  from typing import Any

  from nadv2_tf.search import SearchResult
  from nadv2_tf.search.problem import Optimizer
  from nadv2_tf.spec import NetworkSpec

TABLE = flags.DEFINE_string(
  "table", "tests/search/data/nas_bench_macro_cifar10.csv", "The benchmark's CSV file."
)
SEEDS = flags.DEFINE_integer("seeds", 50, "Seeds of each optimizer.", lower_bound=1)

ONLY = flags.DEFINE_list("only", [], "How the rows to run begin, such as MCD,LayerNAS; all.")

SHARES = (0.3, 0.5, 0.7)
MCD: dict[str, Optimizer] = {
  "MCD J=200 L=10 3 % x0.98 (published)": MultiLayerCoordinateDescent.published(),
  "MCD defaults": MultiLayerCoordinateDescent(),
  "MCD J=50 L=4 10 % x0.98": MultiLayerCoordinateDescent(50, 4, 0.1, choose_by="accuracy"),
  "MCD J=10 L=4 10 % x0.98": MultiLayerCoordinateDescent(10, 4, 0.1, choose_by="accuracy"),
}
ALONE: dict[str, Optimizer] = {
  "HURRICANE 50 x 20 in each half": Hurricane(),
  "HURRICANE 10 x 4 in each half": Hurricane(10, 3, 5, 0.1, 5, 4),
  "LayerNAS H=100 (published)": LayerNAS(),
  "LayerNAS H=10": LayerNAS(10),
  "integer program, gains measured": IntegerProgram(),
  "integer program, one solution": IntegerProgram(program_rounds=1, program_solutions=1),
  "integer program, gains regressed": IntegerProgram("regressed"),
  "FP-NAS, a sample for each nat": FpNas(samples_per_nat=1.0),
  "differentiable": Differentiable(),
  "SCD 3 % x0.98": SingleLayerCoordinateDescent(0.03, choose_by="accuracy"),
  "NetAdaptV1 3 % x0.98, by ratio": NetAdaptV1(0.03, 0.98),
}


def flash(bench: TabularBenchmark) -> Flash:
  """FLASH, which sees the networks that the stand-ins of the table stand for."""

  class OfNetworks(Flash):
    def degree(self, spec: NetworkSpec) -> float:
      return nn_degree(bench.network(spec))

  return OfNetworks()


def evolution(samples: int) -> Evolution:
  """Evolution of about so many samples, in generations of ten at most."""
  size = min(10, max(samples // 4, 2))
  children = size // 2
  return Evolution(size, max(size // 2, 1), children, 0.2, children, max(samples // size, 1))


def line(
  name: str,
  accuracies: Sequence[float],
  samples: Sequence[int],
  rank_of: Callable[[float], int],
  feasible: int,
) -> str:
  """One line of the table; `accuracies` and `samples` have one value for each seed."""
  ranks = sorted(map(rank_of, accuracies))
  median = statistics.median(ranks)
  quarters = [ranks[len(ranks) // 4], ranks[(3 * len(ranks)) // 4]]
  best = sum(rank <= 0.01 * feasible for rank in ranks) / len(ranks)
  gap = statistics.mean(accuracies)
  return (
    f"  {name:42s}{statistics.mean(samples):8.0f}{median:8g}{100 * median / feasible:8.2f} %"
    f"{quarters[0]:7d} to {quarters[1]:<5d}{ranks[-1]:6d}{100 * best:7.0f} %{100 * gap:9.2f}"
  )


class Watched:
  """The scores of a table, and how long a search thinks at most before it asks for more of them.

  What is asked in one question may come in parts: the pause between two parts is next to nothing.

  Attributes:
    seconds: the longest pause of every search that asked twice; a search begins with `begin`.
  """

  def __init__(self, bench: TabularBenchmark) -> None:
    self._bench = bench
    self._answered: float | None = None
    self._longest: float | None = None
    self._before: list[float] = []

  @property
  def seconds(self) -> list[float]:
    return [*self._before, *([] if self._longest is None else [self._longest])]

  def begin(self) -> Watched:
    self._before = self.seconds
    self._answered = self._longest = None
    return self

  def accuracy(self, specs: Sequence[NetworkSpec]) -> list[float]:
    """See `Evaluator`."""
    if self._answered is not None:
      self._longest = max(time.perf_counter() - self._answered, self._longest or 0.0)
    accuracies = self._bench.accuracy(specs)
    self._answered = time.perf_counter()
    return accuracies


def told(results: Sequence[SearchResult], target: float, seconds: Sequence[float]) -> Iterator[str]:
  """What searches, one for each seed, told of themselves; nothing if they told nothing.

  Args:
    results: of the searches.
    target: of all.
    seconds: see `Watched`.
  """
  notes = [[one.notes for one in result.iterations if one.notes] for result in results]
  if not all(notes):
    return
  used = [result.resource / target for result in results]
  met = sum(share <= 1 for share in used)
  yield (
    f"    found within the target in {met} of {len(used)} searches, "
    f"{100 * statistics.mean(used):.0f} % of it used on average"
  )
  for name in notes[0][0]:
    # A last question that draws nothing says 0.
    values = [[one[name] for one in of_seed if one.get(name)] or [0.0] for of_seed in notes]
    firsts, lasts = zip(*((each[0], each[-1]) for each in values), strict=True)
    yield (
      f"    {name}: first {statistics.median(firsts):.3g}, last {statistics.median(lasts):.3g} "
      f"(medians; {min(lasts):.3g} to {max(lasts):.3g})"
    )
  if seconds:
    yield (
      f"    seconds of the longest pause between scores and the next question: "
      f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
    )


def chosen(optimizers: Mapping[str, Optimizer], only: Sequence[str]) -> dict[str, Optimizer]:
  """Those whose names begin like one of `only`, all if there are none."""
  return {
    name: optimizer
    for name, optimizer in optimizers.items()
    if not only or name.startswith(tuple(only))
  }


def study(
  bench: TabularBenchmark, share: float, seeds: int, only: Sequence[str] = ()
) -> Iterator[str]:
  """The lines of one target."""
  problem = bench.problem(share)
  rank_of, feasible = bench.ranks(problem.target)
  within = [accuracy for accuracy, macs in bench.rows.values() if macs <= problem.target]
  yield (
    f"target {share:g} of the largest network's MACs: {feasible} networks, best "
    f"{100 * max(within):.2f} %, best hundredth down to rank {int(0.01 * feasible)}"
  )

  def run(name, optimizers):
    watched = Watched(bench)
    found = [
      minimize(problem, one, watched.begin(), seed=seed) for seed, one in enumerate(optimizers)
    ]
    samples = [result.samples_scored for result in found]
    accuracies: list[Any] = [result.accuracy for result in found]
    text = line(name, accuracies, samples, rank_of, feasible)
    return "\n".join([text, *told(found, problem.target, watched.seconds)]), samples

  for name, optimizer in chosen(MCD, only).items():
    text, samples = run(name, [optimizer] * seeds)
    yield text
    yield run("  random search, as many samples", map(RandomSearch, samples))[0]
    rngs = map(random.Random, range(seeds))
    drawn = [max(rng.sample(within, count)) for rng, count in zip(rngs, samples, strict=True)]
    yield line("  drawn uniformly from those within", drawn, samples, rank_of, feasible)
    yield run("  evolution, about as many samples", map(evolution, samples))[0]
  for name, optimizer in chosen(ALONE | {"FLASH, 25 samples": flash(bench)}, only).items():
    yield run(name, [optimizer] * seeds)[0]


def main(_: list[str]) -> None:
  bench = TabularBenchmark.from_csv(TABLE.value)
  print(f"NAS-Bench-Macro, CIFAR-10, {len(bench.rows)} networks; {SEEDS.value} seeds\n")
  print(
    f"  {'optimizer':42s}{'samples':>8s}{'median rank':>18s}{'middle half':>15s}{'worst':>7s}"
    f"{'in 1 %':>9s}{'accuracy':>9s}"
  )
  for share in SHARES:
    for text in study(bench, share, SEEDS.value, ONLY.value):
      print(text, flush=True)


if __name__ == "__main__":
  app.run(main)
