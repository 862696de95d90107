"""Checks of single values; every message names the place, the value and what is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Iterable
  from typing import Any

ACTIVATIONS = ("linear", "relu", "relu6", "hard_swish", "swish")
#: what squeeze-and-excite may end with
GATES = ("hard_sigmoid", "sigmoid")
LARGEST_WIDTH = 65536
LARGEST_KERNEL = 31
#: in float32
LARGEST_NUMBER = 3.4e38
#: height or width anywhere in a network
LARGEST_SIDE = 2**20


def integer(place: str, value: Any, low: int, high: int) -> int:
  """Returns `value`; raises ValueError unless it is an int in [low, high]."""
  if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
    raise ValueError(f"{place} must be an integer from {low} to {high}, got {value!r}.")
  return value


def width(place: str, value: Any, low: int = 0) -> int:
  return integer(place, value, low, LARGEST_WIDTH)


def optional_width(place: str, value: Any, low: int = 0) -> int | None:
  return value if value is None else width(place, value, low)


def kernel(place: str, value: Any, any_size: bool = False) -> int:
  """Returns `value`; raises ValueError for an even size, unless `any_size` is allowed."""
  integer(place, value, 1, LARGEST_KERNEL)
  if value % 2 == 0 and not any_size:
    raise ValueError(f"{place} must be odd, got {value}.")
  return value


def stride(place: str, value: Any) -> int:
  return one_of(place, value, (1, 2))


def one_of(place: str, value: Any, allowed: Iterable[Any]) -> Any:
  """Returns `value`; raises ValueError unless it is one of `allowed` (same type)."""
  if not any(value == item and type(value) is type(item) for item in allowed):
    listed = ", ".join(repr(item) for item in allowed)
    raise ValueError(f"{place} must be one of {listed}; got {value!r}.")
  return value


def boolean(place: str, value: Any) -> bool:
  return one_of(place, value, (True, False))


def fraction(place: str, value: Any) -> float:
  if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
    raise ValueError(f"{place} must be a number from 0 to below 1, got {value!r}.")
  return value


def padding(place: str, value: Any) -> tuple[int, int] | None:
  """Returns (before, after), or None for SAME padding; lists, as JSON has them, are fine."""
  if value is None:
    return None
  if not isinstance(value, (tuple, list)) or len(value) != 2:
    raise ValueError(f"{place} must be None or (before, after), got {value!r}.")
  before, after = (integer(place, zeros, 0, LARGEST_KERNEL) for zeros in value)
  return before, after


def numbers(place: str, value: Any) -> tuple[float, ...]:
  """Returns `value` as a tuple of finite floats, at least one."""
  if not isinstance(value, (tuple, list)) or not 1 <= len(value) <= LARGEST_WIDTH:
    raise ValueError(f"{place} must be a list of numbers, got {value!r}.")
  for item in value:
    is_number = isinstance(item, (int, float)) and not isinstance(item, bool)
    if not is_number or not abs(item) <= LARGEST_NUMBER:  # nan is not, and a long integer no float
      raise ValueError(f"{place} must hold numbers of float32, got {str(item)[:40]}.")
  return tuple(float(item) for item in value)
