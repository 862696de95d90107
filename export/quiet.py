"""Keeps C++ log lines off the terminal: they come from below Python and cannot be filtered."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Iterator


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
  """Sends the process's standard error to nowhere; Python's own exceptions are not affected."""
  saved = os.dup(2)
  with open(os.devnull, "wb") as sink:  # noqa: PTH123
    os.dup2(sink.fileno(), 2)
  try:
    yield
  finally:
    os.dup2(saved, 2)
    os.close(saved)
