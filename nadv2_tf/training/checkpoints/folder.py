"""The checkpoints of one training: when they are written, how many are kept, which one is read."""

from __future__ import annotations

import contextlib
import pathlib
import re
import shutil
import time
from typing import TYPE_CHECKING

from nadv2_tf.spec.files import remove_partial_files
from nadv2_tf.training.checkpoints import file as checkpoint_file
from nadv2_tf.training.checkpoints.file import CheckpointError

if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import Any

  from nadv2_tf.training.checkpoints.file import Checkpoint
  from nadv2_tf.types import AnyPath

DAMAGED = ".damaged"


class MemoryCheckpoints:
  """Keeps the last epoch's start in memory: for going back, not for going on after a kill.

  Args:
    every: steps from one to the next.
  """

  place = "memory"

  def __init__(self, every: int) -> None:
    self._every = every
    self._last: Checkpoint | None = None

  def latest(self, unused_before: int | None = None) -> Checkpoint | None:
    return self._last

  def is_due(self, step: int) -> bool:
    return step % self._every == 0

  def save(self, checkpoint: Checkpoint) -> None:
    self._last = checkpoint

  def tell(self, text: str) -> None:
    pass


class Checkpoints:
  """Keeps checkpoints in a folder of their own.

  Args:
    folder: made when the first is saved.
    settings: what training this is, as JSON values in groups, {group: {setting: value}}. A
      checkpoint with others is refused.
    keep: how many files are kept, at least 1.
    every: seconds from one to the next; 0 is after every step.
    tell: called with a line about what was found or undone.
  """

  def __init__(
    self,
    folder: AnyPath,
    settings: dict[str, Any],
    keep: int = 2,
    every: float = 60.0,
    tell: Callable[[str], None] = lambda text: None,
  ) -> None:
    self.place = pathlib.Path(folder)
    self.tell = tell
    self._settings = settings
    self._keep = keep
    self._every = every
    self._saved_at = time.monotonic()

  def latest(self, before: int | None = None) -> Checkpoint | None:
    """The newest `Checkpoint` that is whole, None if there are no files.

    One that is damaged is told and put aside.

    Args:
      before: the step it should not lie after; if all do, the oldest is taken.

    Raises:
      CheckpointError: if all are damaged, or the newest whole one is of another training.
    """
    damaged, paths = [], self._paths()
    if before is not None:
      paths = [path for path in paths if _step(path) <= before] or paths[:1]
    for path in reversed(paths):
      try:
        checkpoint, settings = checkpoint_file.read(path)
      except CheckpointError as error:
        damaged.append((path, error))
        continue
      self._check_settings(path, settings)
      for broken, reason in damaged:
        self.tell(f"{reason} The one before, {path.name}, is used.")
        broken.rename(broken.with_name(broken.name + DAMAGED))
      return checkpoint
    if damaged:
      raise CheckpointError(
        f"{damaged[0][1]} {self.place} has no other; remove that folder to train from the start."
      )
    return None

  def is_due(self, unused_step: int) -> bool:
    return time.monotonic() - self._saved_at >= self._every

  def save(self, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint; then the oldest go, and those of later steps: it went back."""
    self.place.mkdir(parents=True, exist_ok=True)
    path = self.place / f"step_{checkpoint.step:09d}.npz"
    checkpoint_file.write(path, checkpoint, self._settings)
    self._saved_at = time.monotonic()
    earlier = [other for other in self._paths() if _step(other) <= checkpoint.step]
    for other in set(self._paths()) - set(earlier[-self._keep :]):
      other.unlink()

  def clear(self) -> None:
    """Removes the folder, and that of all trainings if it was the last; for when the training's
    result is written."""
    if self.place.exists():
      shutil.rmtree(self.place)
    with contextlib.suppress(OSError):  # not empty, or never made
      self.place.parent.rmdir()

  def _paths(self) -> list[pathlib.Path]:
    """The files, the oldest first."""
    if not self.place.is_dir():
      return []
    remove_partial_files(self.place)
    return sorted(
      path for path in self.place.iterdir() if re.fullmatch(r"step_\d+\.npz", path.name)
    )

  def _check_settings(self, path: pathlib.Path, saved: dict[str, Any]) -> None:
    for group in self._settings.keys() | saved.keys():
      mine, other = self._settings.get(group), saved.get(group)
      if mine == other:
        continue
      if isinstance(mine, dict) and isinstance(other, dict):
        name = min(key for key in mine.keys() | other.keys() if mine.get(key) != other.get(key))
        group, mine, other = f"{group}: {name}", mine.get(name), other.get(name)
      raise CheckpointError(
        f"{path} is a checkpoint of another training: it has {group} {_short(other)}, this one "
        f"{_short(mine)}. Go on as it was started, or remove {self.place} to train from the start."
      )


def _step(path: pathlib.Path) -> int:
  return int(path.stem.removeprefix("step_"))


def _short(value: object) -> str:
  text = repr(value)
  return text if len(text) <= 60 else text[:57] + "..."
