"""Dictionaries to flatbuffers and back, by the tables of `metadata_schema`.

A dictionary has the fields that a table has, in their order, as the JSON of a flatbuffer has:
enumerations by name, a union as two entries, the first of them (`_type`) the name of its table.

What is read may be damaged: every place is checked before it is read, and the file's size bounds
what is made of it. Source of the layout: flatbuffers.dev, "FlatBuffer Internals".
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import flatbuffers
from flatbuffers import number_types

from nadv2_tf.export.metadata_schema import ENUMERATIONS, SCALARS, TABLES, UNIONS

if TYPE_CHECKING:
  from collections.abc import Mapping

NUMBERS = {
  "b": number_types.Int8Flags,
  "B": number_types.Uint8Flags,
  "i": number_types.Int32Flags,
  "I": number_types.Uint32Flags,
  "f": number_types.Float32Flags,
}
#: Letters and values read for a byte of the file, at most: many may point to one place, and in a
#: file made to fill the memory they do so on each of five levels. Without sharing it is below 1.
LARGEST_SHARE = 4


def encode(value: Mapping[str, Any], table: str, identifier: bytes) -> bytes:
  """The flatbuffer, as bytes, of a dictionary.

  Raises:
    ValueError: if the dictionary has what the table has not.
  """
  builder = flatbuffers.Builder(1024)
  builder.Finish(_put_table(builder, value, table), identifier)
  return bytes(builder.Output())


def decode(content: bytes | memoryview, table: str, identifier: bytes) -> dict[str, Any]:
  """The dictionary of a flatbuffer.

  Args:
    content: the flatbuffer, as bytes; more may follow after it.
    table: name of its root table.
    identifier: its four letters.

  Raises:
    ValueError: in one line, if the bytes are not one whole flatbuffer of this kind.
  """
  if bytes(content[4:8]) != identifier:
    raise ValueError(f"its identifier is not {identifier.decode()}")
  return _Reader(content).table(0, table)


# --- writing


def _put_table(builder: flatbuffers.Builder, value: Mapping[str, Any], table: str) -> int:
  """Writes a table after all that it points to; where it is."""
  fields = TABLES[table]
  unknown = value.keys() - {name for name, _ in fields}
  if unknown:
    known = ", ".join(name for name, _ in fields)
    raise ValueError(f"{table} has no field {min(unknown)!r}; it has: {known}.")
  places = {
    name: _put(builder, value[name], value.get(f"{name}_type") or kind)
    for name, kind in fields
    if name in value and not _letter(kind)
  }
  builder.StartObject(len(fields))
  for number, (name, kind) in enumerate(fields):
    if name in places:
      builder.PrependUOffsetTRelativeSlot(number, places[name], 0)
    elif name in value:
      builder.PrependSlot(NUMBERS[_letter(kind)], number, _number_of(kind, value[name]), 0)
  return builder.EndObject()


def _put(builder: flatbuffers.Builder, value: Any, kind: Any) -> int:
  """Writes a string, a table or a vector; where it is."""
  if kind == "string":
    return builder.CreateString(value)
  if kind in TABLES:
    return _put_table(builder, value, kind)
  item = kind[1:-1]
  letter = _letter(item)
  places = value if letter else [_put(builder, each, item) for each in value]
  size = struct.calcsize(letter or "I")
  builder.StartVector(size, len(places), size)
  for place in reversed(places):
    if letter:
      builder.Prepend(NUMBERS[letter], place)
    else:
      builder.PrependUOffsetTRelative(place)
  return builder.EndVector()


def _number_of(kind, value):
  names = _names(kind)
  if names and value not in names:
    raise ValueError(f"{kind} is one of {', '.join(names)}, got {value!r}.")
  return names.index(value) if names else value


# --- both


def _names(kind):
  """Names of an enumeration or of a union's types; None for what is neither."""
  return ENUMERATIONS.get(kind) or UNIONS.get(kind.removeprefix("type of "))


def _letter(kind):
  """struct's letter for a scalar, None for what is pointed to."""
  if kind in ENUMERATIONS:
    return "b"
  return "B" if kind.startswith("type of ") else SCALARS.get(kind)


# --- reading


class _Reader:
  """Reads values at places of a flatbuffer that may be damaged."""

  def __init__(self, content: bytes | memoryview) -> None:
    self._content = memoryview(content)
    self._left = len(content) * LARGEST_SHARE

  def _numbers(self, letter: str, place: int, count: int = 1) -> tuple[Any, ...]:
    """`count` numbers from `place` on."""
    form = f"<{count}{letter}"
    if place < 0 or place + struct.calcsize(form) > len(self._content):
      raise ValueError(f"it points to byte {place} of {len(self._content)}")
    return struct.unpack_from(form, self._content, place)

  def _count(self, place: int, size: int) -> int:
    """The number of items of `size` bytes of the vector at `place`, all of them in the file."""
    (count,) = self._numbers("I", place)
    if place + 4 + count * size > len(self._content):
      raise ValueError(f"{count} items at byte {place} do not fit into {len(self._content)} bytes")
    return count

  def _spend(self, count: int) -> None:
    self._left -= count
    if self._left < 0:
      raise ValueError("it points to the same bytes over and over")

  def table(self, pointer: int, table: str) -> dict[str, Any]:
    """The table that `pointer` (a place) points to, as a dictionary."""
    place = pointer + self._numbers("I", pointer)[0]
    numbers = place - self._numbers("i", place)[0]
    size, room = self._numbers("H", numbers)[0], self._numbers("H", numbers + 2)[0]
    if size < 4 or size % 2 or room < 4:
      raise ValueError(f"{table} at byte {place} has a list of fields of {size} bytes")
    offsets = self._numbers("H", numbers + 4, size // 2 - 2)
    self._spend(1)
    made: dict[str, Any] = {}
    for (name, kind), offset in zip(TABLES[table], offsets, strict=False):
      if not offset or not kind:
        continue
      if not 4 <= offset < room:
        raise ValueError(f"{table} of {room} bytes has its field {name} at byte {offset}")
      if kind in UNIONS:
        kind = made.get(f"{name}_type", "NONE")
        if kind not in TABLES:
          raise ValueError(f"{table} has a {name} of the unknown type {kind}")
      made[name] = self._value(place + offset, kind)
    return made

  def _value(self, place: int, kind: str) -> Any:
    letter = _letter(kind)
    if letter:
      return self._named(kind, self._scalars(letter, place, 1)[0])
    if kind in TABLES:
      return self.table(place, kind)
    place += self._numbers("I", place)[0]
    if kind in ("string", "bytes"):
      found = self._content[place + 4 : place + 4 + self._count(place, 1)]
      return self._text(found, place) if kind == "string" else found
    return self._vector(place, kind[1:-1])

  def _vector(self, place: int, item: str) -> list[Any]:
    letter = _letter(item)
    count = self._count(place, struct.calcsize(letter) if letter else 4)
    self._spend(count)
    if letter:
      return list(self._scalars(letter, place + 4, count))
    return [self._value(place + 4 + 4 * number, item) for number in range(count)]

  def _scalars(self, letter: str, place: int, count: int) -> tuple[Any, ...]:
    found = self._numbers(letter, place, count)
    if letter == "f" and not all(map(math.isfinite, found)):
      raise ValueError(f"a number at byte {place} is not finite")
    return found

  def _text(self, found: memoryview, place: int) -> str:
    self._spend(len(found))
    try:
      return str(found, "utf-8")
    except UnicodeDecodeError:
      raise ValueError(f"the text at byte {place} is not UTF-8") from None

  @staticmethod
  def _named(kind: str, number: int) -> str | int:
    """The name of an enumeration's number; a number that a newer schema has stays one."""
    names = _names(kind)
    return names[number] if names and 0 <= number < len(names) else number
