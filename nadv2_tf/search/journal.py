"""The append-only record of a search, `search.jsonl`, from which it can be resumed."""

import json
import os
import pathlib
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, BinaryIO, TypeAlias

from nadv2_tf.search.race import pooled
from nadv2_tf.types import AnyPath

#: one line of a journal
Entry: TypeAlias = dict[str, Any]
#: one line holds at most a few hundred integers
LARGEST_LINE = 2**20


class JournalError(ValueError):
  """A journal that is damaged, or that belongs to another search."""


def read(path: AnyPath) -> list[Entry]:
  """The entries of a journal; a torn last line (no newline at its end) is left out.

  Raises:
    JournalError: naming the line, if a line that was finished is not a JSON object.
  """
  path = pathlib.Path(path)
  if not path.exists():
    return []
  entries: list[Entry] = []
  with path.open("rb") as file:
    # One byte more, to tell a line that is too long from one that was torn.
    lines = iter(lambda: file.readline(LARGEST_LINE + 1), b"")
    for number, line in enumerate(lines, start=1):
      if not line.endswith(b"\n") and len(line) <= LARGEST_LINE:
        break
      try:
        entry = json.loads(line) if len(line) <= LARGEST_LINE else None
      except (ValueError, RecursionError):
        entry = None
      if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise JournalError(f"{path}, line {number} is damaged: {line[:80]!r}.")
      entries.append(entry)
  return entries


def samples(entries: Iterable[Entry]) -> list[Entry]:
  """One entry for each network that was scored.

  After a `Race` its "accuracy" is that over all images that it was scored on, and "first" that on
  the images that every sample was scored on; otherwise both are the same.

  Args:
    entries: of journals of one run; a network that several have counts once.
  """
  entries = list(entries)
  sizes = next((entry["race"]["images"] for entry in entries if "race" in entry), None)
  found: dict[tuple[int, ...], dict[int, Entry]] = {}
  for entry in entries:
    if entry["type"] == "sample":
      parts = found.setdefault(tuple(entry["widths"]), {})
      parts[entry.get("part", 0)] = entry
  merged = []
  for parts in found.values():
    scores = {part: entry["accuracy"] for part, entry in parts.items()}
    accuracy = scores[0] if sizes is None else pooled(scores, sizes)
    merged.append({**parts[0], "accuracy": accuracy, "first": scores[0]})
  return merged


class Journal:
  """Writes entries; what a resumed search writes again must equal what stands there.

  Args:
    path: the file, or None to keep nothing.
  """

  def __init__(self, path: AnyPath | None) -> None:
    self._path = pathlib.Path(path) if path else None
    self.entries: list[Entry] = read(path) if path else []
    self._position = 0
    self._file: BinaryIO | None = None

  def __enter__(self) -> "Journal":
    if self._path:
      _drop_torn_line(self._path)
      self._file = self._path.open("ab")
    return self

  def __exit__(self, *unused: type[BaseException] | BaseException | TracebackType | None) -> None:
    if self._file:
      self._file.close()

  def write(self, entry: Mapping[str, Any]) -> None:
    """Appends `entry`, or passes over the equal entry that an earlier run wrote at this place.

    Raises:
      JournalError: if another entry stands there: the file is of another search.
    """
    if self._position < len(self.entries):
      expected, told = self.entries[self._position], json.loads(json.dumps(entry))
      if expected != told:
        before, now = _differing(expected, told)
        raise JournalError(
          f"{self._path}, line {self._position + 1} is of another search: it has "
          f"{_short(before)}, this search writes {_short(now)}. Choose another --output, or "
          "go on with the settings it was started with."
        )
      self._position += 1
      return
    if self._file:
      self._file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
      self._file.flush()
      os.fsync(self._file.fileno())  # a score takes seconds, this milliseconds


def _drop_torn_line(path: pathlib.Path) -> None:
  if not path.exists():
    return
  with path.open("rb") as file:
    whole, line = 0, file.readline(LARGEST_LINE)
    while line.endswith(b"\n"):
      whole, line = file.tell(), file.readline(LARGEST_LINE)
  if line:
    os.truncate(path, whole)


def _differing(one: Entry, other: Entry) -> tuple[Entry, Entry]:
  """Both without what they have in common."""
  names = [name for name in one | other if one.get(name) != other.get(name)]
  return {n: one[n] for n in names if n in one}, {n: other[n] for n in names if n in other}


def _short(entry: Mapping[str, Any]) -> str:
  text = json.dumps(entry)
  return text if len(text) <= 200 else text[:197] + "..."
