"""Searches again, for less, while what was found misses its target as measured on the device.

A table predicts the latency of a network within some per cent, and a search ends at the target by
that prediction. Each further round searches for the target divided by how far the measured value
lay above it.
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


@dataclasses.dataclass(frozen=True)
class Attempt:
  """What one round found for one target.

  Attributes:
    number: of the round, from 1.
    goal: the target that was searched for, by the meter's word.
    found: a `Found`.
    measured: its resource on the device itself, None if that was not asked.
  """

  number: int
  goal: float
  found: Found
  measured: float | None = None

  def is_above(self, target: float) -> bool:
    """Whether the network misses `target` as measured."""
    return self.measured is not None and self.measured > target * (1 + SLACK)


def search_in_rounds(
  problem: Problem,
  find: Callable[[int, Problem], SearchResult],
  measure: Callable[[SearchResult, dict[float, Attempt]], Mapping[float, float]] | None,
  tighten: int,
  progress: Progress,
) -> dict[float, Attempt]:
  """Searches until every target is met as measured, or `tighten` further rounds are over.

  A further round is for the targets that are still missed, and for them alone.

  Args:
    problem: the `Problem` as asked for.
    find: function (number of the round, problem) -> `SearchResult`.
    measure: function (SearchResult, {target: `Attempt`}) -> {target: resource as measured}; None
      if nothing is measured.
    tighten: further rounds, at most.
    progress: a `Progress`.

  Returns:
    {target: the `Attempt` that is kept}: the most accurate that meets the target as measured, or
    the fastest if none does.
  """
  attempts: dict[float, list[Attempt]]
  goals, attempts = {target: target for target in problem.targets}, {}
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
    measured: Mapping[float, float | None]
    measured = measure(result, new) if measure else dict.fromkeys(new)
    for target, attempt in new.items():
      attempt = dataclasses.replace(attempt, measured=measured[target])
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
  """{target: what to search for next} of the targets of this round that were missed."""
  unit, lower = problem.meter.unit, {}
  smallest = problem.meter.measure(problem.space.smallest())
  for target, goal in goals.items():
    last = attempts[target][-1]
    if not last.is_above(target):
      continue
    goal *= target / last.measured
    missed = (
      f"  target {target:.4g} {unit}: the found network takes {last.measured:.4g}, "
      f"{last.measured / target - 1:.1%} above"
    )
    if goal < smallest:
      progress.line(f"{missed}; even the smallest network is predicted above {goal:.4g}")
    else:
      progress.line(f"{missed}; the next goal is {goal:.4g}")
      lower[target] = goal
  return lower


def _kept(attempts, target, unit, progress):
  """See `search_in_rounds`."""
  met = [attempt for attempt in attempts if not attempt.is_above(target)]
  if met:
    kept = max(met, key=_accuracy)
    if len(attempts) > 1:
      progress.line(
        f"  target {target:.4g} {unit}: met in round {kept.number}, measured {kept.measured:.4g}"
      )
    return kept
  kept = min(attempts, key=lambda attempt: attempt.measured)
  progress.line(
    f"  target {target:.4g} {unit}: NOT met as measured; kept the fastest network of "
    f"{len(attempts)} round(s), {kept.measured:.4g} {unit}, {kept.measured / target - 1:.1%} above"
  )
  return kept


def _accuracy(attempt: Attempt) -> float:
  """Of the network in the search; the start, which meets its target unscored, is the best."""
  return math.inf if attempt.found.accuracy is None else attempt.found.accuracy
