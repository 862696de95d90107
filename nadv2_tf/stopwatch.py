"""Where a command's time goes: seconds and CPU seconds by stage, and by what they were spent on.

Whoever wants to know makes a `Stopwatch` the current one; the code in between says what it does by
`stage` and `part`, which cost nothing where no stopwatch runs. Times never overlap: what is inside
belongs to the innermost, so that all of them add up to the whole.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Iterator
  from typing import TypeAlias

  #: {stage: {part or "rest": [seconds, CPU seconds]}}
  Stages: TypeAlias = dict[str, dict[str, list[float]]]

#: what seconds are spent on, beside the rest of a stage: Python building graphs and their first
#: run; training and scoring; making TFLite files; timing them
PARTS = ("tracing", "steps", "files", "timing")
REST = "rest"
#: before the first stage, and between two
BETWEEN = "between"

_current: contextvars.ContextVar[Stopwatch | None] = contextvars.ContextVar(
  "stopwatch", default=None
)


class Stopwatch:
  """Adds up what passes while it is the current one.

  CPU seconds are those of all threads of this process and of child processes that have ended.

  Attributes:
    stages: {stage: {part or "rest": [seconds, CPU seconds]}}, in the order of their beginning.
  """

  def __init__(self) -> None:
    self.stages: Stages = {}
    self._labels = [(BETWEEN, REST)]
    self._last = _now()

  @contextlib.contextmanager
  def current(self) -> Iterator[Stopwatch]:
    """While the block runs, `stage` and `part` count here."""
    token = _current.set(self)
    self._last = _now()
    try:
      yield self
    finally:
      self.read()
      _current.reset(token)

  def read(self) -> Stages:
    """Counts what passed up to now; returns `stages`."""
    now = _now()
    stage, part = self._labels[-1]
    counted = self.stages.setdefault(stage, {}).setdefault(part, [0.0, 0.0])
    for index, (end, start) in enumerate(zip(now, self._last, strict=True)):
      counted[index] += end - start
    self._last = now
    return self.stages

  @contextlib.contextmanager
  def label(self, stage: str | None = None, part: str = REST) -> Iterator[None]:
    """What passes inside is counted under these words."""
    self.read()
    self._labels.append((stage or self._labels[-1][0], part))
    try:
      yield
    finally:
      self.read()
      self._labels.pop()


def running() -> contextlib.AbstractContextManager[Stopwatch]:
  """A context manager that gives the current `Stopwatch`, or makes one for the block."""
  watch = _current.get()
  return contextlib.nullcontext(watch) if watch else Stopwatch().current()


def stage(name: str) -> contextlib.AbstractContextManager[None]:
  """A context manager: the block is the stage `name` of a run."""
  watch = _current.get()
  return watch.label(stage=name) if watch else contextlib.nullcontext()


def part(name: str) -> contextlib.AbstractContextManager[None]:
  """A context manager: the block is spent on `name`, one of `PARTS`, whatever the stage is."""
  watch = _current.get()
  return watch.label(part=name) if watch else contextlib.nullcontext()


def _now() -> tuple[float, float]:
  times = os.times()
  cpu = times.user + times.system + times.children_user + times.children_system
  return time.monotonic(), cpu


def added(before: Stages, stages: Stages) -> Stages:
  """{stage: {part: [seconds, CPU seconds]}}: the sum of two such."""
  total = {
    stage: {part: list(both) for part, both in parts.items()} for stage, parts in before.items()
  }
  for name, parts in stages.items():
    stage = total.setdefault(name, {})
    for one, both in parts.items():
      counted = stage.setdefault(one, [0.0, 0.0])
      for index, value in enumerate(both):
        counted[index] += value
  return total


def rows(stages: Stages) -> list[tuple[str, list[float]]]:
  """[(stage, [seconds, CPU seconds, seconds of each of PARTS, of the rest])], their sum last."""
  table: list[tuple[str, list[float]]] = []
  for name, parts in stages.items():
    whole = [sum(both[index] for both in parts.values()) for index in (0, 1)]
    split = [parts.get(one, [0.0, 0.0])[0] for one in (*PARTS, REST)]
    table.append((name, [*whole, *split]))
  if table:
    table.append(("all", [sum(column) for column in zip(*(row for _, row in table), strict=True)]))
  return table
