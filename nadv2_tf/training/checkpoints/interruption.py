"""SIGTERM and Ctrl-C: what is begun is finished, then the program stops.

Signals belong to the process, and so does what is kept here. Nothing changes for a program that
does not call `install`.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Iterator
  from types import FrameType


class Stopped(KeyboardInterrupt):
  """The user or the system asked the program to stop.

  Not an `Exception`: whoever handles errors of a file or a device lets it pass.

  Attributes:
    signal: number of the signal.
    is_clean: False if it came in the middle of what should have been finished first.
    saved: what can be gone on from, in a few words; None if nobody said.
  """

  def __init__(self, number: int, is_clean: bool = True) -> None:
    super().__init__(signal.Signals(number).name)
    self.signal = number
    self.is_clean = is_clean
    self.saved: str | None = None


class _Asked:
  """What `finished` blocks are open, and which signal waits for their end."""

  def __init__(self) -> None:
    self.blocks = 0
    self.signal: int | None = None


_asked = _Asked()


def install() -> None:
  """Makes SIGTERM and Ctrl-C raise `Stopped`; only the main thread can."""
  if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGTERM, _handle)
    signal.signal(signal.SIGINT, _handle)


def _handle(number: int, unused_frame: FrameType | None) -> None:
  if _asked.blocks and _asked.signal is None:
    _asked.signal = number
    return
  raise Stopped(number, is_clean=not _asked.blocks)  # asked twice: at once


@contextlib.contextmanager
def finished() -> Iterator[None]:
  """What stands in this block is finished before a first signal raises `Stopped`."""
  _asked.blocks += 1
  try:
    yield
  except Stopped:
    _asked.signal = None
    raise
  finally:
    _asked.blocks -= 1
  if not _asked.blocks and _asked.signal is not None:
    number, _asked.signal = _asked.signal, None
    raise Stopped(number)
