"""What a search is given: space, start, meter and target; and what it may ask for."""

import dataclasses
import random
from collections.abc import Generator, Sequence
from typing import Protocol

from nadv2_tf.spec import NetworkSpec, SearchSpace


class ResourceMeter(Protocol):
  """Measures one resource of a network.

  `is_exact` holds if measuring again gives the same number at no cost (a count, a table). What is
  not exact is measured once and journalled.
  """

  unit: str
  is_exact: bool

  def measure(self, spec: NetworkSpec) -> float: ...


class AdditiveMeter(ResourceMeter, Protocol):
  """A meter whose value is a sum over blocks, such as MACs or a latency table."""

  def block_costs(self, spec: NetworkSpec) -> tuple[float, ...]: ...


class Evaluator(Protocol):
  """Tells how accurate networks are, in [0, 1], higher is better."""

  def accuracy(self, specs: Sequence[NetworkSpec]) -> Sequence[float]: ...


@dataclasses.dataclass(frozen=True)
class Candidate:
  """A scored sub-network."""

  spec: NetworkSpec
  accuracy: float
  resource: float


@dataclasses.dataclass(frozen=True)
class Problem:
  """Find the most accurate sub-network of `space` whose resource is at most `target`.

  `target` is in `meter.unit`; a search starts at `start`, usually `space.largest()`.
  """

  space: SearchSpace
  start: NetworkSpec
  meter: ResourceMeter
  target: float


class Optimizer(Protocol):
  """A search algorithm. It never trains, logs, caches or resumes: the driver does."""

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Sequence[Candidate], NetworkSpec]:
    """Yields specs to score, receives them scored, returns the chosen one."""

  def choose(self, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
    """The candidate of one round that the algorithm goes on with, `previous` the round before."""


class UnreachableTarget(ValueError):
  """No network of the space, or none on the schedule, meets the target."""


def check_target(problem):
  """Raises `UnreachableTarget`, naming the smallest resource, if no network can meet the target.

  Raises:
    UnreachableTarget: if the smallest network is above the target.
    ValueError: if the target is not a positive number.
  """
  if not problem.target > 0:
    raise ValueError(f"The target must be above 0 {problem.meter.unit}, got {problem.target}.")
  smallest = problem.meter.measure(problem.space.smallest())
  if smallest > problem.target:
    raise UnreachableTarget(
      f"The target of {problem.target:g} {problem.meter.unit} cannot be met: the smallest "
      f"network of {problem.space.network.name!r} has {smallest:g} {problem.meter.unit}."
    )
