"""Fixed preprocessing that is part of a network: `x * scale + offset`, channel by channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.types import Tensor


def stand_alone(x: Tensor, scale: Sequence[float], offset: Sequence[float], name: str) -> Tensor:
  """In plain Keras, in which super-networks have it too; nothing of it is trained."""
  return keras.layers.Rescaling(_numbers(scale), _numbers(offset), name=name)(x)


def _numbers(values: Sequence[float]) -> float | list[float]:
  return values[0] if len(values) == 1 else list(values)
