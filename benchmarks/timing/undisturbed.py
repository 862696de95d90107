"""What the runs of a file tell of its latency on a machine that others use as well.

A run is a pair (wall seconds, CPU seconds of all threads that work on it). LiteRT's threads compute
or spin for as long as a run lasts, so that both differ only where a thread had to wait for a
processor: the run was disturbed. Why the tenth percentile of the others is the latency is told in
docs/decisions/0010.
"""

from __future__ import annotations

import contextlib
import pathlib
import statistics
import time
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence

#: what a latency is called that only undisturbed runs tell
STATISTIC = "undisturbed"
#: (wall seconds, CPU seconds)
Run: TypeAlias = tuple[float, float]

#: a run is disturbed if its threads waited longer than this share of it, and than these seconds
WAITING_SHARE = 0.02
WAITING_SECONDS = 5e-6
#: where among the undisturbed runs the latency is taken: those above had cold caches
QUANTILE = 0.1
#: undisturbed runs whose median lies further above the latency than this share of it were slowed by
#: what takes no processor: memory that others use as well
UNEVEN = 0.06
#: with fewer undisturbed runs nobody can tell, unless fewer were made and none was disturbed
FEWEST = 10
TASKS = pathlib.Path("/proc/self/task")


def is_disturbed(run: Run, threads: int) -> bool:
  """Whether a thread had to wait for a processor while the run lasted."""
  wall, cpu = run
  return threads * wall - cpu > max(WAITING_SHARE * threads * wall, WAITING_SECONDS)


def undisturbed(runs: Sequence[Run], threads: int) -> list[float]:
  """Wall seconds of the runs that nobody disturbed, sorted."""
  return sorted(run[0] for run in runs if not is_disturbed(run, threads))


def quantile(ordered: Sequence[float], share: float) -> float:
  """The value below which `share` of the sorted values lie."""
  return ordered[int(share * len(ordered))]


def missing(runs: Sequence[Run], threads: int, fewest: int = FEWEST) -> int:
  """How many more undisturbed runs are needed to tell a latency, 0 if there are enough.

  How many runs were asked for does not count: where hundreds were made, the one that was asked for
  may be the one that was undisturbed by chance.
  """
  return max(min(fewest, len(runs)) - len(undisturbed(runs, threads)), 0)


def summary(
  runs: Sequence[Run], threads: int, fewest: int = FEWEST
) -> dict[str, float | int | str]:
  """What one repeat says: fields of `records.Repeat`.

  Args:
    runs: of the repeat.
    threads: that the file was run with.
    fewest: undisturbed runs that are enough; all runs must be, if fewer were made.
  """
  walls, quiet = sorted(wall for wall, _ in runs), undisturbed(runs, threads)
  statistic, value, doubt = STATISTIC, 0.0, ""
  if not missing(runs, threads, fewest):
    value = quantile(quiet, QUANTILE)
    over = statistics.median(quiet) / value - 1
    if over > UNEVEN:
      doubt = f"the median of the undisturbed runs lies {over:.0%} above their tenth percentile"
  else:
    statistic, value = _guess(runs, threads)
    doubt = f"only {len(quiet)} of {len(runs)} runs were undisturbed"
  return {
    "value_ms": 1e3 * value,
    "statistic": statistic,
    "median_ms": 1e3 * statistics.median(walls),
    "p95_ms": 1e3 * quantile(walls, 0.95),
    "smallest_ms": 1e3 * walls[0],
    "runs": len(runs),
    "disturbed": 1 - len(quiet) / len(runs),
    "doubt": doubt,
  }


def _guess(runs: Sequence[Run], threads: int) -> tuple[str, float]:
  """(what it is, seconds) where too few runs were undisturbed; it is never told without a mark.

  What one thread worked is about what it would have taken; of several nothing better is known than
  their fastest run.
  """
  if threads == 1:
    return "CPU time", quantile(sorted(min(run) for run in runs), QUANTILE)
  return "smallest", min(wall for wall, _ in runs)


class WorkingThreads:
  """The CPU clocks of the threads that run a file, found by what they do while it warms up.

  The clock of the whole process will not do: Linux brings it up to date for the asking thread
  alone, and for others only at their next tick, milliseconds later.

  Args:
    threads: how many there are at most, this one among them.
  """

  def __init__(self, threads: int) -> None:
    self._threads = threads
    self._before = _cpu_times()

  def found(self) -> Callable[[], float]:
    """Called when the file has warmed up; function () -> CPU seconds of all its threads."""
    if not self._before:  # no Linux
      return time.process_time
    grown = {
      clock: seconds - self._before.get(clock, 0.0) for clock, seconds in _cpu_times().items()
    }
    busiest = sorted(grown, key=lambda clock: grown[clock], reverse=True)
    clocks = busiest[: self._threads]
    return lambda: sum(map(time.clock_gettime, clocks))


def _cpu_times() -> dict[int, float]:
  """{clock: CPU seconds} of every thread of this process; {} where the system does not tell."""
  try:
    threads = [int(path.name) for path in TASKS.iterdir()]
  except OSError:
    return {}
  # MAKE_THREAD_CPUCLOCK of Linux, include/linux/posix-timers_types.h.
  times = {}
  for clock in ((~thread << 3) | 6 for thread in threads):
    with contextlib.suppress(OSError):  # a thread that has ended meanwhile
      times[clock] = time.clock_gettime(clock)
  return times
