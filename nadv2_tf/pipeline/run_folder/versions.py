"""What a result depends on: versions of packages, and the commit of a checkout."""

from __future__ import annotations

import importlib.metadata
import pathlib
import platform
import subprocess

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
