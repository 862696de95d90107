"""What a model that cannot be read raises."""

from __future__ import annotations


class ReadError(ValueError):
  """One line: the first layer that has no place, and what would be understood there."""
