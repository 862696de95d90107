"""The checkpoints of a training that several workers do: the chief's are everybody's."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from nadv2_tf.training import strategies
from nadv2_tf.training.checkpoints import file as checkpoint_file
from nadv2_tf.training.checkpoints.file import CheckpointError

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.training.checkpoints.file import Checkpoint
  from nadv2_tf.training.checkpoints.folder import Checkpoints

NONE, FOUND, UNUSABLE = b"-", b"+", b"!"
#: steps from one question whether a checkpoint is due to the next
ASKED_EVERY = 10


class SharedCheckpoints:
  """`Checkpoints` of which only the chief writes and reads files.

  All workers must call the same methods in the same order: when one is due depends on a clock, and
  on which one is the newest, so the chief says both, and all go on from the same step.

  Args:
    own: the `Checkpoints` of this process; only the chief's are used.
    strategy: of several workers.
  """

  def __init__(self, own: Checkpoints, strategy: Any) -> None:
    self._own = own
    self._strategy = strategy
    self._is_chief = strategies.is_chief(strategy)
    self.place, self.tell = own.place, own.tell

  def latest(self, before: int | None = None) -> Checkpoint | None:
    """The chief's newest `Checkpoint`; see `Checkpoints.latest`, whose errors all workers raise."""
    answer = strategies.broadcast(self._strategy, self._packed(before) if self._is_chief else b"")
    kind, content = answer[:1], answer[1:]
    if kind == UNUSABLE:
      raise CheckpointError(content.decode())
    if kind == NONE:
      return None
    checkpoint, _ = checkpoint_file.parse(content, "of the chief")
    return checkpoint

  def _packed(self, before: int | None) -> bytes:
    try:
      checkpoint = self._own.latest(before)
    except CheckpointError as error:
      return UNUSABLE + str(error).encode()
    return NONE if checkpoint is None else FOUND + pathlib.Path(checkpoint.source).read_bytes()

  def is_due(self, step: int) -> bool:
    """As `Checkpoints.is_due`, at every `ASKED_EVERY`-th step alone: asking takes a broadcast."""
    if step % ASKED_EVERY:
      return False
    is_due = self._is_chief and self._own.is_due(step)
    return bool(strategies.broadcast(self._strategy, b"+" if is_due else b""))

  def save(self, checkpoint: Checkpoint) -> None:
    if self._is_chief:
      self._own.save(checkpoint)

  def clear(self) -> None:
    if self._is_chief:
      self._own.clear()
