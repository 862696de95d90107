"""Models that compute in half precision, as they are in single precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from typing import Any

  import keras

POLICIES = {
  **{"mixed_float16": "float32", "mixed_bfloat16": "float32"},
  **{"float16": "float32", "bfloat16": "float32"},
}


def is_half(model: keras.Model) -> bool:
  return any(
    layer.compute_dtype in POLICIES
    for layer in model._flatten_layers()
    if layer.__class__.__name__ != "InputLayer"
  )


def in_single_precision(model: keras.Model) -> keras.Model:
  """The same model computed in float32; `model` itself if it is already.

  What is rounded to half precision differs by a thousandth from what is read of the same weights.
  """
  if not is_half(model):
    return model
  copy = type(model).from_config(_single(model.get_config()))
  copy.set_weights(model.get_weights())
  return copy


def _single(config: Any) -> Any:
  if isinstance(config, dict):
    return {name: _single(value) for name, value in config.items()}
  if isinstance(config, (list, tuple)):
    return type(config)(map(_single, config))
  return POLICIES.get(config, config) if isinstance(config, str) else config
