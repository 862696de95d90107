"""Options chosen by what they give for their cost, then two searches, one for each half.

Source: HURRICANE, Zhang et al., arXiv 1910.11609, CVPR Workshops 2020, as its abstract has it: a
search space made for the hardware, and a search in two stages, of the later layers first. There is
no public code; docs/differences.md says what was decided. The evolution is that of Single Path
One-Shot, which it builds on.
"""

import dataclasses
import functools
import math
import random
from collections.abc import Generator, Sequence
from typing import ClassVar

from nadv2_tf.option import option
from nadv2_tf.search.breeding import Breeding
from nadv2_tf.search.choices import BlockChoices, Choice, Row, choices, put_all, width_levels
from nadv2_tf.search.needs import ADDITIVE, AdditiveMeter, Need
from nadv2_tf.search.problem import Candidate, Problem, Round, best_first, most_accurate
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.search.sampling import Distinct, Genome, best_so_far
from nadv2_tf.spec import NetworkSpec

#: a base that leaves no room takes this share less of each block, and less again
LESS = 0.1


@OPTIMIZERS.register("hurricane")
@dataclasses.dataclass(frozen=True)
class Hurricane(Breeding):
  """Evolution over a few options of each block, the later half of the blocks first.

  The options are those of `hardware_friendly`. The earlier half is at its base (`base_of`) while
  the later half is searched; the best of that is kept while the earlier half is. With several
  targets the smallest comes first, and each has two searches of its own.

  Both halves are scored with the same weights, of a super-network that was trained on the whole
  space. Where it is trained anew for each half, the halves are searches of their own: `HalfSearch`.

  Attributes:
    options_per_block: besides the smallest and the largest, which always stay. A level of the
      widths has one, so that only below `width_levels` does it leave widths out; by default it
      leaves out none, and capacity over cost decides kernel sizes alone.
    width_levels: of a block's widths, above the smallest; see `choices`.
  """

  trains_samples: ClassVar[bool] = False
  needs: ClassVar[tuple[Need, ...]] = (ADDITIVE,)
  options_per_block: int = option(
    4,
    "How many options each block keeps besides its ends, by capacity over cost; as many as "
    "--width_levels keep all widths and choose kernel sizes alone.",
    low=1,
  )
  width_levels: int = width_levels()

  def __post_init__(self) -> None:
    super().__post_init__()
    if min(self.options_per_block, self.width_levels) < 1:
      raise ValueError(
        "options_per_block and width_levels must be at least 1, got "
        f"{self.options_per_block} and {self.width_levels}."
      )

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """See `Optimizer.search`."""
    earlier, later = self.halves(problem)
    chosen: NetworkSpec | None = None
    for target in reversed(problem.targets):
      # The searches of a target nearby may have drawn all there is: what was scored costs nothing.
      stage, distinct = problem.at(target), Distinct(problem.space)
      row = base_of(problem, target, earlier, later)
      best: list[Candidate] = []
      for half in (later, earlier):
        best = yield from self.search_half(stage, half, row, best[:1], distinct, rng)
        row = problem.space.encode(best[0].spec)
      chosen = chosen or best[0].spec
    assert chosen is not None  # a problem has a target
    return chosen

  def check(self, problem: Problem) -> None:
    """See `Optimizer.check`: what the smallest network meets is reached."""

  def amount(self, problem: Problem) -> tuple[int, int]:
    """See `Optimizer.amount`: at most, were there always enough new networks."""
    generations = 2 * self.generations * len(problem.targets)
    return generations, generations * self.population

  def choose(self, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
    """See `Optimizer.choose`: the best so far."""
    return best_so_far(scored, previous)

  def pick(self, bests: Sequence[Candidate]) -> Candidate:
    """See `Optimizer.pick`."""
    return most_accurate(bests)

  def halves(self, problem: Problem) -> tuple[Sequence[BlockChoices], Sequence[BlockChoices]]:
    """The options of the earlier and of the later half of the blocks that have any."""
    blocks = hardware_friendly(problem, self.width_levels, self.options_per_block)
    return blocks[: len(blocks) // 2], blocks[len(blocks) // 2 :]

  def search_half(
    self,
    stage: Problem,
    free: Sequence[BlockChoices],
    row: Row,
    best: list[Candidate],
    distinct: Distinct,
    rng: random.Random,
  ) -> Generator[Sequence[NetworkSpec], Round, list[Candidate]]:
    """Evolution of the options of `free`, all other blocks as in `row`; the best, best first.

    Args:
      stage: a `Problem` of one target.
      free: blocks.
      row: a network as the space encodes it.
      best: what breeds from the start, scored.
      distinct: knows what was drawn before.
      rng: a `random.Random`.
    """
    space = stage.space

    @functools.cache  # half a space may be so small that the same are drawn over and over
    def known(picked: tuple[Choice, ...]) -> NetworkSpec:
      return space.decode(put_all(row, free, picked))

    def network_of(picked: Sequence[Choice]) -> NetworkSpec:
      return known(tuple(picked))

    genome = Genome([block.choices for block in free], network_of)
    for _ in range(self.generations):
      rows = [space.encode(parent.spec) for parent in best]
      parents = [[block.of(each) for block in free] for each in rows]
      specs = self.generation(stage, genome, parents, distinct, rng)
      if not specs:
        break
      scored = yield specs
      best = best_first([*best, *scored.candidates])[: self.parents]
    return best


def hardware_friendly(problem: Problem, levels: int, count: int) -> tuple[BlockChoices, ...]:
  """The options of all blocks that give most for their cost, and the smallest and largest of each.

  The capacity of an option is the geometric mean of its block's multiply-accumulates and
  parameters; its cost is the block's by the problem's meter, in a network that is else the start.
  At each level the kernel size with most capacity for its cost is kept, so that what hardware is
  slow at goes and a narrow block does not lose to a wide one; of the levels then the best `count`.
  The smallest and the largest option stay whatever they give: between them lies every target.
  With no fewer options than levels, as by default, all levels stay: only kernel sizes are chosen.

  Args:
    problem: its meter must be an `AdditiveMeter`.
    levels: see `choices`.
    count: options of a block besides those two.
  """
  return tuple(_friendly(problem, block, count) for block in choices(problem.space, levels))


def _friendly(problem: Problem, block: BlockChoices, count: int) -> BlockChoices:
  smallest, *others = block.choices
  rated: dict[int, tuple[float, Choice]] = {}
  for choice in others:
    if choice.level > smallest.level:
      value = capacity_for_cost(problem, block, choice)
      # Of equal ones the last, which is the largest.
      if choice.level not in rated or value >= rated[choice.level][0]:
        rated[choice.level] = (value, choice)
  best = sorted(rated.values(), key=lambda item: item[0], reverse=True)[:count]
  return block.keeping({smallest, *(choice for _, choice in best), block.choices[-1]})


def capacity_for_cost(problem: Problem, block: BlockChoices, choice: Choice) -> float:
  """See `hardware_friendly`; infinite for an option that costs nothing."""
  spec = _with(problem, block, choice)
  layers = spec.layers()[block.index]
  macs = sum(layer.macs() for layer in layers)
  parameters = sum(layer.parameters() for layer in layers)
  cost = _block_cost(problem, spec, block)
  return math.sqrt(macs * parameters) / cost if cost > 0 else math.inf


def base_of(
  problem: Problem, target: float, fixed: Sequence[BlockChoices], free: Sequence[BlockChoices]
) -> Row:
  """What the blocks `fixed` are while `free` are searched: as much of each as the target allows.

  One after the other takes the option with which the network, all else at its smallest, is nearest
  to its part of the target: the same share of what the blocks up to here can cost at most. Where
  that leaves no room even for the smallest of `free`, the share is lowered.
  """
  space, measure, stage = problem.space, problem.meter.measure, problem.at(target)
  least, most = measure(space.smallest()), measure(problem.start)
  share = min(max((target - least) / (most - least), 0.0), 1.0) if most > least else 0.0
  smallest = [block.choices[0] for block in (*fixed, *free)]
  start = put_all(space.encode(problem.start), (*fixed, *free), smallest)
  while True:
    base, largest = start, start
    for block in fixed:
      largest = block.put(largest, block.choices[-1])
      goal = least + share * (measure(space.decode(largest)) - least)
      rows = [block.put(base, choice) for choice in block.choices]
      base = min(rows, key=lambda row: abs(measure(space.decode(row)) - goal)) if share else rows[0]
    if share == 0 or stage.meter.measure(space.decode(base)) <= target:
      return base
    share = max(share - LESS, 0.0)


def _with(problem: Problem, block: BlockChoices, choice: Choice) -> NetworkSpec:
  """The start with one option of one block."""
  return problem.space.decode(block.put(problem.space.encode(problem.start), choice))


def _block_cost(problem: Problem, spec: NetworkSpec, block: BlockChoices) -> float:
  meter = problem.meter
  assert isinstance(meter, AdditiveMeter)  # checked before, see `needs`
  return meter.block_costs(spec)[block.index]
