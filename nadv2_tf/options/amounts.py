"""Amounts as their user writes them: 30, 225e6, 225M, 50%."""

import math
import re

SUFFIXES = {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}


def number_of(flag: str, hint: str, text: str, largest: float) -> float:
  """`text` as a number above 0: 30, 225e6, 225M, or a share of `largest` in per cent.

  Raises:
    ValueError: naming `flag`, if it is none of these.
  """
  match = re.fullmatch(r"(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)\s*([kKMG%]?)", text.strip())
  if not match or not 0 < float(match[1]) < math.inf:
    raise ValueError(f"{flag} must be a number above 0{hint}; got {text!r}.")
  value = float(match[1])
  return largest * value / 100 if match[2] == "%" else value * SUFFIXES[match[2]]
