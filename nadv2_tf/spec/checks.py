"""Checks of single values; every message names the place, the value and what is allowed."""

ACTIVATIONS = ("linear", "relu", "hard_swish")
LARGEST_WIDTH = 65536
LARGEST_KERNEL = 31
#: height or width anywhere in a network
LARGEST_SIDE = 2**20


def integer(place, value, low, high):
  """Returns `value`; raises ValueError unless it is an int in [low, high]."""
  if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
    raise ValueError(f"{place} must be an integer from {low} to {high}, got {value!r}.")
  return value


def width(place, value, low=0):
  return integer(place, value, low, LARGEST_WIDTH)


def optional_width(place, value, low=0):
  return value if value is None else width(place, value, low)


def kernel(place, value):
  integer(place, value, 1, LARGEST_KERNEL)
  if value % 2 == 0:
    raise ValueError(f"{place} must be odd, got {value}.")
  return value


def stride(place, value):
  return one_of(place, value, (1, 2))


def one_of(place, value, allowed):
  """Returns `value`; raises ValueError unless it is one of `allowed` (same type)."""
  if not any(value == item and type(value) is type(item) for item in allowed):
    listed = ", ".join(repr(item) for item in allowed)
    raise ValueError(f"{place} must be one of {listed}; got {value!r}.")
  return value


def boolean(place, value):
  return one_of(place, value, (True, False))


def fraction(place, value):
  if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
    raise ValueError(f"{place} must be a number from 0 to below 1, got {value!r}.")
  return value
