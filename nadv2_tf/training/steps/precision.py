"""Mixed precision: layers compute in half precision, variables stay in float32."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import keras

if TYPE_CHECKING:
  from collections.abc import Iterator


@contextlib.contextmanager
def computing_in(mixed_precision: str) -> Iterator[None]:
  """Models that are made inside compute so.

  Args:
    mixed_precision: "none", "bfloat16" or "float16".
  """
  before = keras.config.dtype_policy()
  if mixed_precision != "none":
    keras.config.set_dtype_policy(f"mixed_{mixed_precision}")
  try:
    yield
  finally:
    keras.config.set_dtype_policy(before)


def with_loss_scale(
  optimizer: keras.optimizers.Optimizer, mixed_precision: str
) -> keras.optimizers.Optimizer:
  """The optimizer as `mixed_precision` needs it; to be built afterwards.

  Gradients in float16 underflow: there the loss is multiplied by a factor that is halved whenever
  a gradient is not finite (that step is left out) and doubled every 2000 good steps.
  """
  if mixed_precision != "float16":
    return optimizer
  return keras.optimizers.LossScaleOptimizer(optimizer)
