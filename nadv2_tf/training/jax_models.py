"""Keras models as compiled functions on the JAX backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax

if TYPE_CHECKING:
  from collections.abc import Callable

  import keras

  from nadv2_tf.types import Tensor


def values_of(model: keras.Model) -> list[list[Tensor]]:
  """[values of the trainable variables, values of the others]."""
  groups = (model.trainable_variables, model.non_trainable_variables)
  return [[variable.value for variable in variables] for variables in groups]


def compiled(model: keras.Model, training: bool) -> Callable[[Tensor], tuple[Tensor, list[Tensor]]]:
  """A function of inputs -> (outputs, values of the variables that are not trained, after it).

  It reads the variables whenever it is called, and moves none.
  """
  run = jax.jit(lambda *values: model.stateless_call(*values, training=training))
  return lambda inputs: run(*values_of(model), inputs)
