"""Fused updates give what Keras's own optimizers give, and go on from their state."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from nadv2_tf.training import fused_optimizers, strategies
from nadv2_tf.training.recipe import Recipe

SHAPES = ((3, 3, 4, 8), (8,), (8, 5))
SETTINGS = {
  "Adam": {},
  "SGD": {"momentum": 0.9, "nesterov": True},
  "RMSprop": {"rho": 0.9, "momentum": 0.9, "epsilon": 1e-3},
}
MORE = {"plain": {}, "decay and average": {"weight_decay": 1e-2, "use_ema": True}}


def _variables():
  rng = np.random.default_rng(0)
  return [keras.Variable(rng.normal(size=shape).astype("float32")) for shape in SHAPES]


def _gradients(step):
  rng = np.random.default_rng([1, step])
  # Over five decades: where Adam divides by the root of almost nothing, epsilon decides.
  return [
    tf.constant(rng.normal(size=shape) * 10.0 ** rng.integers(-5, 1, shape), tf.float32)
    for shape in SHAPES
  ]


def _optimizer(module, name, more):
  rate = keras.optimizers.schedules.CosineDecay(1e-3, 8, warmup_target=1e-2, warmup_steps=2)
  return getattr(module, name)(rate, **SETTINGS[name], **more)


def _step(optimizer, variables):
  optimizer.build(variables)
  return tf.function(lambda *gradients: optimizer.apply(list(gradients), variables))


def _values(optimizer, variables):
  return [variable.numpy() for variable in (*variables, *optimizer.variables)]


@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
@pytest.mark.parametrize("name", SETTINGS)
def test_ten_steps_equal_those_of_keras_and_state_can_be_exchanged(name, more):
  ours, theirs = _variables(), _variables()
  fused = _optimizer(fused_optimizers, name, more)
  plain = _optimizer(keras.optimizers, name, more)
  fused_step, plain_step = _step(fused, ours), _step(plain, theirs)
  for step in range(5):
    fused_step(*_gradients(step))
    plain_step(*_gradients(step))
  for mine, other in zip(_values(fused, ours), _values(plain, theirs), strict=True):
    np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-6)  # rounding of the formula's order
  # The state of Keras's optimizer goes on in a fused one.
  again = _variables()
  resumed = _optimizer(fused_optimizers, name, more)
  resumed_step = _step(resumed, again)
  for mine, other in zip((*again, *resumed.variables), _values(plain, theirs), strict=True):
    mine.assign(other)
  for step in range(5, 10):
    plain_step(*_gradients(step))
    resumed_step(*_gradients(step))
  for mine, other in zip(_values(resumed, again), _values(plain, theirs), strict=True):
    np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", SETTINGS)
def test_two_replicas_sum_their_gradients(name):
  strategy = strategies.make_strategy("mirrored")
  with strategy.scope():
    ours = _variables()
    fused = _optimizer(fused_optimizers, name, {})
    fused.build(ours)
  theirs = _variables()
  plain_step = _step(plain := _optimizer(keras.optimizers, name, {}), theirs)

  @tf.function(autograph=False)
  def replicas_step(*gradients):
    def apply(*whole):
      fused.apply([gradient / 2 for gradient in whole], ours)

    strategy.run(apply, args=gradients)

  for step in range(3):
    replicas_step(*_gradients(step))
    plain_step(*_gradients(step))
  for mine, other in zip(_values(fused, ours), _values(plain, theirs), strict=True):
    np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_an_update_is_one_operation_for_each_variable(optimizer):
  variables = _variables()
  made = Recipe(1, 4, optimizer).make_optimizer(8, variables)
  graph = tf.function(lambda: made.apply(_gradients(0), variables)).get_concrete_function().graph
  kinds = [operation.type for operation in graph.get_operations()]
  assert sum(kind.startswith("ResourceApply") for kind in kinds) == len(variables)


def test_other_types_are_refused():
  variable = keras.Variable(np.ones(3), dtype="float64")
  optimizer = fused_optimizers.Adam()
  optimizer.build([variable])
  with pytest.raises(TypeError, match="only dense float32"):
    optimizer.apply([tf.ones(3, tf.float64)], [variable])


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_the_graph_of_a_step_ends_with_its_training(optimizer):
  """Graphs that TensorFlow keeps are never freed: a run trains dozens of networks."""
  variables = _variables()
  made = Recipe(1, 4, optimizer).make_optimizer(8, variables)
  step = tf.function(lambda *gradients: made.apply(list(gradients), variables))
  graph = weakref.ref(step.get_concrete_function(*_gradients(0)).graph)
  step(*_gradients(0))
  assert graph() is not None
  del step
  gc.collect()
  assert graph() is None
