"""Coordinate descent: what MCD, SCD and NetAdaptV1 have in common.

Every iteration shrinks a few layers of the best network so far until a goal is met; the best of
the shrunk networks starts the next iteration. The three differ in which layers they shrink.

Source: NetAdaptV2, section 2.4.
"""

import dataclasses
import math
import random
from collections.abc import Callable, Generator, Sequence
from typing import TypeAlias

from nadv2_tf.option import option
from nadv2_tf.search.problem import Candidate, Problem, Round, UnreachableTarget, most_accurate
from nadv2_tf.spec import NetworkSpec, SearchSpace

#: columns of `space.decisions` that shrink together; see `layers_of`
Layer: TypeAlias = tuple[int, ...]
#: function (one-target problem, network, goal) -> networks shrunk down to the goal
Propose: TypeAlias = Callable[[Problem, NetworkSpec, float], Sequence[NetworkSpec]]

#: how often the reduction is halved when no sample reaches an iteration's goal
HALVINGS = 10
ACCURACY, RATIO = "accuracy", "ratio"


def initial_reduction() -> float:
  return option(0.05, "Share of the resource that the first iteration takes off.")


def reduction_decay() -> float:
  return option(0.98, "Factor on the reduction from one iteration to the next.")


def choose_by() -> str:
  return option(
    RATIO,
    "What an iteration goes on with: the sample that is most accurate, or the one with the least "
    "ratio of accuracy lost to resource saved. Samples end below an iteration's goal by different "
    "amounts, and only the ratio sees that.",
    choices=(ACCURACY, RATIO),
  )


@dataclasses.dataclass(frozen=True)
class Schedule:
  """How much each iteration takes off.

  Attributes:
    initial_reduction: of the first iteration, as a share of the start's resource.
    reduction_decay: factor from one iteration to the next.
  """

  initial_reduction: float
  reduction_decay: float

  def __post_init__(self) -> None:
    if not 0 < self.initial_reduction < 1:
      raise ValueError(
        f"--initial_reduction must lie between 0 and 1, got {self.initial_reduction}."
      )
    if not 0 < self.reduction_decay <= 1:
      raise ValueError(
        f"--reduction_decay must be above 0 and at most 1, got {self.reduction_decay}."
      )

  def reduction(self, iteration: int, start: float) -> float:
    """What iteration 0, 1, ... takes off, in the unit of `start`, the start's resource."""
    reduction = self.initial_reduction * start
    for _ in range(iteration):
      reduction *= self.reduction_decay
    return reduction

  def check(self, problem: Problem) -> None:
    """Raises `UnreachableTarget` if all reductions together end above the smallest target."""
    if self.reduction_decay == 1:
      return
    stage = problem.at(problem.target)
    start = stage.meter.measure(problem.start)
    share = self.initial_reduction / (1 - self.reduction_decay)
    if start * (1 - share) > stage.target:
      raise UnreachableTarget(
        f"With --initial_reduction={self.initial_reduction:g} and --reduction_decay="
        f"{self.reduction_decay:g} all iterations together take off {share:.0%} of the initial "
        f"{start:g} {stage.meter.unit}, which ends above the target of {stage.target:g} "
        f"{stage.meter.unit}: raise one of them."
      )

  def iterations(self, problem: Problem) -> int:
    """How many iterations take off enough for the smallest target.

    A search may take a few more or less, because samples land below the goals or, at the limits
    of what their layers can shrink, do not reach them.

    Raises:
      UnreachableTarget: see `check`.
    """
    self.check(problem)
    stage = problem.at(problem.target)
    start = resource = stage.meter.measure(problem.start)
    number = 0
    # The reductions of a schedule that ends at the very target get lost in rounding before it.
    while resource > stage.target and resource - self.reduction(number, start) < resource:
      resource -= self.reduction(number, start)
      number += 1
    return number


def choose(by: str, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
  """The candidate that the next iteration starts from.

  Args:
    by: "accuracy" picks the most accurate one, ties to the smaller resource; "ratio" the least
      accuracy lost per resource saved since `previous` (NetAdaptV1's rule); whatever loses none
      comes before that, the largest product of gain and saving first.
    scored: candidates.
    previous: what they were shrunk from; None falls back on accuracy.
  """
  if by == ACCURACY or previous is None:
    return most_accurate(scored)
  before = previous

  def lost_per_saved(candidate: Candidate) -> tuple[float, float]:
    lost = before.accuracy - candidate.accuracy
    saved = before.resource - candidate.resource
    # Under a further limit a sample may save of that alone; it comes last.
    if saved <= 0:
      return float("inf"), candidate.resource
    # Where accuracy is gained a quotient would favour what saves little: of two candidates the
    # one that gains more and saves more must come first there too.
    return (lost / saved if lost > 0 else lost * saved), candidate.resource

  return min(scored, key=lost_per_saved)


def descend(
  problem: Problem, schedule: Schedule, by: str, propose: Propose
) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
  """The generator of `Optimizer.search`, from the start past every target, the largest first.

  The goal of an iteration stops at the next target, because what lies below it is accuracy given
  away. An iteration that is cut short by a larger target does not count in the schedule: the next
  one takes as much as this one would have.

  Args:
    problem: a `Problem`.
    schedule: a `Schedule`.
    by: see `choose`; with "ratio" the start is scored first.
    propose: see `Propose`.
  """
  schedule.check(problem)
  best, counted, is_first = problem.start, 0, True
  for target in problem.targets:
    stage = problem.at(target)
    start, resource = (stage.meter.measure(spec) for spec in (problem.start, best))
    while resource > target:
      if by == RATIO and is_first:
        yield (best,)  # what is lost is counted from here
      is_first = False
      reduction = schedule.reduction(counted, start)
      counted += resource - reduction >= target
      scored = yield _samples(stage, best, resource, reduction, propose)
      best = scored.best.spec
      resource = stage.meter.measure(best)
  return best


def _samples(
  stage: Problem, best: NetworkSpec, resource: float, reduction: float, propose: Propose
) -> tuple[NetworkSpec, ...]:
  """What `propose` makes of the goal, or of the first halved one that anything reaches."""
  for _ in range(HALVINGS + 1):
    samples = propose(stage, best, max(resource - reduction, stage.target))
    if samples:
      return tuple(samples)
    reduction /= 2
  smallest = stage.meter.measure(stage.space.smallest())
  raise UnreachableTarget(
    f"No sample gets below {resource:g} {stage.meter.unit} by the layers that it may shrink; the "
    f"smallest network of the space has {smallest:g}."
  )


def layers_of(space: SearchSpace) -> list[Layer]:
  """Columns of `space.decisions` by layer: a width, and the kernel size that belongs to it.

  A kernel size is its depthwise layer's; where that layer's width is not searched, it is a layer
  of its own.
  """
  kernels = {
    decision.blocks[0]: column
    for column, decision in enumerate(space.decisions)
    if decision.kind == "kernel"
  }
  layers: list[Layer] = []
  for column, decision in enumerate(space.decisions):
    if decision.kind == "width":
      kernel = kernels.pop(decision.blocks[0], None) if decision.field == "depthwise" else None
      layers.append((column,) if kernel is None else (column, kernel))
  return layers + [(column,) for column in kernels.values()]


def shrinkable(space: SearchSpace, spec: NetworkSpec, layers: Sequence[Layer]) -> list[Layer]:
  """Those of `layers` that have a grid step left in `spec`."""
  return [layer for layer in layers if _steps(space, spec, layer)]


def shrunk(
  problem: Problem,
  spec: NetworkSpec,
  layers: Sequence[Layer],
  goal: float,
  rng: random.Random,
) -> NetworkSpec | None:
  """`spec` with `layers` shrunk by random grid steps down to `goal`, or None if they end first.

  The layers take turns in a random order, a step each, so that none takes a second one before all
  others had theirs: drawn with repetition, few of them would change at all before the goal is met.

  Steps that the goal turns out not to need are taken back: they gave accuracy away, and those that
  raise a latency (a bypass costs a copy) brought nothing for it. A meter that is not exact would
  have to measure for that, and is spared.
  """
  space, measure = problem.space, problem.meter.measure
  start, left = spec, list(layers)
  turns: list[Layer] = []
  while left:
    turns = turns or rng.sample(left, len(left))
    layer = turns.pop()
    steps = _steps(space, spec, layer)
    if not steps:
      left.remove(layer)
      continue
    spec = rng.choice(steps)
    if measure(spec) <= goal:
      if not problem.meter.is_exact:
        return spec
      return _without_needless_steps(problem, spec, start, layers, goal, rng)
  return None


def _without_needless_steps(
  problem: Problem,
  spec: NetworkSpec,
  start: NetworkSpec,
  layers: Sequence[Layer],
  goal: float,
  rng: random.Random,
) -> NetworkSpec:
  """`spec`, at most `goal`, with random grid steps of `layers` back towards `start` while it is."""
  measure = problem.meter.measure
  columns = [column for layer in layers for column in layer]
  resource, left = measure(spec), list(columns)
  while left:
    column = rng.choice(left)
    larger = problem.space.grow(spec, column, start)
    needed = measure(larger) if larger is not None else math.inf
    if larger is None or needed > goal:
      left.remove(column)
      continue
    if needed < resource:
      left = list(columns)  # there is room now for what was too much before
    spec, resource = larger, needed
  return spec


def _steps(space: SearchSpace, spec: NetworkSpec, layer: Layer) -> list[NetworkSpec]:
  """`spec` after each single grid step that `layer` still has."""
  smaller = (space.shrink(spec, column) for column in layer)
  return [step for step in smaller if step is not None]
