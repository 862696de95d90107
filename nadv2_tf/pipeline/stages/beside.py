"""Work that does not wait for what comes before it, done in a thread beside the main one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import Self


class Beside:
  """Does `work` in a thread while the block runs, and has what it gave afterwards.

  Leaving the block waits for the thread: Python must not end while TensorFlow works in one.

  Args:
    work: function without arguments. What it raises is dropped: whoever asks for `result` then does
      the work again, where errors are seen.
  """

  def __init__(self, work: Callable[[], Any]) -> None:
    self._work = work
    self._given: list[Any] = []
    self._thread = threading.Thread(target=self._run, name="beside")

  def _run(self) -> None:
    try:
      self._given.append(self._work())
    except Exception:
      self._given.clear()

  def __enter__(self) -> Self:
    self._thread.start()
    return self

  def __exit__(self, *_: object) -> None:
    self._thread.join()

  def result(self) -> Any:
    """What the work gave; done now if it has not been, or failed."""
    return self._given[0] if self._given else self._work()
