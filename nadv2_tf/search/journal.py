"""The append-only record of a search, `search.jsonl`, from which it can be resumed."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, BinaryIO

from nadv2_tf.search.entries import Entry, SampleEntry, SearchEntry, read_entry
from nadv2_tf.search.race import pooled
from nadv2_tf.types import AnyPath

#: one line holds at most a few hundred integers
LARGEST_LINE = 2**20


class JournalError(ValueError):
  """A journal that is damaged, or that belongs to another search."""


def read(path: AnyPath) -> list[Entry]:
  """The entries of a journal; a torn last line (no newline at its end) is left out.

  Raises:
    JournalError: naming the line, and the field, if a line that was finished is no entry.
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
      try:
        entries.append(read_entry(entry, f"{path}, line {number} is damaged"))
      except ValueError as error:
        raise JournalError(str(error)) from None
  return entries


def read_all(paths: Iterable[AnyPath]) -> list[Entry]:
  """The entries of several journals, one after the other; see `read`."""
  return [entry for path in paths for entry in read(path)]


@dataclasses.dataclass(frozen=True)
class Sample:
  """A network that a search scored.

  Attributes:
    widths: its row of the space.
    resource: in the unit of the search.
    accuracy: over all images that it was scored on.
    first: that on the images that every sample was scored on; without a `Race` both are the same.
  """

  widths: tuple[int, ...]
  resource: float
  accuracy: float
  first: float


def samples(entries: Iterable[Entry]) -> list[Sample]:
  """One `Sample` for each network that was scored.

  Args:
    entries: of journals of one run; a network that several have counts once.
  """
  entries = list(entries)
  heads = (entry for entry in entries if isinstance(entry, SearchEntry))
  race = next((entry.race for entry in heads if entry.race), None)
  found: dict[tuple[int, ...], dict[int, SampleEntry]] = {}
  for entry in entries:
    if isinstance(entry, SampleEntry):
      found.setdefault(entry.widths, {})[entry.part or 0] = entry
  merged = []
  for widths, parts in found.items():
    scores = {part: entry.accuracy for part, entry in parts.items()}
    accuracy = pooled(scores, race.images) if race else scores[0]
    merged.append(Sample(widths, parts[0].resource, accuracy, scores[0]))
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

  def write(self, entry: Entry) -> None:
    """Appends `entry`, or passes over the equal entry that an earlier run wrote at this place.

    Raises:
      JournalError: if another entry stands there: the file is of another search.
    """
    if self._position < len(self.entries):
      expected = self.entries[self._position].as_read
      told = json.loads(json.dumps(entry.to_json()))
      if expected != told:
        before, now = _differing(expected, told)
        raise JournalError(
          f"{self._path}, line {self._position + 1} is of another search: it has "
          f"{_short(before)}, this search writes {_short(now)}. Choose another --output, or "
          "go on with the settings and files (such as a latency table) it was started with."
        )
      self._position += 1
      return
    if self._file:
      self._file.write(json.dumps(entry.to_json(), separators=(",", ":")).encode() + b"\n")
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


def _differing(
  one: Mapping[str, Any], other: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
  """Both without what they have in common."""
  names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
  return {n: one[n] for n in names if n in one}, {n: other[n] for n in names if n in other}


def _short(entry: Mapping[str, Any]) -> str:
  text = json.dumps(entry)
  return text if len(text) <= 200 else text[:197] + "..."
