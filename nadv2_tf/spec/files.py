"""Files that appear whole or not at all, whatever ends the program meanwhile."""

from __future__ import annotations

import os
import pathlib
import stat
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import BinaryIO

#: of files that are being written; a killed program leaves them behind, a later one removes them
PARTIAL = ".partial"


def write_atomically(
  path: str | os.PathLike[str], content: bytes | Callable[[BinaryIO], object]
) -> pathlib.Path:
  """Writes bytes so that `path` holds all of them or what it held before.

  Args:
    path: the file; its folder must exist.
    content: bytes, or a function that is given the open file and writes them.

  Returns:
    `path` as a `pathlib.Path`.

  Raises:
    OSError: naming `path`, if the disk is full or the folder cannot be written.
  """
  path, temporary = pathlib.Path(path), None
  try:
    handle, temporary = tempfile.mkstemp(PARTIAL, f".{path.name}.", path.parent)
    with os.fdopen(handle, "wb") as file:
      if callable(content):
        content(file)
      else:
        file.write(content)
    move_into_place(temporary, path)
  except BaseException as error:
    if temporary:
      pathlib.Path(temporary).unlink(missing_ok=True)
    if isinstance(error, OSError) and error.errno:  # which else names the partial file, or none
      raise OSError(error.errno, error.strerror, str(path)) from None
    raise
  return path


def read_bounded(path: str | os.PathLike[str], most: int) -> bytes:
  """The bytes of a file, in memory.

  Raises:
    ValueError: if it is no ordinary file (a pipe would never end), or has more than `most` bytes.
    OSError: if it cannot be read.
  """
  at_once = getattr(os, "O_NONBLOCK", 0)  # Windows has none, nor pipes among its files
  with open(path, "rb", opener=lambda name, flags: os.open(name, flags | at_once)) as file:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
      raise ValueError(f"{path} is no ordinary file.")
    if status.st_size > most:
      raise ValueError(f"{path} is larger than {most} bytes.")
    return file.read(status.st_size)


def as_text(name: str) -> str:
  """A name out of the file system as text that can be written as UTF-8.

  Names are bytes. Python makes text of them by the locale, and surrogates of what does not fit it:
  of every umlaut where there is none, of names that an old archive brought from another system.
  """
  try:
    return os.fsencode(name).decode("utf-8")
  except UnicodeError:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def is_utf_8(path: str | os.PathLike[str]) -> bool:
  """Whether a path can be given to programs that take names in UTF-8; see `as_text`."""
  try:
    os.fspath(path).encode("utf-8")
  except UnicodeEncodeError:
    return False
  return True


def move_into_place(temporary: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
  """Renames a finished file of the same folder; a power cut leaves the old one or all of the new.

  The content is on the disk before the name is: some file systems order the two otherwise. This
  is also where a full disk tells.
  """
  handle = os.open(temporary, os.O_RDWR)  # Windows flushes what may be written alone
  try:
    os.fsync(handle)
  finally:
    os.close(handle)
  pathlib.Path(temporary).replace(path)
  if os.name == "nt":  # where folders cannot be opened
    return
  folder = os.open(pathlib.Path(path).parent, os.O_RDONLY)
  try:
    os.fsync(folder)
  finally:
    os.close(folder)


def partial_beside(path: pathlib.Path) -> pathlib.Path:
  """The name of a file that is being written where it must end as the finished one's does."""
  stem, dot, ending = path.name.partition(".")
  return path.with_name(f".{stem}{PARTIAL}{dot}{ending}")


def is_partial(path: pathlib.PurePath) -> bool:
  """Whether a file's name is that of one which is being written, or was when its program died.

  Such names are hidden ones, so that no file is taken for one which its user named.
  """
  return path.name.startswith(".") and PARTIAL in path.suffixes


def remove_partial_files(folder: str | os.PathLike[str]) -> None:
  """Removes what a killed program was writing; nothing else may write there at the time."""
  for path in filter(is_partial, pathlib.Path(folder).iterdir()):
    if not path.is_dir():
      path.unlink(missing_ok=True)
