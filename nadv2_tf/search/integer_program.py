"""Integer programming: what blocks bring and cost adds up, and the largest sum is found exactly.

Source: HAO, Dong et al., FCCM 2021, abstract: integer programs prune the search, and a predictor
tells accuracies. No program and no equations of it are public; those of `block_program` are ours.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, ClassVar

from nadv2_tf.option import check_options, option
from nadv2_tf.search import gains as gains_of
from nadv2_tf.search.ceilings import Ceilings, check_limits
from nadv2_tf.search.chain import Chain
from nadv2_tf.search.choices import choices, width_levels
from nadv2_tf.search.needs import ADDITIVE, Need
from nadv2_tf.search.problem import Candidate, Problem, Round, most_accurate
from nadv2_tf.search.registry import OPTIMIZERS

if TYPE_CHECKING:
  import random
  from collections.abc import Generator, Iterable, Sequence

  from nadv2_tf.search.chain import Picks
  from nadv2_tf.spec import NetworkSpec

#: networks that are scored between two reports
BATCH = 50
#: how often, on average, a network is drawn for each one that is asked for
REDRAWS = 10


@OPTIMIZERS.register("integer_program")
@dataclasses.dataclass(frozen=True)
class IntegerProgram:
  """Finds the options of all blocks whose gains add up to most, below the target and all limits.

  An option of a block is a level of its widths with a kernel size (`choices`). What it gains is
  measured, as what the full network loses by it, or regressed on random networks. A program then
  finds the networks with the largest sums of gains, exactly, whatever the costs: a block costs what
  it costs behind the blocks before it (`block_program`). They are scored, and what their sums do
  not explain corrects the gains for the next round. The most accurate of all is what is found.

  Attributes:
    gains: "measured" scores the full network and each option of each block alone; "regressed"
      scores random networks instead, which takes fewer samples where blocks have many options.
    gain_samples: how many random networks.
    width_levels: of a block's widths, above the smallest; see `choices`.
    program_rounds: for each target; after each the gains are corrected.
    program_solutions: networks that a round scores.

  The abstract says nothing of its settings; these are ours. With one round and one solution it is
  the plain program.
  """

  trains_samples: ClassVar[bool] = False
  races: ClassVar[bool] = False
  needs: ClassVar[tuple[Need, ...]] = (ADDITIVE,)
  gains: str = option(
    "measured",
    "What the options of blocks gain: measured, one block at a time, or regressed on random "
    "networks.",
    choices=("measured", "regressed"),
  )
  gain_samples: int = option(50, "Random networks that gains are regressed on.", low=2)
  width_levels: int = width_levels()
  program_rounds: int = option(
    4, "Rounds for each target; after each the gains are corrected by what it scored.", low=1
  )
  program_solutions: int = option(
    5, "Networks with the largest sums of gains that are scored in each round.", low=1
  )

  def __post_init__(self) -> None:
    check_options(self)

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """See `Optimizer.search`."""
    check_limits(problem)
    chain = Chain(problem.space, choices(problem.space, self.width_levels))
    ceilings, known = Ceilings(chain, problem), Known(chain)
    first = list(self._first(chain, rng))
    for start in range(0, len(first), BATCH):
      yield from known.score(first[start : start + BATCH])
    gains = gains_of.nothing(chain.blocks)
    if self.gains == "measured":
      gains = gains_of.measured(chain.blocks, known.accuracies())
    chosen: NetworkSpec | None = None
    for target in reversed(problem.targets):
      for _ in range(self.program_rounds):
        corrected = gains_of.corrected(chain.blocks, gains, known.accuracies())
        best = ceilings.best(target, corrected, known.within(problem, target))
        picks = list(itertools.islice(best, self.program_solutions))
        if not picks:
          break
        yield from known.score(picks)
      if not known.within(problem, target):
        yield from known.score([chain.smallest])
      found = most_accurate(known.within(problem, target).values()).spec
      yield (found,)  # so that it stands for an iteration, whichever round it is of
      chosen = chosen or found
    assert chosen is not None  # a problem has a target
    return chosen

  def check(self, problem: Problem) -> None:
    """See `Optimizer.check`: what the smallest network meets is reached.

    Raises:
      UnmetNeed: for a limit that is no sum over blocks.
    """
    check_limits(problem)

  def amount(self, problem: Problem) -> tuple[int, int]:
    """See `Optimizer.amount`."""
    first = self.gain_samples
    if self.gains == "measured":
      first = len(gains_of.one_at_a_time(choices(problem.space, self.width_levels)))
    targets = len(problem.targets)
    iterations = math.ceil(first / BATCH) + targets * (self.program_rounds + 1)
    return iterations, first + targets * self.program_rounds * self.program_solutions

  def choose(self, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
    """See `Optimizer.choose`: the best of a round; those that tell gains meet no target."""
    return most_accurate(scored)

  def pick(self, bests: Sequence[Candidate]) -> Candidate:
    """See `Optimizer.pick`."""
    return most_accurate(bests)

  def _first(self, chain: Chain, rng: random.Random) -> Iterable[Picks]:
    """The networks that tell the gains."""
    if self.gains == "measured":
      return gains_of.one_at_a_time(chain.blocks)
    draws = (
      tuple(rng.randrange(len(block.choices)) for block in chain.blocks)
      for _ in range(REDRAWS * self.gain_samples)
    )
    return itertools.islice(dict.fromkeys(draws), self.gain_samples)


class Known:
  """What was scored of a chain's networks, by their picks."""

  def __init__(self, chain: Chain) -> None:
    self._chain = chain
    self._candidates: dict[Picks, Candidate] = {}

  def score(self, picks: Sequence[Picks]) -> Generator[Sequence[NetworkSpec], Round, None]:
    """Asks for networks, as `Optimizer.search` does."""
    scored = yield tuple(map(self._chain.network, picks))
    self._candidates |= zip(picks, scored.candidates, strict=True)

  def accuracies(self) -> dict[Picks, float]:
    return {picks: one.accuracy for picks, one in self._candidates.items()}

  def within(self, problem: Problem, target: float) -> dict[Picks, Candidate]:
    """Those that meet `target` and all limits."""
    return {
      picks: one for picks, one in self._candidates.items() if problem.is_met_by(one.spec, target)
    }
