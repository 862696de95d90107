"""One command at a time writes into a run's folder."""

from __future__ import annotations

import contextlib
import datetime
import os
import pathlib
import platform
import sys
from typing import TYPE_CHECKING

try:
  import fcntl
except ImportError:  # Windows has none
  fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
  from collections.abc import Iterator
  from typing import TextIO

LOCK = "run.lock"


@contextlib.contextmanager
def locked(folder: pathlib.Path) -> Iterator[None]:
  """Keeps other commands out of a folder, which is made if need be, while the block runs.

  The lock is the operating system's and ends with the process, however that ends.

  Args:
    folder: a `pathlib.Path`.

  Raises:
    ValueError: saying who holds it, or that this system has no such locks.
    OSError: if the folder cannot be made or written.
  """
  if fcntl is None:
    raise ValueError(
      f"--output={folder}: runs lock their folders by flock, which {platform.system()} does not "
      "have; use Linux or macOS, or WSL on Windows. Files are counted, evaluated and timed here."
    )
  folder.mkdir(parents=True, exist_ok=True)
  path = folder / LOCK
  file = _locked_file(path)
  try:
    file.truncate(0)
    file.write(_me())
    file.flush()
    yield
  finally:
    path.unlink(missing_ok=True)
    file.close()


def _locked_file(path: pathlib.Path) -> TextIO:
  """The open file, locked; who held it before may remove it between opening and locking."""
  while True:
    file = path.open("a+", encoding="utf-8")
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
      if path.exists() and os.fstat(file.fileno()).st_ino == path.stat().st_ino:
        return file
    except BlockingIOError:
      file.seek(0)
      holder = file.read(200).strip() or "another command"
      file.close()
      raise ValueError(
        f"--output={path.parent} is in use by {holder}. Wait for its end, or choose another."
      ) from None
    file.close()


def _me() -> str:
  name = pathlib.Path(sys.argv[0]).name or "python"
  since = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
  return f"{name}, process {os.getpid()} on {platform.node()}, since {since}"
