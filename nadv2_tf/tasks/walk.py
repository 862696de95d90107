"""Which entries of a folder are meant: not what is hidden, nor what systems leave there."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Iterator, Sequence

  from nadv2_tf.types import AnyPath

#: what file managers, archivers, network storage and Windows leave beside pictures, in lower case
SYSTEM = frozenset(
  (
    "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "__macosx", "__pycache__",
    "$recycle.bin", "system volume information", "lost+found", "thumbs.db", "ehthumbs.db",
    "ehthumbs_vista.db", "desktop.ini", "icon\r",
  )
)  # fmt: skip
#: how pictures' names end; a picture with another one is read where only pictures are expected
PICTURES = (
  ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm",
  ".pgm", ".jp2", ".avif",
)  # fmt: skip


def is_meant(name: str) -> bool:
  """Whether an entry is neither hidden nor a system's own."""
  return not name.startswith(".") and name.lower() not in SYSTEM


def entries_of(folder: AnyPath) -> list[os.DirEntry[str]]:
  """What is meant of a folder's entries, by name."""
  with os.scandir(folder) as entries:
    return sorted((entry for entry in entries if is_meant(entry.name)), key=lambda e: e.name)


def folders_in(folder: AnyPath) -> list[str]:
  """Names of the folders in a folder, in order; raises ValueError as `files_below`."""
  entries = entries_of(folder)
  _refuse(folder, [e.path for e in entries if not e.is_dir() and not e.is_file()])
  return [entry.name for entry in entries if entry.is_dir()]


def files_below(folder: AnyPath) -> list[str]:
  """Paths of all files in a folder and its sub-folders, in order; links are followed.

  Raises:
    ValueError: with their number and the first, if there are entries that are no files: links that
      lead nowhere or back, pipes.
  """
  files: list[str] = []
  odd: list[str] = []
  _walk(os.fspath(folder), (), files, odd)
  _refuse(folder, odd)
  return sorted(files)


def _refuse(folder: AnyPath, odd: Sequence[str]) -> None:
  """Raises ValueError if there are entries that are neither files nor folders."""
  if odd:
    raise ValueError(
      f"{folder}: {counted(odd, 'entry is no file', 'entries are no files')} (a link that leads "
      f"nowhere or back, or a pipe); the first is {min(odd)}. Mend it or remove it."
    )


def _walk(
  folder: str, above: tuple[tuple[int, int], ...], files: list[str], odd: list[str]
) -> None:
  status = pathlib.Path(folder).stat()
  here = (status.st_dev, status.st_ino)
  if here in above:  # a link back would have no end
    odd.append(folder)
    return
  for entry in entries_of(folder):
    if entry.is_dir():
      _walk(entry.path, (*above, here), files, odd)
    else:
      (files if entry.is_file() else odd).append(entry.path)


def counted(items: Sequence[object], one: str, several: str) -> str:
  """How many there are, in words: `one` or `several` follow the number."""
  return f"{len(items)} {one if len(items) == 1 else several}"


def loose_pictures(folder: AnyPath) -> Iterator[str]:
  """Paths of pictures that lie in a folder itself, by their names' ends."""
  return (
    entry.path for entry in entries_of(folder) if not entry.is_dir() and is_picture(entry.name)
  )


def is_picture(name: str) -> bool:
  """Whether a file's name ends as a picture's does."""
  return name.lower().endswith(PICTURES)
