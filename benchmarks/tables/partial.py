"""What has been measured for a table so far, on disk after every batch.

A line is [key, milliseconds], or [key, milliseconds, doubt]; [key] forgets what lines before it
say.
"""

from __future__ import annotations

import json
import math
import os
import pathlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from collections.abc import Iterable, Mapping, Sequence

  from nadv2_tf.types import AnyPath

LARGEST_LINE = 2**16


class PartialTable:
  """Measured milliseconds by key, in a file of JSON lines; a killed measurement goes on from it.

  Args:
    path: the file. None keeps nothing.
    header: {name: value} of all that the numbers depend on.

  Raises:
    ValueError: if the file was begun with another header, or a line of it is damaged.
  """

  def __init__(self, path: AnyPath | None, header: Mapping[str, Any]) -> None:
    self._path = pathlib.Path(path) if path else None
    self._values: dict[str, float] = {}
    self._doubts: dict[str, float] = {}
    read_back: dict[str, Any] = json.loads(json.dumps(header))
    if self._path is None or (self._path.exists() and self._read(self._path, read_back)):
      return
    self._append(self._path, [read_back])

  def _read(self, path: pathlib.Path, header: dict[str, Any]) -> bool:
    """Whether the file had a header; it is equal to `header` then."""
    text = path.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):  # a line that a kill has torn is measured again
      os.truncate(path, whole)
    lines = text[:whole].splitlines()
    for number, line in enumerate(lines, start=1):
      try:
        if len(line) > LARGEST_LINE:
          raise ValueError
        entry = json.loads(line)
        if number == 1:
          self._check(header, entry)
        else:
          self._learn(*entry)
      except (TypeError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, _OtherHeader):
          raise
        raise ValueError(f"{path}, line {number} is damaged: {line[:80]!r}.") from None
    return bool(lines)

  def _check(self, header: dict[str, Any], begun: Any) -> None:
    if not isinstance(begun, dict):
      raise ValueError
    for name in header | begun:
      if header.get(name) != begun.get(name):
        raise _OtherHeader(
          f"{self._path} was begun with {name} = {begun.get(name)!r}, now it is "
          f"{header.get(name)!r}: go on with the same, or choose another --output."
        )

  def _learn(self, key: Any, milliseconds: Any = None, doubt: Any = 0.0, *more: Any) -> None:
    """Takes what one line says, which may be anything."""
    if more or not isinstance(key, list):
      raise ValueError
    self._values.pop(_key(key), None)
    if milliseconds is None:
      return
    values = float(milliseconds), float(doubt)
    if not all(0 <= value < math.inf for value in values):
      raise ValueError
    self._values[_key(key)], self._doubts[_key(key)] = values

  def __contains__(self, key: Sequence[Any]) -> bool:
    return _key(key) in self._values

  def __getitem__(self, key: Sequence[Any]) -> float:
    return self._values[_key(key)]

  def doubt(self, key: Sequence[Any]) -> float:
    """The doubt that a value was kept with, 0 if none was told."""
    return self._doubts.get(_key(key), 0.0)

  def all_in_doubt(self, keys: Iterable[Sequence[Any]], most: float) -> bool:
    """Whether all values that there are of `keys`, and at least one, have a doubt above `most`."""
    doubts = [self.doubt(key) for key in keys if key in self]
    return bool(doubts) and min(doubts) > most

  def add(
    self,
    values: Mapping[tuple[Any, ...], float],
    doubts: Mapping[tuple[Any, ...], float] | None = None,
  ) -> None:
    """Keeps {key: milliseconds}; they are on disk when this returns.

    Args:
      values: of one batch.
      doubts: {key: how far what was measured lay apart}, of those that have one.
    """
    doubts = doubts or {}
    self._values |= {_key(key): value for key, value in values.items()}
    self._doubts |= {_key(key): value for key, value in doubts.items()}
    if self._path:
      entries = [[key, value, *_one(doubts.get(key))] for key, value in values.items()]
      self._append(self._path, entries)

  def keys(self, kind: str) -> list[tuple[Any, ...]]:
    """The keys that begin with `kind`, in the order in which they came."""
    found = (tuple(json.loads(text)) for text in self._values)
    return [key for key in found if key[:1] == (kind,)]

  def forget(self, keys: Iterable[tuple[Any, ...]]) -> None:
    """Drops values: they are measured again."""
    entries = [[key] for key in keys]
    for (key,) in entries:
      self._values.pop(_key(key), None)
    if self._path:
      self._append(self._path, entries)

  @staticmethod
  def _append(path: pathlib.Path, entries: Iterable[Any]) -> None:
    with path.open("ab") as file:
      for entry in entries:
        file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
      file.flush()
      os.fsync(file.fileno())

  def remove(self) -> None:
    """Deletes the file: the table is complete."""
    if self._path:
      self._path.unlink(missing_ok=True)


class _OtherHeader(ValueError):
  """The file is of another measurement."""


def _one(value: float | None) -> list[float]:
  return [] if value is None else [value]


def _key(key: Sequence[Any]) -> str:
  return json.dumps(key)
