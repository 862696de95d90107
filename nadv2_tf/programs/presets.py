"""--preset=NAME: flags that belong together, from a file of the package."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Iterable


def names() -> list[str]:
  """Of all presets."""
  return sorted(path.stem for path in _folder().glob("*.flags"))


def expanded(arguments: Iterable[str]) -> list[str]:
  """`arguments` with a --flagfile in the place of every --preset; flags after it overrule it.

  Raises:
    ValueError: if there is no such preset.
  """
  found, left = [], list(arguments)
  while left:
    argument = left.pop(0)
    flag, given, value = argument.partition("=")
    if flag.lstrip("-") != "preset" or not flag.startswith("-"):
      found.append(argument)
      continue
    if not given:
      value = left.pop(0) if left else ""
    if value not in names():
      raise ValueError(f"--preset must be one of {', '.join(names())}, got {value!r}.")
    found.append(f"--flagfile={_folder() / value}.flags")
  return found


def _folder() -> pathlib.Path:
  from nadv2_tf import flags

  return pathlib.Path(flags.__file__).with_name("presets")
