"""What a model that cannot be read raises."""

from __future__ import annotations

import re

#: of what Keras says; it quotes descriptions of any length
LONGEST_REASON = 300


class ReadError(ValueError):
  """One line: the first layer that has no place, and what would be understood there."""


def innermost(text: str) -> str:
  """In short the last of the errors that Keras wraps in each other, and the layer it is of."""
  *_, last = text.split("Exception encountered: ")
  layers = re.findall(r"deserializing class '(\w+)' using config=\{'name': '([^']+)'", text)
  if layers and last != text:
    kind, name = layers[-1]
    last = f"{kind} {name!r}: {last}"
  return last if len(last) <= LONGEST_REASON else f"{last[:LONGEST_REASON]} ..."
