"""Searches again while what was found lies above its target as measured, or far below it.

A table predicts the latency of a network within some per cent, and a search ends at the target by
that prediction. Each further round searches for the target divided by the scale that the table
is off near what was found: for less where that lay above the target, for more where it lay below.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from nadv2_tf.search import Found, UnreachableTarget

if TYPE_CHECKING:
  from collections.abc import Callable, Iterable, Mapping

  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.search import Problem, SearchResult

#: a network meets its target up to this share above it; timings of one file differ by as much
SLACK = 0.01
#: a network that leaves more than this share of its target unused is searched on upwards
UNUSED = 0.05


@dataclasses.dataclass(frozen=True)
class Attempt:
  """What one round found for one target.

  Attributes:
    number: of the round, from 1.
    goal: the target that was searched for, by the meter's word.
    found: a `Found`.
    measured: its resource on the device itself, None if that was not asked.
    share, largest: where the target is a share of the largest network's resource, that share, and
      what the largest network took in the same session; else None.
    scale: measured over predicted resource of networks near it; None: of it alone.
    doubt: what speaks against the measurement, "" if nothing does.
  """

  number: int
  goal: float
  found: Found
  measured: float | None = None
  share: float | None = None
  largest: float | None = None
  scale: float | None = None
  doubt: str = ""

  def asked_for(self, target: float) -> float:
    """`target` as of the session in which the network was measured."""
    if self.share is None or self.largest is None:
      return target
    return self.share * self.largest

  def over(self, target: float) -> float:
    """The share that the network lies above `target` as measured, negative if below; 0: unasked."""
    return 0.0 if self.measured is None else self.measured / self.asked_for(target) - 1

  def is_above(self, target: float) -> bool:
    """Whether the network misses `target` as measured."""
    return self.over(target) > SLACK

  def is_below(self, target: float) -> bool:
    """Whether it leaves much of `target` unused."""
    return self.over(target) < -UNUSED

  def next_goal(self, target: float) -> float | None:
    """What to search for so that `target` is met as measured; None if that is no other goal."""
    if self.measured is None:
      return None
    goal = self.asked_for(target) / (self.scale or self.measured / self.found.resource)
    if self.is_above(target):
      return min(goal, self.goal * (1 - SLACK))
    return goal if self.is_below(target) and goal > self.goal * (1 + SLACK) else None


def search_in_rounds(
  problem: Problem,
  find: Callable[[int, Problem], SearchResult],
  measure: Callable[[SearchResult, dict[float, Attempt]], Mapping[float, Attempt]] | None,
  tighten: int,
  progress: Progress,
  first_goals: Mapping[float, float] | None = None,
) -> dict[float, Attempt]:
  """Searches until every target is met as measured, or `tighten` further rounds are over.

  A further round is for the targets that are still missed or far from used, and for them alone.

  Args:
    problem: the `Problem` as asked for.
    find: function (number of the round, problem) -> `SearchResult`.
    measure: function (SearchResult, {target: `Attempt`}) -> the same, measured; None if nothing is.
    tighten: further rounds, at most.
    progress: a `Progress`.
    first_goals: {target: what the first round searches for}; None: the targets.

  Returns:
    {target: the `Attempt` that is kept}: the most accurate of those that meet the target as
    measured and use it; of those that meet it, if none does; or the fastest.
  """
  attempts: dict[float, list[Attempt]]
  goals, attempts = {target: target for target in problem.targets} | dict(first_goals or {}), {}
  for number in range(1, tighten + 2):
    try:
      result = find(number, _with_targets(problem, goals.values()))
    except UnreachableTarget as error:
      if number == 1:
        raise
      progress.line(f"  nothing further can be searched for: {error}")
      break
    found = {found.target: found for found in result.found}
    new = {target: Attempt(number, goal, found[goal]) for target, goal in goals.items()}
    for target, attempt in (measure(result, new) if measure else new).items():
      attempts.setdefault(target, []).append(attempt)
    goals = _next_goals(problem, attempts, goals, progress) if number <= tighten else {}
    if not goals:
      break
    progress.line(f"  searching on, round {number + 1} of at most {tighten + 1}")
  unit = problem.meter.unit
  return {target: _kept(attempts[target], target, unit, progress) for target in problem.targets}


def _with_targets(problem: Problem, targets: Iterable[float]) -> Problem:
  smallest, *larger = sorted(set(targets))
  return dataclasses.replace(problem, target=smallest, larger_targets=tuple(larger))


def _next_goals(problem, attempts, goals, progress):
  """{target: what to search for next} of the targets of this round that were not landed on."""
  unit, following = problem.meter.unit, {}
  smallest = problem.meter.measure(problem.space.smallest())
  for target in goals:
    last = attempts[target][-1]
    missed = (
      f"  target {last.asked_for(target):.4g} {unit}: the found network takes "
      f"{last.measured or 0.0:.4g}, {_how_far(last, target)}"
    )
    goal = last.next_goal(target)
    if goal is None:
      if last.is_below(target):
        progress.line(f"{missed}; the search's steps leave nothing nearer to it")
    elif last.found.spec.blocks == problem.space.largest().blocks and last.is_below(target):
      progress.line(f"{missed}; it is the largest network")
    elif goal < smallest:
      progress.line(f"{missed}; even the smallest network is predicted above {goal:.4g}")
    else:
      progress.line(f"{missed}; the next goal is {goal:.4g}")
      following[target] = goal
  return following


def _how_far(attempt: Attempt, target: float) -> str:
  over = attempt.over(target)
  return f"{abs(over):.1%} {'above' if over > 0 else 'below'}"


def _kept(attempts, target, unit, progress):
  """See `search_in_rounds`."""
  met = [attempt for attempt in attempts if not attempt.is_above(target)]
  if met:
    used = [attempt for attempt in met if not attempt.is_below(target)]
    kept = max(used or met, key=_accuracy)
    if len(attempts) > 1:
      progress.line(
        f"  target {kept.asked_for(target):.4g} {unit}: met in round {kept.number}, measured "
        f"{kept.measured:.4g}"
      )
    return kept
  kept = min(attempts, key=lambda attempt: attempt.over(target))
  progress.line(
    f"  target {kept.asked_for(target):.4g} {unit}: NOT met as measured; kept the fastest network "
    f"of {len(attempts)} round(s), {kept.measured:.4g} {unit}, {_how_far(kept, target)}"
  )
  return kept


def _accuracy(attempt: Attempt) -> float:
  """Of the network in the search; the start, which meets its target unscored, is the best."""
  return math.inf if attempt.found.accuracy is None else attempt.found.accuracy
