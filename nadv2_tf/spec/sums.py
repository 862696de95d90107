"""Sums of floats that every version of Python gives alike."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Iterable


def total(values: Iterable[float]) -> float:
  """The values added one after the other, 0 for none.

  From Python 3.12 on the built-in `sum` makes up for rounding, so that a search under it would not
  find, in the last bit, what it finds under 3.11: journals would differ.
  """
  return functools.reduce(operator.add, values, 0)
