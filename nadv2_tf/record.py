"""Frozen dataclasses that stand in JSON files: read with checks, written as they were read.

The fields of a `Record` are the keys of a JSON object. A field with a default may be missing in a
file, and is not written while it has that; one without must be there, but for what may be None. Of
what a class does not know nothing is lost: it is written again, and all keys keep their order.
"""

import collections.abc
import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeAlias

#: gives the value that a field gets, or raises `_WrongError`
Reader: TypeAlias = Callable[[Any], Any]
WORDS: dict[type, str] = {
  int: "a whole number",
  float: "a number",
  str: "a text",
  bool: "true or false",
  type(None): "null",
}
#: characters of a wrong value that are told
SHOWN = 80


class _WrongError(Exception):
  """A value that is not what it must be; `path` leads to it, from the inside out."""

  def __init__(self, must: str) -> None:
    super().__init__(must)
    self.must = must
    self.path: list[str] = []


@dataclasses.dataclass(frozen=True)
class Record:
  """Base of the dataclasses that are JSON objects.

  Attributes:
    as_read: the object that it was read from; {} of one that was made here.
  """

  as_read: Mapping[str, Any] = dataclasses.field(
    default_factory=dict, compare=False, repr=False, kw_only=True
  )

  @classmethod
  def from_json(cls, value: Any, where: str) -> Self:
    """What a JSON value says.

    Raises:
      ValueError: one line that begins with `where` and names the field and its value.
    """
    try:
      return _read_record(cls, value)
    except _WrongError as wrong:
      parts = (where, ".".join(reversed(wrong.path)))
      raise ValueError(f"{': '.join(filter(None, parts))} {wrong.must}.") from None

  def to_json(self) -> dict[str, Any]:
    """The object as it stands in a file."""
    own = {}
    for field in _fields(type(self)):
      value = getattr(self, field.name)
      is_made_here = not self.as_read and field.is_required
      if is_made_here or field.name in self.as_read or value != field.default:
        own[field.name] = plain(value)
    return {**self.as_read, **own}

  def updated(self, **values: Any) -> Self:
    """The record with other values, whose keys come last if they are new."""
    return self.from_json(self.to_json() | plain(values), type(self).__name__)


@dataclasses.dataclass(frozen=True)
class _Field:
  name: str
  read: Reader
  default: Any
  is_required: bool
  may_be_missing: bool


def plain(value: Any) -> Any:
  """`value` with all records as what stands for them in a file."""
  if isinstance(value, Record):
    return value.to_json()
  if isinstance(value, Mapping):
    return {key: plain(inner) for key, inner in value.items()}
  if isinstance(value, list | tuple):
    return [plain(inner) for inner in value]
  return value


def _fields(kind: Any) -> tuple[_Field, ...]:
  """Those of a record's class, which is hashable, though its type does not say so."""
  return _fields_of(kind)


@functools.cache
def _fields_of(kind: Any) -> tuple[_Field, ...]:
  hints = typing.get_type_hints(kind)
  found = []
  for field in dataclasses.fields(kind):
    if field.name == "as_read":
      continue
    hint, default = hints[field.name], field.default
    if field.default_factory is not dataclasses.MISSING:
      default = field.default_factory()
    is_required = default is dataclasses.MISSING
    may_be_missing = not is_required or type(None) in typing.get_args(hint)
    default = None if is_required else default
    found.append(_Field(field.name, _reader(hint), default, is_required, may_be_missing))
  return tuple(found)


def _read_record(kind: type[Record], value: Any) -> Any:
  if not isinstance(value, dict):
    raise _wrong("an object", value)
  given: dict[str, Any] = {}
  for field in _fields(kind):
    try:
      if field.name in value:
        given[field.name] = field.read(value[field.name])
      elif field.may_be_missing:
        given[field.name] = field.default
      else:
        raise _WrongError("is missing")
    except _WrongError as wrong:
      wrong.path.append(field.name)
      raise
  return kind(**given, as_read=value)


def _wrong(kind: str, value: Any) -> _WrongError:
  text = repr(value)
  text = text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
  return _WrongError(f"must be {kind}, got {text}")


def _reader(hint: Any) -> Reader:
  """The `Reader` of a field's type."""
  origin, arguments = typing.get_origin(hint), typing.get_args(hint)
  if hint is Any:
    return lambda value: value
  if isinstance(hint, type) and issubclass(hint, Record):
    return functools.partial(_read_record, hint)
  if origin in (typing.Union, types.UnionType):
    inner = [kind for kind in arguments if kind is not type(None)]
    if all(kind in WORDS for kind in inner):
      return _simple(*arguments)
    read = _reader(inner[0])
    return lambda value: None if value is None else read(value)
  if origin is tuple:
    return _tuple(arguments)
  if origin is collections.abc.Mapping:
    return _mapping(_reader(arguments[1]))
  return _simple(hint)


def _simple(*kinds: type) -> Reader:
  words = " or ".join(WORDS[kind] for kind in kinds)
  allowed = tuple({*kinds, *([int] if float in kinds else [])})

  def read(value: Any) -> Any:
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in kinds):
      raise _wrong(words, value)
    if float in kinds and isinstance(value, int):
      try:
        float(value)
      except OverflowError:
        raise _wrong(words, value) from None
    return value

  return read


def _tuple(kinds: tuple[Any, ...]) -> Reader:
  is_any_length = kinds[-1] is ...
  readers = [_reader(kind) for kind in kinds if kind is not ...]
  words = "a list" if is_any_length else f"a list of {len(readers)}"

  def read(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple) or not (is_any_length or len(value) == len(readers)):
      raise _wrong(words, value)
    # A journal has millions of these.
    if kinds[0] is int and is_any_length and set(map(type, value)) <= {int}:
      return tuple(value)
    found: list[Any] = []
    for number, item in enumerate(value):
      try:
        found.append(readers[0 if is_any_length else number](item))
      except _WrongError as wrong:
        wrong.path.append(str(number + 1))
        raise
    return tuple(found)

  return read


def _mapping(read_one: Reader) -> Reader:
  def read(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
      raise _wrong("an object", value)
    found: dict[str, Any] = {}
    for name, inner in value.items():
      try:
        found[name] = read_one(inner)
      except _WrongError as wrong:
        wrong.path.append(str(name))
        raise
    return found

  return read
