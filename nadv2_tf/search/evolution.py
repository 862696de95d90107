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

from nadv2_tf.option import option
from nadv2_tf.search.problem import Candidate, Problem, Round, best_first, most_accurate
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.search.sampling import Distinct, best_so_far, random_within
from nadv2_tf.spec import NetworkSpec


@OPTIMIZERS.register("evolution")
@dataclasses.dataclass(frozen=True)
class Evolution:
  """Breeds networks from the best of all that were scored so far.

  Children above the target, and such that were drawn before, are drawn again; what is missing to
  a full population is filled up with random networks (`random_within`). With several targets the
  smallest comes first, and its best networks are among the parents for the next.

  Attributes:
    population: networks scored in each generation.
    parents: how many of the best breed.
    mutations: children that are a parent with some decisions drawn anew.
    mutation_probability: of each decision.
    crossovers: children that take every decision from one of two parents.
    generations: for each target, the first, random one included.
  """

  trains_samples: ClassVar[bool] = False
  population: int = option(50, "Networks scored in each generation.", low=1)
  parents: int = option(10, "How many of the best networks breed.", low=1)
  mutations: int = option(25, "Children that are a parent with decisions drawn anew.", low=0)
  mutation_probability: float = option(
    0.1, "Probability of each decision of a mutated child to be drawn anew.", low=0, high=1
  )
  crossovers: int = option(25, "Children that take every decision from one of two parents.", low=0)
  generations: int = option(
    20, "Generations for each target, the first, random one included.", low=1
  )

  def __post_init__(self) -> None:
    if min(self.population, self.parents, self.generations) < 1:
      raise ValueError(
        "population, parents and generations must be at least 1, got "
        f"{self.population}, {self.parents} and {self.generations}."
      )
    children = self.mutations + self.crossovers
    if min(self.mutations, self.crossovers) < 0 or children > self.population:
      raise ValueError(
        f"mutations and crossovers must be at least 0 and together at most the population of "
        f"{self.population}, got {self.mutations} and {self.crossovers}."
      )
    if not 0 < self.mutation_probability <= 1:
      raise ValueError(
        f"mutation_probability must be above 0 and at most 1, got {self.mutation_probability}."
      )

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """See `Optimizer.search`."""
    distinct = Distinct(problem.space)
    best: list[Candidate] = []
    chosen: Candidate | None = None
    for target in reversed(problem.targets):
      stage = problem.at(target)
      for _ in range(self.generations):
        specs = self._generation(stage, [parent.spec for parent in best], distinct, rng)
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

  def _generation(
    self,
    stage: Problem,
    parents: Sequence[NetworkSpec],
    distinct: Distinct,
    rng: random.Random,
  ) -> tuple[NetworkSpec, ...]:
    """Up to `population` new networks that meet the target."""
    space = stage.space
    rows = [space.encode(parent) for parent in parents]

    def within(row):
      spec = space.decode(row)
      return spec if stage.meter.measure(spec) <= stage.target else None

    def mutate():
      return within(
        tuple(
          rng.choice(decision.choices) if rng.random() < self.mutation_probability else value
          for decision, value in zip(space.decisions, rng.choice(rows), strict=True)
        )
      )

    def cross():
      one, other = rng.choice(rows), rng.choice(rows)
      return within(tuple(map(rng.choice, zip(one, other, strict=True))))

    specs: tuple[NetworkSpec, ...] = ()
    if rows:
      specs += distinct.draw(mutate, self.mutations)
      specs += distinct.draw(cross, self.crossovers)
    return specs + distinct.draw(lambda: random_within(stage, rng), self.population - len(specs))
