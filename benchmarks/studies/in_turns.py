"""Times several things in turns: what slows the machine for a while slows all of them."""

import statistics
import time


def round_medians(calls, rounds, steps, once=()):
  """{title: median seconds of a call, one for each round}.

  Args:
    calls: {title: function(index)}; in each round all are called in turns, `steps` times each. Of
      one title the indices never come twice.
    once: titles of those that take so long that one call a round is enough.
  """
  medians = {title: [] for title in calls}
  for number in range(rounds):
    times = {title: [] for title in calls}
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


def ratio_text(seconds, others):
  """Median of the rounds' ratios with their range, such as "1.02 (0.98 to 1.05)"."""
  ratios = [one / other for one, other in zip(seconds, others, strict=True)]
  return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
