"""One training step on the JAX backend, where the super-network runs masked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
from keras import ops

from nadv2_tf.training.jax_models import values_of
from nadv2_tf.training.recipe import kernels_of

if TYPE_CHECKING:
  from collections.abc import Callable, Mapping, Sequence
  from typing import Any

  import keras

  from nadv2_tf.tasks.task import Task
  from nadv2_tf.training.steps.distillation import Teacher
  from nadv2_tf.types import Tensor


def make_step(
  model: keras.Model,
  task: Task,
  optimizer: keras.optimizers.Optimizer,
  batch_size: int,
  sliced: Mapping[str, Any] | None,
  strategy: Any,
  jit_compile: bool,
  on_trace: Callable[[], None],
  teacher: Teacher | None = None,
  l2: float = 0.0,
) -> Callable[[Sequence[Tensor], Tensor], tuple[Tensor, Tensor]]:
  """A compiled step(inputs, targets) -> (loss, quality); model and optimizer are up to date after.

  Args: see `steps.tensorflow.make_step`; `strategy` is one device, `jit_compile` always holds,
  `sliced` is None (`check_execution` refuses it).

  Raises:
    ValueError: for float16's scaled loss.
  """
  if hasattr(optimizer, "inner_optimizer"):
    raise ValueError(
      "--mixed_precision=float16 needs the TensorFlow backend; with KERAS_BACKEND=jax use bfloat16."
    )

  taught_by = _frozen(teacher)
  decayed = {variable.path for variable in kernels_of(model.trainable_variables)}

  def loss_of(trainable, others, inputs, targets):
    taught = teacher and taught_by(inputs[0])
    inputs = list(inputs) if len(inputs) > 1 else inputs[0]
    outputs, others = model.stateless_call(trainable, others, inputs, training=True)
    outputs = ops.cast(outputs, "float32")
    losses = task.loss(targets, outputs)
    if teacher:
      losses = (1 - teacher.share) * losses + teacher.share * task.imitation(taught, outputs)
    loss = ops.sum(losses) / batch_size
    quality = ops.sum(task.quality(targets, outputs)) / batch_size
    squares = sum(
      ops.sum(ops.square(value))
      for value, variable in zip(trainable, model.trainable_variables, strict=True)
      if l2 and variable.path in decayed
    )
    return loss + 0.5 * l2 * squares, (loss, quality, others)

  @jax.jit
  def compiled(trainable, others, state, inputs, targets):
    on_trace()
    differentiate = jax.value_and_grad(loss_of, has_aux=True)
    (_, (loss, quality, others)), found = differentiate(trainable, others, inputs, targets)
    trainable, state = optimizer.stateless_apply(state, found, trainable)
    return loss, quality, (trainable, others, state)

  groups = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)

  def step(inputs: Sequence[Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
    values = ([variable.value for variable in variables] for variables in groups)
    loss, quality, new = compiled(*values, inputs, targets)
    for variables, values in zip(groups, new, strict=True):
      for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return loss, quality

  return step


def _frozen(teacher: Teacher | None) -> Any:
  """The teacher's outputs as a function of images, part of whatever is compiled around it."""
  if not teacher:
    return None
  values = values_of(teacher.model)
  return lambda images: teacher.model.stateless_call(*values, images, training=False)[0]
