"""What has been measured for a table so far, on disk after every batch."""

import json
import math
import os
import pathlib

LARGEST_LINE = 2**16


class PartialTable:
  """Measured milliseconds by key, in a file of JSON lines; a killed measurement goes on from it.

  Args:
    path: the file. None keeps nothing.
    header: {name: value} of all that the numbers depend on.

  Raises:
    ValueError: if the file was begun with another header, or a line of it is damaged.
  """

  def __init__(self, path, header):
    self._path = path and pathlib.Path(path)
    self._values = {}
    header = json.loads(json.dumps(header))
    if self._path and self._path.exists() and self._read(header):
      return
    if self._path:
      self._append([header])

  def _read(self, header):
    """Whether the file had a header; it is equal to `header` then."""
    text = self._path.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):  # a line that a kill has torn is measured again
      os.truncate(self._path, whole)
    lines = text[:whole].splitlines()
    for number, line in enumerate(lines, start=1):
      try:
        entry = json.loads(line) if len(line) <= LARGEST_LINE else None
        if number == 1:
          self._check(header, entry)
        else:
          key, milliseconds = entry
          if not 0 <= float(milliseconds) < math.inf:
            raise ValueError
          self._values[_key(key)] = float(milliseconds)
      except (TypeError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, _OtherHeader):
          raise
        raise ValueError(f"{self._path}, line {number} is damaged: {line[:80]!r}.") from None
    return bool(lines)

  def _check(self, header, begun):
    if not isinstance(begun, dict):
      raise ValueError
    for name in header | begun:
      if header.get(name) != begun.get(name):
        raise _OtherHeader(
          f"{self._path} was begun with {name} = {begun.get(name)!r}, now it is "
          f"{header.get(name)!r}: go on with the same, or choose another --output."
        )

  def __contains__(self, key):
    return _key(key) in self._values

  def __getitem__(self, key):
    return self._values[_key(key)]

  def add(self, values):
    """Keeps {key: milliseconds}; they are on disk when this returns."""
    self._values |= {_key(key): value for key, value in values.items()}
    if self._path:
      self._append([[key, value] for key, value in values.items()])

  def _append(self, entries):
    with self._path.open("ab") as file:
      for entry in entries:
        file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
      file.flush()
      os.fsync(file.fileno())

  def remove(self):
    """Deletes the file: the table is complete."""
    if self._path:
      self._path.unlink(missing_ok=True)


class _OtherHeader(ValueError):
  """The file is of another measurement."""


def _key(key):
  return json.dumps(key)
