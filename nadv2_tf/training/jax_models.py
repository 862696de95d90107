"""Keras models as compiled functions on the JAX backend."""

import jax


def values_of(model):
  """[values of the trainable variables, values of the others]."""
  groups = (model.trainable_variables, model.non_trainable_variables)
  return [[variable.value for variable in variables] for variables in groups]


def compiled(model, training):
  """A function of inputs -> (outputs, values of the variables that are not trained, after it).

  It reads the variables whenever it is called, and moves none.
  """
  run = jax.jit(lambda *values: model.stateless_call(*values, training=training))
  return lambda inputs: run(*values_of(model), inputs)
