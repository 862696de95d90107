"""Layer-wise search with a table of the best networks by cost.

Source: LayerNAS, Fan et al., arXiv 2304.11517, as its authors' public account has it: layers are
searched from the first to the last, candidates are put into buckets by their cost, and of each
bucket the most accurate is kept. There is no public code; docs/differences.md says what was
decided.
"""

import dataclasses
import math
import random
from collections.abc import Generator, Iterator, Sequence
from typing import ClassVar

from nadv2_tf.option import option
from nadv2_tf.search.choices import BlockChoices, Row, choices, put_all, width_levels
from nadv2_tf.search.needs import ADDITIVE, Need
from nadv2_tf.search.problem import Candidate, Problem, Round, best_first, most_accurate
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.spec import NetworkSpec


@OPTIMIZERS.register("layernas")
@dataclasses.dataclass(frozen=True)
class LayerNAS:
  """Decides block after block; later blocks are as in the start until it is their turn.

  Every candidate that was kept for the blocks before is tried with every option of a block
  (`choices`), unless even with the smallest of all later blocks it would miss all targets or a
  limit. A round is what falls into one bucket; its best go on to the next block. Networks that can
  still meet different targets share no bucket, so one table serves all targets: what is found for
  each is the most accurate of all that were scored and meet it. Nothing is random.

  With a `Race` the samples of one bucket race, and at most its finalists are kept.

  Attributes:
    buckets: H, for each block; 100 as published.
    kept_per_bucket: of the most accurate.
    width_levels: of a block's widths, above the smallest; see `choices`.
  """

  trains_samples: ClassVar[bool] = False
  needs: ClassVar[tuple[Need, ...]] = (ADDITIVE,)
  buckets: int = option(
    100, "Into how many ranges of cost the networks of each block are sorted, H.", low=1
  )
  kept_per_bucket: int = option(
    1, "How many networks of each range go on to the next block.", low=1
  )
  width_levels: int = width_levels()

  def __post_init__(self) -> None:
    if min(self.buckets, self.kept_per_bucket, self.width_levels) < 1:
      raise ValueError(
        "buckets, kept_per_bucket and width_levels must be at least 1, got "
        f"{self.buckets}, {self.kept_per_bucket} and {self.width_levels}."
      )

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """See `Optimizer.search`."""
    table = Table(problem, self)
    kept: list[Row] = [problem.space.encode(problem.start)]
    best: dict[float, Candidate] = {}
    for number in range(len(table.blocks)):
      children, kept = table.children(kept, number), []
      for specs in children:
        scored = yield specs
        for candidate in scored.candidates:
          for target in table.targets_met_by(candidate.spec):
            best[target] = most_accurate([best.get(target, candidate), candidate])
        of_bucket = best_first(scored.candidates)[: self.kept_per_bucket]
        kept += [problem.space.encode(candidate.spec) for candidate in of_bucket]
    for target in problem.targets:
      yield (best[target].spec,)  # known already; a round of its own is what `pick` finds
    return best[problem.target].spec

  def check(self, problem: Problem) -> None:
    """See `Optimizer.check`: what the smallest network meets is reached."""

  def amount(self, problem: Problem) -> tuple[int, int]:
    """See `Optimizer.amount`: at most, were no bucket empty and every network within reach.

    Where costs add up, each target but one splits one bucket of a block.
    """
    targets = len(problem.targets)
    kept, iterations, samples = 1, targets, 0
    for block in choices(problem.space, self.width_levels):
      children = kept * len(block.choices)
      buckets = min(self.buckets + targets - 1, children)
      samples += children - kept  # a candidate with the block as it is was scored before
      iterations += buckets
      kept = min(buckets * self.kept_per_bucket, children)
    return iterations, samples + 1

  def choose(self, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
    """See `Optimizer.choose`: the best of the bucket."""
    return most_accurate(scored)

  def pick(self, bests: Sequence[Candidate]) -> Candidate:
    """See `Optimizer.pick`."""
    return most_accurate(bests)


def bucket(cost: float, low: float, high: float, buckets: int) -> int:
  """Which of `buckets` equal ranges from `low` to `high` a cost lies in, from 0 on.

  What lies outside is in the first or the last.
  """
  if not high > low:
    return 0
  return min(max(math.floor((cost - low) / (high - low) * buckets), 0), buckets - 1)


class Table:
  """What a search knows of its problem: blocks, bounds of the buckets, targets within reach.

  Attributes:
    blocks: `BlockChoices` of all blocks, in their order.
    bounds: (low, high) cost of the candidates of each block.
  """

  def __init__(self, problem: Problem, settings: LayerNAS) -> None:
    self._problem = problem
    self._settings = settings
    self._stages = [problem.at(target) for target in reversed(problem.targets)]
    self.blocks = choices(problem.space, settings.width_levels)
    self.bounds = [self._bounds(number) for number in range(len(self.blocks))]

  def targets_met_by(self, spec: NetworkSpec) -> list[float]:
    return [stage.target for stage in self._stages if stage.meter.measure(spec) <= stage.target]

  def children(self, kept: Sequence[Row], number: int) -> Iterator[tuple[NetworkSpec, ...]]:
    """The networks of block `number` that are within reach, bucket after bucket, cheapest first."""
    found: dict[tuple[int, int], list[NetworkSpec]] = {}
    for row in kept:
      for choice in self.blocks[number].choices:
        child = self.blocks[number].put(row, choice)
        reach = len(self.targets_met_by(self._smallest_after(child, number)))
        if reach:
          spec = self._problem.space.decode(child)
          cost = self._problem.meter.measure(spec)
          place = bucket(cost, *self.bounds[number], self._settings.buckets)
          found.setdefault((place, reach), []).append(spec)
    return (tuple(found[key]) for key in sorted(found))

  def _bounds(self, number: int) -> tuple[float, float]:
    """What a candidate of block `number` costs at least, and what it may cost at most.

    That is the largest target and what later blocks can still save.
    """
    measure, start = self._problem.meter.measure, self._problem.start
    row = self._problem.space.encode(start)
    low = self._problem.space.decode(_smallest(row, self.blocks[: number + 1]))
    most = measure(start)
    saved = most - measure(self._smallest_after(row, number))
    return measure(low), min(most, self._problem.targets[0] + saved)

  def _smallest_after(self, row: Row, number: int) -> NetworkSpec:
    """`row` with the smallest option of all blocks after block `number`."""
    return self._problem.space.decode(_smallest(row, self.blocks[number + 1 :]))


def _smallest(row: Row, blocks: Sequence[BlockChoices]) -> Row:
  return put_all(row, blocks, (block.choices[0] for block in blocks))
