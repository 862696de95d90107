"""Evolutionary search with the target as a hard filter.

Source: Single Path One-Shot, Guo et al., ECCV 2020, Algorithm 1, and its settings: a population
of 50, of which the best 10 breed, 25 mutations at probability 0.1 and 25 crossovers, 20
generations. Once-for-All (Cai et al., ICLR 2020) and AttentiveNAS (Wang et al., CVPR 2021) search
their super-networks in the same way with settings of their own.
"""

import dataclasses
import random
from collections.abc import Generator, Sequence
from typing import ClassVar

from nadv2_tf.search.breeding import Breeding
from nadv2_tf.search.problem import Candidate, Problem, Round, best_first, most_accurate
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.search.sampling import Distinct, Genome, best_so_far
from nadv2_tf.spec import NetworkSpec


@OPTIMIZERS.register("evolution")
@dataclasses.dataclass(frozen=True)
class Evolution(Breeding):
  """Breeds networks from the best of all that were scored so far.

  Children above the target, and such that were drawn before, are drawn again; what is missing to
  a full population is filled up with random networks (`random_within`). With several targets the
  smallest comes first, and its best networks are among the parents for the next. Every decision of
  the space is a gene; `generations` are for each target.
  """

  trains_samples: ClassVar[bool] = False

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """See `Optimizer.search`."""
    space, distinct = problem.space, Distinct(problem.space)
    best: list[Candidate] = []
    chosen: Candidate | None = None
    for target in reversed(problem.targets):
      stage = problem.at(target)
      for _ in range(self.generations):
        parents = [space.encode(parent.spec) for parent in best]
        specs = self.generation(stage, Genome.of(space), parents, distinct, rng)
        if not specs:
          break
        scored = yield specs
        best = best_first([*best, *scored.candidates])[: self.parents]
      chosen = chosen or best[0]
    assert chosen is not None  # a target has a generation, and that networks
    return chosen.spec

  def check(self, problem: Problem) -> None:
    """See `Optimizer.check`: what the smallest network meets is reached."""

  def amount(self, problem: Problem) -> tuple[int, int]:
    """See `Optimizer.amount`."""
    generations = self.generations * len(problem.targets)
    return generations, generations * self.population

  def choose(self, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
    """See `Optimizer.choose`: the best so far."""
    return best_so_far(scored, previous)

  def pick(self, bests: Sequence[Candidate]) -> Candidate:
    """See `Optimizer.pick`."""
    return most_accurate(bests)
