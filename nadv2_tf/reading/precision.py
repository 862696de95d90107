"""Models computed in another precision than their own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import keras

if TYPE_CHECKING:
  from collections.abc import Iterator
  from typing import Any

HALF = ("float16", "bfloat16")
POLICIES = (*HALF, "mixed_float16", "mixed_bfloat16", "float32", "float64")


def in_single_precision(model: keras.Model) -> keras.Model:
  """The same model computed in float32; `model` itself unless it is of half precision.

  What is rounded to half precision differs by a thousandth from what is read of the same weights.
  """
  layers = [item for item in model._flatten_layers() if type(item) is not keras.layers.InputLayer]
  if not any(layer.compute_dtype in HALF for layer in layers):
    return model
  return in_precision(model, "float32")


def in_precision(model: keras.Model, policy: str) -> keras.Model:
  """A copy of a functional or Sequential model under another dtype policy, with its weights."""
  copy = type(model).from_config(_with_policy(model.get_config(), policy))
  copy.set_weights(model.get_weights())
  return copy


def _with_policy(config: Any, policy: str) -> Any:
  if isinstance(config, dict):
    return {name: _with_policy(value, policy) for name, value in config.items()}
  if isinstance(config, (list, tuple)):
    return type(config)(_with_policy(value, policy) for value in config)
  return policy if isinstance(config, str) and config in POLICIES else config


def double_precision() -> contextlib.AbstractContextManager[None]:
  """Models that are built meanwhile are of float64."""
  return _building_in("float64")


def single_precision() -> contextlib.AbstractContextManager[None]:
  """Models that are built meanwhile are of float32, whatever policy the user's program has set."""
  return _building_in("float32")


@contextlib.contextmanager
def _building_in(kind: str) -> Iterator[None]:
  floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
  keras.config.set_floatx(kind)
  keras.config.set_dtype_policy(kind)
  try:
    yield
  finally:
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)
