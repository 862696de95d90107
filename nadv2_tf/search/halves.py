"""One half of HURRICANE's search by itself, with weights that were trained for that half alone.

Source: HURRICANE, Zhang et al., arXiv 1910.11609: the later layers are searched first, their result
is kept, and the super-network is trained in each stage on what is still free.
"""

import dataclasses
import random
from collections.abc import Generator, Sequence
from typing import ClassVar

from nadv2_tf.search.choices import BlockChoices, Row
from nadv2_tf.search.hurricane import Hurricane, base_of
from nadv2_tf.search.needs import Need
from nadv2_tf.search.problem import Candidate, Problem, Round, UnreachableTarget
from nadv2_tf.search.sampling import Distinct
from nadv2_tf.spec import NetworkSpec

LATER, EARLIER = "later half", "earlier half"


@dataclasses.dataclass(frozen=True)
class HalfSearch:
  """Evolution over the options of half of the blocks, for one target; the others are as they are.

  The later half has the base of the target before it; the earlier half has what was found for the
  later one behind it, begins with that network, and so finds nothing worse by the new weights.

  Attributes:
    method: the settings.
    half: `LATER` or `EARLIER`.
    row: a network as the space encodes it, which the other half is taken of.
  """

  trains_samples: ClassVar[bool] = False
  needs: ClassVar[tuple[Need, ...]] = Hurricane.needs
  method: Hurricane
  half: str
  row: Row

  @classmethod
  def later(cls, method: Hurricane, problem: Problem) -> "HalfSearch":
    """Of the later half, the earlier one at its base."""
    return cls(method, LATER, base_of(problem, problem.target, *method.halves(problem)))

  @classmethod
  def earlier(cls, method: Hurricane, problem: Problem, found: NetworkSpec) -> "HalfSearch":
    """Of the earlier half; `found` is what the search of the later half gave."""
    return cls(method, EARLIER, problem.space.encode(found))

  def free(self, problem: Problem) -> Sequence[BlockChoices]:
    """The options of the blocks that are searched."""
    earlier, later = self.method.halves(problem)
    return later if self.half == LATER else earlier

  def values(self, problem: Problem) -> tuple[tuple[int, ...], ...]:
    """For each decision of the space what it may be: a value of the free blocks' options, or one.

    A block's widths go together in its options and not here: what is trained with these values is
    what is searched, and some networks beside it.
    """
    values: list[tuple[int, ...]] = [(value,) for value in self.row]
    kinds = [decision.kind for decision in problem.space.decisions]
    for block in self.free(problem):
      for at, column in enumerate(block.columns):
        # The kernel size of a block that is gone is a word, and nothing that is trained.
        there = [choice for choice in block.choices if not choice.removed]
        choices = there if kinds[column] == "kernel" and there else block.choices
        values[column] = tuple(sorted({choice.values[at] for choice in choices}))
    return tuple(values)

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """See `Optimizer.search`.

    Raises:
      UnreachableTarget: if the other half leaves no room for any network.
    """
    stage, distinct = problem.at(problem.target), Distinct(problem.space)
    known, best = problem.space.decode(self.row), list[Candidate]()
    if self.half == EARLIER and stage.meter.measure(known) <= stage.target:
      scored = yield distinct.draw(lambda: known, 1)
      best = list(scored.candidates)
    free = self.free(problem)
    best = yield from self.method.search_half(stage, free, self.row, best, distinct, rng)
    if not best:
      raise UnreachableTarget(
        f"The other half of {problem.space.network.name!r}, as it was found, leaves the "
        f"{self.half} no network within {problem.target:g} {problem.meter.unit}."
      )
    return best[0].spec

  def check(self, problem: Problem) -> None:
    """See `Optimizer.check`: whether there is room is told where it is searched."""

  def amount(self, problem: Problem) -> tuple[int, int]:
    """See `Optimizer.amount`: at most."""
    first = int(self.half == EARLIER)
    generations = self.method.generations
    return generations + first, generations * self.method.population + first

  def choose(self, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
    """See `Optimizer.choose`."""
    return self.method.choose(scored, previous)

  def pick(self, bests: Sequence[Candidate]) -> Candidate:
    """See `Optimizer.pick`."""
    return self.method.pick(bests)
