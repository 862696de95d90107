"""What `benchmark_model` prints of its runs, in the many forms of its builds."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING

from nadv2_tf.benchmarks.timing.errors import NothingMeasured

if TYPE_CHECKING:
  from collections.abc import Iterable, Sequence

  from nadv2_tf.benchmarks.timing.placement import Placement

#: as much of a line goes into an error
LINE_CHARACTERS = 160
#: the tool prints six digits
PRECISION = 1e-5

_STAGE = re.compile(r"Running benchmark for (?:at least )?([0-9]{1,12}) iterations")
# The profiler's lines, "Timings (microseconds): count=20 ...", belong to no stage.
_COUNT = re.compile(r"(?!.*\((?:microseconds|bytes)\))(?:.*[:\]]\s+|\s*)(count=.*)")
_FIELD = re.compile(r"(\w+)=([^\s(]+)")
# "Inference timings in us: ..., Inference (avg): 375.233"; in 2019 "Average inference timings in
# us: ..., Inference: 375.233", in 2018 "..., no stats: 375".
_SUMMARY = re.compile(r"nference timings in us:.*(?:Inference(?: \(avg\))?|no stats): *([^\s,]+)")
# LiteRT: "Inference (avg):      85.23 ms (50 runs)".
_LITERT_SUMMARY = re.compile(r"Inference \(avg\): +(\S+) ms \((\S+) runs?\)")
_LITERT_MIN = re.compile(r"Inference \(min\): +(\S+) ms")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
#: a median this many times the smallest run is a sign of load: with nothing beside it was 1.1 times
#: (tests/benchmarks/recorded/ok), on a loaded machine 1.7 to 2.2 times
LOADED = 1.25
#: the same for a mean, where no median is printed. One long run raises it: with nothing beside it
#: was up to 1.18 times the smallest run (tests/benchmarks/recorded/ok, where one run of 2629 took
#: 65 times as long); on the loaded machine even the medians lay above this
LOADED_MEAN = 1.4
#: largest rounding of the summaries, in microseconds; 2018 cut them, LiteRT prints 0.01 ms
_SUMMARY_ROUNDING = 1.0
LITERT_ROUNDING = 5.0
ONLY_SUMMARY = "the build prints only 0.01 ms exactly"


@dataclasses.dataclass(frozen=True)
class Reading:
  """What `benchmark_model` measured; None where its build does not print it.

  `min_ms` may be up to `min_rounding_ms` more than it says.
  """

  median_ms: float | None
  mean_ms: float
  p95_ms: float | None
  runs: int
  notes: tuple[str, ...] = ()
  min_ms: float | None = None
  memory_kb: int | None = None
  placement: Placement | None = None
  min_rounding_ms: float = 0.0

  @property
  def statistic(self) -> str:
    return "mean" if self.median_ms is None else "median"

  @property
  def value_ms(self) -> float:
    return self.mean_ms if self.median_ms is None else self.median_ms

  @property
  def doubt(self) -> str:
    """Why the value is not to be trusted, else "": something ran beside it."""
    if not self.min_ms:  # not printed, or shorter than the clock's tick
      return ""
    smallest = self.min_ms + self.min_rounding_ms
    if self.value_ms <= (LOADED_MEAN if self.median_ms is None else LOADED) * smallest:
      return ""
    return f"its {self.statistic} lies {self.value_ms / smallest - 1:.0%} above its smallest run"


def printed_reading(lines: Sequence[str]) -> Reading:
  """The `Reading` of the counted stage, checked against the summary."""
  stages = _stages(lines)
  if stages and len(stages) != 2:
    raise NothingMeasured(
      f"benchmark_model tells of {len(stages)} stage(s) of runs instead of a warm-up and a counted "
      "one, so it was cut off or is another tool: time the file again."
    )
  summaries = [found for found in map(_SUMMARY.search, lines) if found]
  litert_summaries = [found for found in map(_LITERT_SUMMARY.search, lines) if found]
  if not summaries and not litert_summaries:
    raise NothingMeasured(
      "The output of benchmark_model breaks off before its summary: time the file again."
    )
  if not stages:
    return _from_litert_summary(litert_summaries, _LITERT_MIN.findall("\n".join(lines)))
  asked, counts = stages[1]
  if len(counts) != 1:
    raise NothingMeasured(
      f"benchmark_model tells {len(counts)} results of its counted runs instead of one: time the "
      "file again."
    )
  reading = _from_count_line(counts[0], asked)
  for found in summaries:
    check_agreement(reading, _microseconds(found[1], "average", 0.0), _SUMMARY_ROUNDING)
  for found in litert_summaries:
    mean_us = _microseconds(found[1], "average", 0.0) * 1000
    check_agreement(reading, mean_us, LITERT_ROUNDING, _runs(found[2]))
  return reading


def _stages(lines: Iterable[str]) -> list[tuple[int, list[str]]]:
  """[(runs asked for, its lines of statistics)] of the stages that the tool announced."""
  stages: list[tuple[int, list[str]]] = []
  for line in lines:
    stage = _STAGE.search(line)
    count = _COUNT.match(line) if "count=" in line else None
    if stage:
      stages.append((int(stage[1]), []))
    elif count and stages:
      stages[-1][1].append(count[1])
  return stages


def _from_count_line(line: str, asked: int) -> Reading:
  """The `Reading` of a line of statistics."""
  fields = dict(_FIELD.findall(line))
  runs = _runs(fields.get("count", ""))
  # Where all runs took equally long, a build prints only that: "count=20 curr=505(all same)".
  same = "avg" not in fields
  if same and ("curr" not in fields or {"first", "min", "max", "std"} & set(fields)):
    raise NothingMeasured(
      f"The line {_short(line)} of benchmark_model is cut off: time the file again."
    )
  mean = _microseconds(fields["curr" if same else "avg"], "average")
  median, p95 = (
    _microseconds(fields[name], name) if name in fields else None for name in ("median", "p95")
  )
  # A run may be too short for the clock, the typical one may not.
  least = mean if same else _microseconds(fields.get("min", ""), "min", 0.0)
  most = mean if same else _microseconds(fields.get("max", ""), "max")
  rounding = PRECISION * most
  ordered = [value for value in (median, p95) if value is not None]
  if ordered != sorted(ordered) or any(
    not least - rounding <= value <= most + rounding for value in (mean, *ordered)
  ):
    raise NothingMeasured(
      f"The numbers in the line {_short(line)} of benchmark_model contradict each other: time "
      "the file again."
    )
  notes = []
  if runs < asked:
    notes.append(f"only {runs} of {asked} runs, because the tool's own time was up")
  return Reading(
    median_ms=None if median is None else median / 1000,
    mean_ms=mean / 1000,
    p95_ms=None if p95 is None else p95 / 1000,
    runs=runs,
    notes=tuple(notes),
    min_ms=least / 1000,
  )


def _from_litert_summary(found: Sequence[re.Match[str]], smallest: Sequence[str]) -> Reading:
  """The `Reading` of LiteRT's summary, where no line of statistics was printed.

  Args:
    found: averages and runs.
    smallest: runs, as printed.
  """
  if len(found) != 1:
    raise NothingMeasured(
      f"benchmark_model tells how many runs it counted {len(found)} times instead of once: give "
      "another one with --benchmark_binary=FILE."
    )
  runs = _runs(found[0][2])
  mean_us = _microseconds(found[0][1], "average") * 1000
  if len(smallest) != 1:  # a build that prints none
    return Reading(None, mean_us / 1000, None, runs, (ONLY_SUMMARY,))
  least_us = _microseconds(smallest[0], "smallest", 0.0) * 1000
  if least_us > mean_us:
    raise NothingMeasured(
      f"The summary of benchmark_model has a smallest run ({least_us:g} us) above the average "
      f"({mean_us:g} us): time the file again."
    )
  return Reading(
    median_ms=None,
    mean_ms=mean_us / 1000,
    p95_ms=None,
    runs=runs,
    notes=(ONLY_SUMMARY,),
    min_ms=least_us / 1000,
    min_rounding_ms=LITERT_ROUNDING / 1000,
  )


def _runs(text: str) -> int:
  if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) < 1:
    raise NothingMeasured(f"benchmark_model counted {_short(text)} runs: ask for one run at least.")
  return int(text)


def _microseconds(text: str, name: str, least: float | None = None) -> float:
  """`text` as a number above 0, or of at least `least`."""
  value = float(text) if _NUMBER.fullmatch(text) else math.nan
  if not math.isfinite(value) or (value <= 0 if least is None else value < least):
    raise NothingMeasured(
      f"benchmark_model prints {_short(text)} as the {name} of its runs, which is no time: time "
      "the file again."
    )
  return value


def check_agreement(
  reading: Reading, mean_us: float, rounding: float, runs: int | None = None
) -> None:
  """Refuses a summary that tells another average or count than the line of statistics."""
  stated = reading.mean_ms * 1000
  # A little more than the rounding, for that of the six digits and of our own division.
  allowed = rounding * 1.01 + PRECISION * stated
  if abs(mean_us - stated) > allowed or runs not in (None, reading.runs):
    raise NothingMeasured(
      f"The summary of benchmark_model ({mean_us:g} us) contradicts its line of statistics "
      f"({stated:g} us, {reading.runs} runs), so one of them was not read right: time the file "
      "again."
    )


def _short(text: str) -> str:
  return repr(text[:LINE_CHARACTERS])
