"""Times several things in turns: what slows the machine for a while slows all of them."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Callable, Collection, Iterable, Mapping


def round_medians(
  calls: Mapping[str, Callable[[int], object]], rounds: int, steps: int, once: Collection[str] = ()
) -> dict[str, list[float]]:
  """{title: median seconds of a call, one for each round}.

  Args:
    calls: {title: function(index)}; in each round all are called in turns, `steps` times each. Of
      one title the indices never come twice.
    once: titles of those that take so long that one call a round is enough.
  """
  medians: dict[str, list[float]] = {title: [] for title in calls}
  for number in range(rounds):
    times: dict[str, list[float]] = {title: [] for title in calls}
    for index in range(steps):
      for title, call in calls.items():
        if index and title in once:
          continue
        start = time.perf_counter()
        call(number * steps + index)
        times[title].append(time.perf_counter() - start)
    for title, seconds in times.items():
      medians[title].append(statistics.median(seconds))
  return medians


def ratio_text(seconds: Iterable[float], others: Iterable[float]) -> str:
  """Median of the rounds' ratios with their range, such as "1.02 (0.98 to 1.05)"."""
  ratios = [one / other for one, other in zip(seconds, others, strict=True)]
  return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
