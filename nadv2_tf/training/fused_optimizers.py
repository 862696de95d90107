"""Keras's optimizers with TensorFlow's own fused update of a variable, and the same numbers.

Keras writes an update of Adam as 37 operations on each variable; of a network with 219 variables
these are half of a training step's graph. TensorFlow has one operation for it, which computes the
same formula. State, schedule, weight decay, moving averages, loss scale and replicas stay Keras's:
a checkpoint of one form goes on in the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import tensorflow as tf

if TYPE_CHECKING:
  from nadv2_tf.types import Tensor


class _FusedUpdate(keras.optimizers.Optimizer):
  """Mixin of a Keras optimizer on the TensorFlow backend: scalars once a step, then one operation.

  `_scalars(rate)` gives what the updates of all variables share, as tensors: Python numbers would
  become constants for each. `_fused(variable, gradient, *scalars)` updates one.
  """

  def _backend_update_step(self, grads, trainable_variables, learning_rate):
    # Keras passes the rate through to every `update_step`, to each replica its own.
    scalars = self._scalars(tf.cast(learning_rate, tf.float32))
    super()._backend_update_step(grads, trainable_variables, scalars)

  def _all_reduce_sum_gradients(self, grads_and_vars):
    # One replica has nothing to sum. TensorFlow would register the gradient of its sum all the
    # same, and with it keep the step's graph until the process ends: 70 MB for each network.
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
      return grads_and_vars
    return super()._all_reduce_sum_gradients(grads_and_vars)

  def update_step(
    self, gradient: Tensor, variable: keras.Variable, learning_rate: tuple[Tensor, ...]
  ) -> None:
    """One variable's update; `learning_rate` is the tuple of `_scalars`.

    Raises:
      TypeError: for a variable that is not float32, or a sparse gradient.
    """
    if isinstance(gradient, tf.IndexedSlices) or variable.dtype != tf.float32:
      raise TypeError(f"{variable.name}: only dense float32 variables can be updated.")
    self._fused(variable, tf.cast(gradient, tf.float32), *learning_rate)

  def _state_of(self, variables, variable):
    """The handle of an optimizer's variable that belongs to `variable`, on the same replica."""
    return variables[self._get_variable_index(variable)].value.handle


class Adam(_FusedUpdate, keras.optimizers.Adam):
  """`keras.optimizers.Adam`."""

  def _scalars(self, rate):
    step = tf.cast(self.iterations.value + 1, tf.float32)
    numbers = tuple(map(tf.constant, (self.beta_1, self.beta_2, self.epsilon)))
    return rate, tf.pow(self.beta_1, step), tf.pow(self.beta_2, step), *numbers

  def _fused(self, variable, gradient, rate, beta_1_power, beta_2_power, beta_1, beta_2, epsilon):
    tf.raw_ops.ResourceApplyAdam(
      var=variable.handle,
      m=self._state_of(self._momentums, variable),
      v=self._state_of(self._velocities, variable),
      beta1_power=beta_1_power,
      beta2_power=beta_2_power,
      lr=rate,
      beta1=beta_1,
      beta2=beta_2,
      epsilon=epsilon,
      grad=gradient,
    )


class SGD(_FusedUpdate, keras.optimizers.SGD):
  """`keras.optimizers.SGD` with a momentum above 0."""

  def _scalars(self, rate):
    return rate, tf.constant(self.momentum)

  def _fused(self, variable, gradient, rate, momentum):
    tf.raw_ops.ResourceApplyKerasMomentum(
      var=variable.handle,
      accum=self._state_of(self.momentums, variable),
      lr=rate,
      grad=gradient,
      momentum=momentum,
      use_nesterov=self.nesterov,
    )


class RMSprop(_FusedUpdate, keras.optimizers.RMSprop):
  """`keras.optimizers.RMSprop` with a momentum above 0, not centred."""

  def _scalars(self, rate):
    return rate, *map(tf.constant, (self.rho, self.momentum, self.epsilon))

  def _fused(self, variable, gradient, rate, rho, momentum, epsilon):
    tf.raw_ops.ResourceApplyRMSProp(
      var=variable.handle,
      ms=self._state_of(self._velocities, variable),
      mom=self._state_of(self._momentums, variable),
      lr=rate,
      rho=rho,
      momentum=momentum,
      epsilon=epsilon,
      grad=gradient,
    )
