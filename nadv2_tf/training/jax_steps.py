"""One training step on the JAX backend, where the super-network runs masked."""

import jax
from keras import ops


def make_step(
  model, task, optimizer, batch_size, sliced, strategy, jit_compile, on_trace, teacher=None
):
  """A compiled step(inputs, targets) -> (loss, quality); model and optimizer are up to date after.

  Args: see `tensorflow_steps.make_step`; `strategy` is one device, `jit_compile` always holds,
  `sliced` and `teacher` are None (`check_execution` and `check_share` refuse them).

  Raises:
    ValueError: for float16's scaled loss.
  """
  if hasattr(optimizer, "inner_optimizer"):
    raise ValueError(
      "--mixed_precision=float16 needs the TensorFlow backend; with KERAS_BACKEND=jax use bfloat16."
    )

  def loss_of(trainable, others, inputs, targets):
    inputs = list(inputs) if len(inputs) > 1 else inputs[0]
    outputs, others = model.stateless_call(trainable, others, inputs, training=True)
    outputs = ops.cast(outputs, "float32")
    loss = ops.sum(task.loss(targets, outputs)) / batch_size
    quality = ops.sum(task.quality(targets, outputs)) / batch_size
    return loss, (quality, others)

  @jax.jit
  def compiled(trainable, others, state, inputs, targets):
    on_trace()
    differentiate = jax.value_and_grad(loss_of, has_aux=True)
    (loss, (quality, others)), found = differentiate(trainable, others, inputs, targets)
    trainable, state = optimizer.stateless_apply(state, found, trainable)
    return loss, quality, (trainable, others, state)

  groups = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)

  def step(inputs, targets):
    values = ([variable.value for variable in variables] for variables in groups)
    loss, quality, new = compiled(*values, inputs, targets)
    for variables, values in zip(groups, new, strict=True):
      for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return loss, quality

  return step
