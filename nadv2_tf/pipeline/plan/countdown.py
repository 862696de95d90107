"""What is left of a run, by a plan that is corrected as its stages end."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Callable, Iterable, Iterator, Mapping
  from typing import Any

  from nadv2_tf.pipeline.plan.estimate import Stage

#: planned seconds that must be over before they say how far the plan is off
ENOUGH = 5.0


class Countdown:
  """Seconds to the end of a run.

  Args:
    stages: the `Stage`s of a plan. A stage that stages.json has under another name counts there:
      "confirm" is a part of "search".
    times: {stage: how often it comes}; others come once.
  """

  _left: dict[str, float]
  _running: Any  # the stage's name; between two, None

  def __init__(self, stages: Iterable[Stage], times: Mapping[str, int] | None = None) -> None:
    self._left, times = {}, times or {}
    for stage in stages:
      name = "search" if stage.name == "confirm" else stage.name
      self._left[name] = self._left.get(name, 0.0) + stage.seconds
    self._each = {name: seconds / times.get(name, 1) for name, seconds in self._left.items()}
    self._planned = self._taken = 0.0
    self._running = None

  @contextlib.contextmanager
  def stage(self, name: str, clock: Callable[[], float]) -> Iterator[None]:
    """The block is a stage; `clock` gives seconds, and says how long it took."""
    self._running, start = name, clock()
    yield
    self._running = None
    planned = min(self._each.get(name, 0.0), self._left.get(name, 0.0))
    self._left[name] = self._left.get(name, 0.0) - planned
    if planned:  # what was not planned says nothing of the plan
      self._planned += planned
      self._taken += clock() - start

  @property
  def ratio(self) -> float:
    """Taken by planned seconds of the stages that are over."""
    return self._taken / self._planned if self._planned > ENOUGH else 1.0

  def after_this(self) -> float:
    """Seconds of all stages after the one that runs."""
    running = min(self._each.get(self._running, 0.0), self._left.get(self._running, 0.0))
    return self.ratio * max(sum(self._left.values()) - running, 0.0)
