"""What dropout draws in a training that begins with the weights of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  import keras


def seed_dropout(model: keras.Model, seed: int) -> None:
  """Sets all seeds of Keras's own dropout layers: files of weights do not hold them.

  So a training that begins in the process of the one before draws what it draws after a kill.
  """
  for number, layer in enumerate(model.layers):
    generator = getattr(layer, "seed_generator", None)
    if generator is not None:
      state = generator.state
      state.assign(np.array([seed, number], dtype=str(state.dtype)))
