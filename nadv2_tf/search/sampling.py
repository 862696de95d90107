"""Random networks within a target, and drawing no network twice: for searches that sample."""

import dataclasses
import random
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from nadv2_tf.search.problem import Candidate, Problem, most_accurate
from nadv2_tf.spec import NetworkSpec, SearchSpace

#: how often, on average, a network is drawn for each one that is asked for
REDRAWS = 10
#: halvings of the factor's range; after ten the factor is known to a few thousandths
ROUNDS = 10


@dataclasses.dataclass(frozen=True)
class Genome:
  """What the networks that are drawn are made of.

  Attributes:
    values: of each gene, smallest first.
    network_of: the network of one value for each gene; of the first of all it is the smallest.
  """

  values: Sequence[Sequence[Any]]
  network_of: Callable[[Sequence[Any]], NetworkSpec]

  @classmethod
  def of(cls, space: SearchSpace) -> "Genome":
    """Every decision of the space is a gene."""
    return cls([decision.choices for decision in space.decisions], space.decode)


def random_within(
  problem: Problem, rng: random.Random, genome: Genome | None = None
) -> NetworkSpec:
  """A random network close to `problem.target` and never above it.

  A network draws how much its decisions differ (its spread, in [0, 1)), and every decision draws
  a proportion from [1 - spread, 1]; all proportions times one factor, as large as the target
  allows and cut off at the largest values, give the network. So the samples reach from uniformly
  scaled networks to such whose decisions have nothing to do with each other, and none is far
  below the target, as most are when every decision is drawn uniformly until the target is met.

  Args:
    problem: a `Problem` of one target, which the smallest network meets.
    rng: a `random.Random`.
    genome: what it draws; None: all decisions of the space.
  """
  genome, measure = genome or Genome.of(problem.space), problem.meter.measure
  choices = genome.values
  spread = rng.random()
  proportions = [1 - spread * rng.random() for _ in choices]
  found, low, high = genome.network_of([values[0] for values in choices]), 0.0, 1.0
  for _ in range(ROUNDS):
    middle = (low + high) / 2
    factor = middle / (1 - middle)  # from 0 to far above what sets every decision to its largest
    spec = genome.network_of(
      tuple(
        values[min(int(proportion * factor * len(values)), len(values) - 1)]
        for values, proportion in zip(choices, proportions, strict=True)
      )
    )
    if measure(spec) <= problem.target:
      found, low = spec, middle
    else:
      high = middle
  return found


def is_within(problem: Problem, row: Sequence[int]) -> bool:
  """Whether a network, as its space encodes it, meets the one target of a problem."""
  return problem.meter.measure(problem.space.decode(row)) <= problem.target


class Distinct:
  """Draws networks of which no two are equal.

  Args:
    space: gives `encode`.
  """

  def __init__(self, space: SearchSpace) -> None:
    self._encode = space.encode
    self._drawn: set[Hashable] = set()

  def draw(self, make: Callable[[], NetworkSpec | None], count: int) -> tuple[NetworkSpec, ...]:
    """Up to `count` new networks of `make`, which may return None; fewer where none are left."""
    specs: list[NetworkSpec] = []
    for _ in range(REDRAWS * count):
      if len(specs) == count:
        break
      spec = make()
      if spec is not None and (key := self._encode(spec)) not in self._drawn:
        self._drawn.add(key)
        specs.append(spec)
    return tuple(specs)


def best_so_far(scored: Iterable[Candidate], previous: Candidate | None = None) -> Candidate:
  """The most accurate of a round and of what was the best before."""
  return most_accurate([*scored, *([previous] if previous else [])])
