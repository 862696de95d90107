"""What a result depends on: versions of packages, and the commit of a checkout."""

from __future__ import annotations

import importlib.metadata
import pathlib
import platform
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Mapping

PACKAGES = ("nadv2-tf", "tensorflow", "keras", "ai-edge-litert", "numpy")


def versions() -> dict[str, str | None]:
  """Versions of what a result depends on, and the commit if this is a checkout."""
  found: dict[str, str | None] = {"python": platform.python_version()}
  for package in PACKAGES:
    try:
      found[package] = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
      found[package] = None
  found["commit"] = _commit()
  return found


def changed(before: Mapping[str, str | None], now: Mapping[str, str | None]) -> str:
  """What is another version now than it was, as text such as "python 3.11.7, now 3.13.0"; or ""."""
  return "; ".join(
    f"{name} {before[name] or 'none'}, now {now.get(name) or 'none'}"
    for name in before
    if before[name] != now.get(name)
  )


def _commit() -> str | None:
  root = pathlib.Path(__file__).resolve().parents[3]
  if not (root / ".git").exists():
    return None
  command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
  try:
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
  except OSError:
    return None
  return done.stdout.strip() or None
