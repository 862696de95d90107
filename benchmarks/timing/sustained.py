"""Latency over minutes of continuous use: what a device gives before it is warm, and after.

The program tells nothing of single runs, so the time is cut into parts, each a repeat of its own,
with nothing but the start of a process between them. A phone is not waited for until it is cool:
how warm it becomes is the question.
"""

from __future__ import annotations

import dataclasses
import pathlib
import statistics
import time
from typing import TYPE_CHECKING, Any

from nadv2_tf.benchmarks.timing.errors import NothingMeasured, Unsteady

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.benchmarks.timing.device import Device
  from nadv2_tf.benchmarks.timing.records import Repeat
  from nadv2_tf.options import TimingSettings
  from nadv2_tf.types import AnyPath

#: parts are a multiple of this, so that a tenth is a whole number of them
TENTHS = 10
#: seconds of a part at most
LONGEST_PART = 10.0
#: of every continuous use
NO_REFERENCE = "no reference network beside it, so that other load looks like heat"


@dataclasses.dataclass(frozen=True)
class Sustained:
  """One file's latency over continuous use.

  Attributes:
    seconds: asked for; `taken` is what it took, with the processes' starts.
    first_ms, last_ms: median of the parts in the first and the last tenth.
    parts_ms: of every part, in order.
    statistic: what most parts' values are of their runs, as in `Repeat`.
    doubt: what speaks against some of the parts, "" if nothing does.
    notes: what else is to be told, of all parts each once.
    thermal_status: as a phone says it before the first part and after each; None of a device that
      has none.
    conditions: of every part, as in `Timing`.
  """

  seconds: float
  taken: float
  first_ms: float
  last_ms: float
  parts_ms: tuple[float, ...]
  runs: int
  statistic: str
  doubt: str
  notes: tuple[str, ...]
  thermal_status: tuple[int | None, ...]
  conditions: tuple[dict[str, Any], ...]

  def describe(self) -> str:
    """Both tenths, and how warm the device became, in a line."""
    known = [status for status in self.thermal_status if status is not None]
    heat = (
      f"thermal status {known[0]} at the start, {known[-1]} at the end, {max(known)} at most"
      if known
      else "the device tells no thermal status"
    )
    told = "".join(f"; {words}" for words in (*self.notes, self.doubt) if words)
    return (
      f"over {self.seconds:g} s of continuous use: {self.first_ms:.4g} ms in the first tenth, "
      f"{self.last_ms:.4g} ms in the last ({self.last_ms / self.first_ms - 1:+.1%}), {heat}{told}"
    )


def parts_of(seconds: float) -> int:
  """How many parts the time is cut into."""
  tenths = 1
  while seconds / (tenths * TENTHS) > LONGEST_PART:
    tenths += 1
  return tenths * TENTHS


def sustained(device: Device, path: AnyPath, settings: TimingSettings, seconds: float) -> Sustained:
  """Runs a file for `seconds` without a rest.

  No reference network rides along: a use with another network between its parts is not this one's,
  and a device that became warm slows the reference as well.

  Args:
    device: an entered `Device`; a phone is cool before the first part.
    path: the file.
    settings: `TimingSettings`; threads, mask and delegate are taken from it, and what becomes of a
      use with parts in doubt.
    seconds: in all.

  Raises:
    TimingError: if the file cannot be timed, or parts are in doubt and `on_unsteady` is "fail".
  """
  count = parts_of(seconds)
  part = dataclasses.replace(
    settings,
    runs=1,  # as many as fill the part; how many must be undisturbed does not hang on it
    warmup_runs=1,
    repeats=count,
    seconds=seconds / count,
    warmup_seconds=0.0,
    cooldown=0.0,
    timeout=max(settings.timeout, 3 * seconds / count),
    is_sustained=True,
  )
  start = time.monotonic()
  (repeats,) = device.measure([pathlib.Path(path)], part)
  found = _sustained(repeats, seconds, time.monotonic() - start)
  if found.doubt and settings.on_unsteady == "fail":
    raise Unsteady(
      f"The continuous use of {path} is unsteady: {found.doubt}. Something else keeps "
      f"{device.identity.device} busy: end it, or go on with such a timing: --on_unsteady=mark."
    )
  return found


def _sustained(repeats: Sequence[Repeat], seconds: float, taken: float) -> Sustained:
  if len(repeats) % TENTHS or not repeats:
    raise NothingMeasured(f"The device measured {len(repeats)} parts: run it again.")
  tenth = len(repeats) // TENTHS
  values = [repeat.value_ms for repeat in repeats]
  conditions = tuple(repeat.conditions for repeat in repeats)
  before = conditions[0].get("thermal_status")
  after = [condition.get("thermal_status_after") for condition in conditions]
  return Sustained(
    seconds,
    round(taken, 1),
    statistics.median(values[:tenth]),
    statistics.median(values[-tenth:]),
    tuple(values),
    sum(repeat.runs for repeat in repeats),
    statistics.mode(repeat.statistic for repeat in repeats),
    _doubt(repeats),
    tuple(dict.fromkeys((NO_REFERENCE, *(note for repeat in repeats for note in repeat.notes)))),
    (before, *after),
    conditions,
  )


def _doubt(repeats: Sequence[Repeat]) -> str:
  """Words on the parts whose value is not to be trusted, "" if there are none."""
  doubts = [repeat.doubt for repeat in repeats if repeat.doubt]
  return f"{len(doubts)} of {len(repeats)} parts are in doubt: {doubts[0]}" if doubts else ""
