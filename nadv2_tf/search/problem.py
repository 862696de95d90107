"""What a search is given: space, start, meter, targets, limits; and what it may ask for."""

import dataclasses
import math
import random
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from nadv2_tf.spec import NetworkSpec, SearchSpace


class ResourceMeter(Protocol):
  """Measures one resource of a network.

  `is_exact` holds if measuring again gives the same number at no cost (a count, a table). What is
  not exact is measured once and journalled.
  """

  unit: str
  is_exact: bool

  def measure(self, spec: NetworkSpec) -> float: ...


class Evaluator(Protocol):
  """Tells how accurate networks are, in [0, 1], higher is better."""

  def accuracy(self, specs: Sequence[NetworkSpec]) -> Sequence[float]: ...


@runtime_checkable
class SpreadingEvaluator(Evaluator, Protocol):
  """An evaluator that scores several networks in the time of one, on as many devices.

  It is asked for `at_once` networks in one call; the last call of a round may have fewer.
  """

  at_once: int


@runtime_checkable
class DigestingEvaluator(Evaluator, Protocol):
  """An evaluator that says what its scores depend on, for the head of a journal."""

  def digest(self) -> Mapping[str, Any]:
    """Whatever JSON holds; other weights or other images give another one."""


@runtime_checkable
class SlopingEvaluator(Evaluator, Protocol):
  """An evaluator that tells in which direction a network gets better: one of shared weights."""

  def loss_slopes(self, shares: Any, batch: int, images: int) -> tuple[float, Any]:
    """(loss, its slopes) on a batch of hold-out images, the loss in what the task minimises.

    Args:
      shares: [decisions, most options], of each value of each decision of the space in the order
        of its choices; each row adds up to 1. A network that is there by itself has shares of 1.
      batch: number of the batch; behind the last images come the first ones again.
      images: of a batch, at most.

    Returns:
      (loss, its derivatives with respect to `shares`, of the same shape).
    """


class Slopes(Protocol):
  """What an optimizer finds in its `Problem` where a `SlopingEvaluator` scores."""

  def loss(self, shares: Any, batch: int, images: int) -> tuple[float, Any]:
    """See `SlopingEvaluator.loss_slopes`; it is not journalled, for that would be too much."""

  def once(
    self, target: float, weight: float, descend: Callable[[], Sequence[Sequence[float]]]
  ) -> Sequence[Sequence[float]]:
    """What `descend` gives, or a journal says that it gave for this target and this weight.

    It is for the logits that a descent ends with, rounded, a row for each decision.
    """


@runtime_checkable
class TrainingEvaluator(Evaluator, Protocol):
  """An evaluator that trains every network before it scores it, as NetAdaptV1 asks.

  It cuts a network out of the trained weights of the one that it was last told to go on from (of
  the start, at first), trains it briefly and scores it.
  """

  def go_on_from(self, spec: NetworkSpec) -> None:
    """Tells that an iteration has ended and that the next one cuts its samples out of `spec`.

    The driver says so after every iteration, and says it again when a search is resumed: what a
    later sample is cut from must then be found again, for example in a checkpoint.
    """


class Asked(tuple[NetworkSpec, ...]):
  """Networks that an optimizer asks for, with figures that it tells beside them.

  `notes`, {name: number}, stand in the journal's line of the iteration and in the report.
  """

  notes: Mapping[str, float]

  def __new__(cls, specs: Iterable[NetworkSpec], **notes: float) -> "Asked":
    asked = super().__new__(cls, specs)
    asked.notes = notes
    return asked


@dataclasses.dataclass(frozen=True)
class Candidate:
  """A scored sub-network."""

  spec: NetworkSpec
  accuracy: float
  resource: float


def best_first(candidates: Iterable[Candidate]) -> list[Candidate]:
  """The candidates by accuracy, ties by the smaller resource."""
  return sorted(candidates, key=lambda candidate: (-candidate.accuracy, candidate.resource))


def most_accurate(candidates: Iterable[Candidate]) -> Candidate:
  """The first of `best_first`."""
  return min(candidates, key=lambda candidate: (-candidate.accuracy, candidate.resource))


@dataclasses.dataclass(frozen=True)
class Round:
  """What an optimizer gets for the networks that it asked for.

  Attributes:
    candidates: the networks, scored; after a `Race` its finalists alone.
    best: what the optimizer's own `choose` made of them.
  """

  candidates: tuple[Candidate, ...]
  best: Candidate


@dataclasses.dataclass(frozen=True)
class Problem:
  """Find the most accurate sub-network of `space` whose resource is at most `target`.

  Attributes:
    space: what is searched.
    start: where the search starts, usually `space.largest()`.
    meter: of the resource.
    target: in `meter.unit`; with several targets, the smallest.
    larger_targets: further targets above `target`; the search finds a network for each.
    limits: pairs (meter, largest value); every found network meets all of them as well.
    slopes: of the loss; the driver puts them here, None if what scores has none.
  """

  space: SearchSpace
  start: NetworkSpec
  meter: ResourceMeter
  target: float
  larger_targets: tuple[float, ...] = ()
  limits: tuple[tuple[ResourceMeter, float], ...] = ()
  slopes: Slopes | None = None

  @property
  def targets(self) -> tuple[float, ...]:
    """All targets, the largest first."""
    return (*sorted(self.larger_targets, reverse=True), self.target)

  def at(self, target: float) -> "Problem":
    """The problem of one target alone, in which `meter` stands for the limits as well.

    A network meets `target` and all limits if and only if that meter gives at most `target`.
    """
    meter: ResourceMeter = self.meter
    if self.limits:
      meter = LimitedMeter(self.meter, target, self.limits)
    return Problem(self.space, self.start, meter, target, slopes=self.slopes)

  def is_met_by(self, spec: NetworkSpec, target: float) -> bool:
    """Whether `spec` meets `target` and all limits."""
    return self.at(target).meter.measure(spec) <= target


class LimitedMeter:
  """A resource and its limits as one number, which is at most the target where all are met.

  It is the resource itself; but where a limit is exceeded by a larger factor than the target is,
  it is the target times that factor. A search that brings it down works at whatever is furthest
  from its goal, and leaves alone what is met already.
  """

  def __init__(
    self,
    meter: ResourceMeter,
    target: float,
    limits: Sequence[tuple[ResourceMeter, float]],
  ) -> None:
    self._meter = meter
    self._target = target
    self._limits = limits
    self.unit = meter.unit
    self.is_exact = all(each.is_exact for each in (meter, *(each for each, _ in limits)))

  def measure(self, spec: NetworkSpec) -> float:
    resource = self._meter.measure(spec)
    for meter, limit in self._limits:
      value = meter.measure(spec)
      if value > limit:
        # Above the target even for the smallest excess: neither operation rounds it away.
        resource = max(resource, self._target * (value / limit))
    return resource


class Optimizer(Protocol):
  """A search algorithm. It never trains, logs, caches or resumes: the driver does.

  A frozen dataclass is one well: its fields made by `nadv2_tf.option.option` are flags, stand in
  the head of the journal and in run.json. Their types must be importable names, not such that only
  a type checker imports. What it needs beyond scores and one number for each network stands in a
  class attribute `needs`, see `nadv2_tf.search.needs`; options of whole blocks, as a small set, are
  in `nadv2_tf.search.choices`.

  Attributes:
    trains_samples: whether it makes sense with a `TrainingEvaluator` alone.

  One that must see the scores of all samples, and not those of the finalists of a `Race` alone,
  says so in a class attribute `races`, which is False.
  """

  trains_samples: ClassVar[bool]

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """Yields specs to score (`Asked`, if it has figures to tell), receives a `Round` for them.

    Returns the chosen one.
    """

  def check(self, problem: Problem) -> None:
    """Raises `UnreachableTarget` if it can be told without a score that no target is reached."""

  def amount(self, problem: Problem) -> tuple[int, int]:
    """About how many (iterations, samples) a search takes, told without a score.

    Raises `UnreachableTarget` as `check` does.
    """

  def choose(self, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
    """What stands for a round in the trajectory: what a descent goes on with, or the best so far.

    The driver asks once a round. `previous` is what stood for the round before.
    """

  def pick(self, bests: Sequence[Candidate]) -> Candidate:
    """What is found for a target above the smallest.

    `bests` are the trajectory's networks that meet it; mostly it is the most accurate of them.
    """


class UnreachableTarget(ValueError):
  """No network of the space, or none on the schedule, meets the target or a limit."""


def check_target(problem: Problem) -> None:
  """Raises an error if the targets or limits are no positive numbers or cannot be met.

  Raises:
    UnreachableTarget: naming the smallest value, if the smallest network is above the smallest
      target or above a limit.
    ValueError: if a target or limit is not a positive number, or a larger target is not larger.
  """
  unit = problem.meter.unit
  if not problem.target > 0:
    raise ValueError(f"The target must be above 0 {unit}, got {problem.target}.")
  for target in problem.larger_targets:
    if not problem.target < target < math.inf:
      raise ValueError(
        f"A larger target must be above the target of {problem.target:g} {unit}, got {target}."
      )
  for meter, limit in problem.limits:
    if not 0 < limit < math.inf:
      raise ValueError(f"A limit must be a number above 0 {meter.unit}, got {limit}.")
  spec = problem.space.smallest()
  for kind, meter, most in (
    ("target", problem.meter, problem.target),
    *(("limit", *limit) for limit in problem.limits),
  ):
    smallest = meter.measure(spec)
    if smallest > most:
      raise UnreachableTarget(
        f"The {kind} of {most:g} {meter.unit} cannot be met: the smallest network of "
        f"{problem.space.network.name!r} has {smallest:g} {meter.unit}."
      )
