"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Protocol

from tqdm import tqdm

if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import TextIO

#: seconds between plain lines
LINE_EVERY = 10.0


class Countdown(Protocol):
  """Knows how long a run will take, and is told how long its stages took."""

  def stage(self, name: str, clock: Callable[[], float]) -> contextlib.AbstractContextManager[None]:
    """The block is a stage; `clock` gives seconds."""

  def after_this(self) -> float:
    """Seconds of all stages after the one that runs."""


class Progress:
  """Prints to `stream`; bars with rate and time left if it is a terminal."""

  def __init__(self, stream: TextIO | None = None) -> None:
    self._stream = stream or sys.stdout
    self._is_terminal = self._stream.isatty()
    self._countdown: Countdown | None = None

  def counts_down(self, countdown: Countdown) -> None:
    """From now on bars also say how long the run will take."""
    self._countdown = countdown

  def to_the_end(self, left: float) -> str:
    """Words for the end of the run, `left` seconds before the end of a bar; "" without a plan."""
    if self._countdown is None:
      return ""
    return f"{_rounded(left + self._countdown.after_this())} to the end of the run"

  def line(self, text: str) -> None:
    if self._is_terminal:
      tqdm.write(text, file=self._stream)
    else:
      print(text, file=self._stream, flush=True)

  def bar(self, title: str, total: int, unit: str) -> _Bar:
    """A context manager; call it with (done, note)."""
    return _Bar(self, self._stream, self._is_terminal, title, total, unit)


def _rounded(seconds: float) -> str:
  """As exact as a plan is: 40 s, 3 min, 2.5 h."""
  if seconds < 90:
    return f"{seconds:.0f} s"
  return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class _Bar:
  def __init__(
    self,
    progress: Progress,
    stream: TextIO,
    is_terminal: bool,
    title: str,
    total: int,
    unit: str,
  ) -> None:
    self._progress = progress
    self._title, self._total, self._unit = title, total, unit
    self._start = self._last = time.monotonic()
    self._bar = (
      tqdm(total=total, desc=title, unit=unit, file=stream, leave=False) if is_terminal else None
    )

  def __enter__(self) -> _Bar:
    return self

  def __exit__(self, *unused: object) -> None:
    if self._bar:
      self._bar.close()

  def of_total(self, done: int, total: int) -> None:
    """For work that learns on the way how much it is."""
    self._total = total
    if self._bar:
      self._bar.total = total
    self(done)

  def __call__(self, done: int, note: str = "") -> None:
    now = time.monotonic()
    elapsed = max(now - self._start, 1e-9)
    left = elapsed / max(done, 1) * (self._total - done)
    end = self._progress.to_the_end(left)
    if self._bar:
      self._bar.set_postfix_str(", ".join(filter(None, (note, end))), refresh=False)
      self._bar.update(done - self._bar.n)
      return
    if now - self._last < LINE_EVERY and done < self._total:
      return
    self._last = now
    parts = (f"{left:.0f} s left", end, note)
    self._progress.line(
      f"  {self._title}: {done}/{self._total} {self._unit}, {done / elapsed:.1f}/s, "
      f"{', '.join(filter(None, parts))}"
    )
