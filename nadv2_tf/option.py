"""One field of a frozen dataclass is an option: what it is called, may be and means stands once.

A dataclass whose fields are made by `option` can be built in Python, where it checks itself, and is
read from flags of the same names by `nadv2_tf.flags.define`.
"""

import dataclasses
import functools
import typing
from collections.abc import Callable, Hashable, Sequence
from typing import Any

#: key of a field's metadata
KEY = "option"


@dataclasses.dataclass(frozen=True)
class Option:
  """What a field says beside its name, type and default.

  Attributes:
    help: a sentence or more, for --help.
    low, high: its smallest and largest value, of a number.
    choices: what it may be, or a function that tells, for names that a registry knows.
    prefix: what a value may begin with that is none of the choices, such as "keras:".
    check: raises ValueError for a value that it may not be, in words that follow the name:
      "must be ...".
    is_how: whether it says how something runs and not what it gives: a run may go on with another.
  """

  help: str
  low: float | None = None
  high: float | None = None
  choices: Sequence[str] | Callable[[], Sequence[str]] | None = None
  prefix: str | None = None
  check: Callable[[Any], None] | None = None
  is_how: bool = False

  def names(self) -> tuple[str, ...]:
    """The choices, () if there are none."""
    return tuple(self.choices() if callable(self.choices) else self.choices or ())

  def is_choice(self, value: Any) -> bool:
    """Whether `value` is one of the choices, or begins with `prefix` and goes on."""
    text, prefix = str(value), self.prefix
    return value in self.names() or bool(prefix and text.startswith(prefix) and text != prefix)

  def raise_for(self, name: str, value: Any) -> None:
    """Raises ValueError if the option `name` may not be `value`; None is nobody's choice."""
    if value is None:
      return
    if self.choices and not self.is_choice(value):
      more = f", or {self.prefix}NAME" if self.prefix else ""
      raise ValueError(f"--{name} must be one of {', '.join(self.names())}{more}, got {value!r}.")
    if self.low is not None and not value >= self.low:
      raise ValueError(f"--{name} must be at least {self.low:g}, got {value!r}.")
    if self.high is not None and not value <= self.high:
      raise ValueError(f"--{name} must be at most {self.high:g}, got {value!r}.")
    if self.check:
      try:
        self.check(value)
      except ValueError as error:
        raise ValueError(f"--{name} {error}") from None


@dataclasses.dataclass(frozen=True)
class Described:
  """An option of a group: `kind` is bool, int, float or str; `default` may be None besides."""

  kind: type
  default: Any
  option: Option


def option(default: Any, help: str, **details: Any) -> Any:
  """A dataclass field with its `Option`; `details` are the attributes of that."""
  return dataclasses.field(default=default, metadata={KEY: Option(help, **details)})


def options_of(group: type) -> dict[str, Described]:
  """{name: `Described`} of a dataclass, without the fields that are no options."""
  return _options_of(group)


@functools.cache
def _options_of(group: Hashable) -> dict[str, Described]:
  assert isinstance(group, type)  # a class is hashable, which its type does not say
  if not dataclasses.is_dataclass(group):
    return {}
  hints = typing.get_type_hints(group)
  return {
    field.name: Described(_kind(hints[field.name]), field.default, field.metadata[KEY])
    for field in dataclasses.fields(group)
    if KEY in field.metadata
  }


def _kind(hint: Any) -> type:
  kinds = [kind for kind in typing.get_args(hint) or (hint,) if kind is not type(None)]
  return kinds[0]


def check_options(group: Any) -> None:
  """Raises ValueError if an option of a dataclass instance is out of its range."""
  for name, described in options_of(type(group)).items():
    described.option.raise_for(name, getattr(group, name))


class OptionGroup:
  """Base of the frozen dataclasses whose fields are options: what is built is in range."""

  def __post_init__(self) -> None:
    check_options(self)
