"""stages.json of a run: seconds and CPU seconds of every stage, and what they were spent on."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from nadv2_tf import stopwatch

if TYPE_CHECKING:
  from collections.abc import Iterator

  from nadv2_tf.pipeline.progress import Countdown
  from nadv2_tf.pipeline.run_folder.folder import RunFolder


class StageTimes:
  """Writes the times of a run's stages into its folder, those of earlier commands included.

  Args:
    folder: the `RunFolder`.
    watch: the `Stopwatch` that runs.
    countdown: a `Countdown` that is told of the stages, or None.
  """

  def __init__(
    self, folder: RunFolder, watch: stopwatch.Stopwatch, countdown: Countdown | None = None
  ) -> None:
    self._folder = folder
    self._watch = watch
    self._countdown = countdown
    self._before = folder.read_stages()

  @contextlib.contextmanager
  def stage(self, name: str) -> Iterator[None]:
    """The block is a stage; after it the file is written, so that a kill later loses nothing."""
    counted: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
    if self._countdown:
      counted = self._countdown.stage(name, time.monotonic)
    with stopwatch.stage(name), counted:
      yield
    self.write()

  def write(self) -> None:
    self._folder.write_json(self._folder.stages, stopwatch.added(self._before, self._watch.read()))


def table(stages: dict[str, dict[str, list[float]]]) -> tuple[list[str], list[list[str]]]:
  """stages.json as a table: its header, and rows of texts, the sum last."""
  header = ["", "seconds", "CPU seconds", *stopwatch.PARTS, stopwatch.REST]
  return header, [
    [name, *(f"{value:.1f}" for value in values)] for name, values in stopwatch.rows(stages)
  ]
