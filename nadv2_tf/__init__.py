"""NetAdaptV2 in Keras and TensorFlow.

Sub-packages load when they are first used, so that counting starts without TensorFlow.
"""

import importlib
from typing import Any

_SUBPACKAGES = (
  "backbones",
  "benchmarks",
  "export",
  "layers",
  "models",
  "resources",
  "search",
  "spec",
  "tasks",
  "training",
)
_SPECS = ("NetworkSpec", "SearchSpace", "Skip")

__all__ = ["adapt", *_SUBPACKAGES, *_SPECS]


def __getattr__(name: str) -> Any:
  if name in _SUBPACKAGES:
    return importlib.import_module(f"nadv2_tf.{name}")
  if name in _SPECS:
    return getattr(importlib.import_module("nadv2_tf.spec"), name)
  if name == "adapt":
    return importlib.import_module("nadv2_tf.pipeline.adapt").adapt
  raise AttributeError(f"module 'nadv2_tf' has no attribute {name!r}")


def __dir__() -> list[str]:
  return sorted(__all__)
