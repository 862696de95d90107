"""SIGTERM and Ctrl-C: what is begun is finished, then the program stops.

Signals belong to the process, and so does what is kept here. Nothing changes for a program that
does not call `install`.
"""

import contextlib
import signal
import threading


class Stopped(KeyboardInterrupt):
  """The user or the system asked the program to stop.

  Not an `Exception`: whoever handles errors of a file or a device lets it pass.

  Attributes:
    signal: number of the signal.
    is_clean: False if it came in the middle of what should have been finished first.
    saved: what can be gone on from, in a few words; None if nobody said.
  """

  def __init__(self, number, is_clean=True):
    super().__init__(signal.Signals(number).name)
    self.signal = number
    self.is_clean = is_clean
    self.saved = None


class _Asked:
  """What `finished` blocks are open, and which signal waits for their end."""

  def __init__(self):
    self.blocks = 0
    self.signal = None


_asked = _Asked()


def install():
  """Makes SIGTERM and Ctrl-C raise `Stopped`; only the main thread can."""
  if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGTERM, _handle)
    signal.signal(signal.SIGINT, _handle)


def _handle(number, unused_frame):
  if _asked.blocks and _asked.signal is None:
    _asked.signal = number
    return
  raise Stopped(number, is_clean=not _asked.blocks)  # asked twice: at once


@contextlib.contextmanager
def finished():
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
