"""One generation of an evolution, whatever its networks are made of.

Source: Single Path One-Shot, Guo et al., ECCV 2020, Algorithm 1, and its settings.
"""

import dataclasses
import random
from collections.abc import Sequence

from nadv2_tf.option import option
from nadv2_tf.search.problem import Problem
from nadv2_tf.search.sampling import Distinct, Genome, random_within
from nadv2_tf.spec import NetworkSpec


@dataclasses.dataclass(frozen=True)
class Breeding:
  """Settings of an evolution.

  Attributes:
    population: networks scored in each generation.
    parents: how many of the best breed.
    mutations: children that are a parent with some genes drawn anew.
    mutation_probability: of each gene.
    crossovers: children that take every gene from one of two parents.
    generations: the first, random one included.
  """

  population: int = option(50, "Networks scored in each generation.", low=1)
  parents: int = option(10, "How many of the best networks breed.", low=1)
  mutations: int = option(25, "Children that are a parent with decisions drawn anew.", low=0)
  mutation_probability: float = option(
    0.1, "Probability of each decision of a mutated child to be drawn anew.", low=0, high=1
  )
  crossovers: int = option(25, "Children that take every decision from one of two parents.", low=0)
  generations: int = option(
    20,
    "Generations for each target, and of hurricane for each half of the blocks; the first, random "
    "one included.",
    low=1,
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

  def generation(
    self,
    stage: Problem,
    genome: Genome,
    parents: Sequence[Sequence],
    distinct: Distinct,
    rng: random.Random,
  ) -> tuple[NetworkSpec, ...]:
    """Up to `population` new networks that meet the target of `stage`.

    Args:
      stage: a `Problem` of one target.
      genome: what networks are made of.
      parents: a value for each gene, of every network that breeds; none in a first generation.
      distinct: knows what was drawn before.
      rng: a `random.Random`.
    """

    def within(spec):
      return spec if stage.meter.measure(spec) <= stage.target else None

    def mutate():
      row = tuple(
        rng.choice(values) if rng.random() < self.mutation_probability else value
        for values, value in zip(genome.values, rng.choice(parents), strict=True)
      )
      return within(genome.network_of(row))

    def cross():
      one, other = rng.choice(parents), rng.choice(parents)
      row = tuple(map(rng.choice, zip(one, other, strict=True)))
      return within(genome.network_of(row))

    specs: tuple[NetworkSpec, ...] = ()
    if parents:
      specs += distinct.draw(mutate, self.mutations)
      specs += distinct.draw(cross, self.crossovers)
    missing = self.population - len(specs)
    # Where fewer filters take longer, the smallest of some blocks may be above the target.
    return specs + distinct.draw(lambda: within(random_within(stage, rng, genome)), missing)
