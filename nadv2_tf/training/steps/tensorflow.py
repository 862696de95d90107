"""One training step on TensorFlow, under any strategy."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import tensorflow as tf

from nadv2_tf.training.fused_norms import with_fused_norms
from nadv2_tf.training.steps.gradients import gradients, sliced_gradients
from nadv2_tf.training.steps.tracing import traced

if TYPE_CHECKING:
  from collections.abc import Callable, Mapping, Sequence
  from typing import Any

  import keras

  from nadv2_tf.tasks.task import Task
  from nadv2_tf.training.steps.distillation import Teacher
  from nadv2_tf.types import Tensor


def rows_of_replicas(strategy: Any, batch: Any, batch_size: int) -> Any:
  """Each replica's rows of a global batch, which every worker has made whole."""
  rows = batch_size // strategy.num_replicas_in_sync

  def part(context: Any) -> Any:
    start = context.replica_id_in_sync_group * rows
    return tf.nest.map_structure(lambda array: tf.constant(array[start : start + rows]), batch)

  return strategy.experimental_distribute_values_from_function(part)


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
  """A traced step(inputs, targets) -> (loss, quality) over the global batch.

  Args:
    model, task: what is trained, on what.
    optimizer: built for the model's trainable variables; each replica's gradients are summed.
    batch_size: of the global batch.
    sliced: for sliced execution "subnetworks" and "distillation", as `sliced_gradients` takes them,
      and "seed", of dropout; else None.
    strategy: a tf.distribute strategy.
    jit_compile: compile loss and gradients of a replica with XLA; updates are left to TensorFlow.
    on_trace: called whenever the step is traced.
    teacher: a `Teacher` that is imitated, or None.
    l2: see `Recipe`.
  """
  l2 /= strategy.num_replicas_in_sync
  find: Callable[..., tuple[Tensor, Tensor, list[Tensor]]]
  if sliced:
    find = functools.partial(
      sliced_gradients,
      model,
      task,
      batch_size,
      sliced["subnetworks"],
      distillation=sliced["distillation"],
      teacher=teacher,
      l2=l2,
    )
  else:
    scale = getattr(optimizer, "scale_loss", None)  # of float16; other optimizers scale by 1
    trained = with_fused_norms(model)
    find = functools.partial(
      gradients, trained, task, batch_size, scale=scale, teacher=teacher, l2=l2
    )
  if jit_compile:
    find = tf.function(find, autograph=False, jit_compile=True)

  def replica_step(inputs: Sequence[Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
    more = {"dropout_seed": _dropout_seed(sliced, optimizer, strategy)} if sliced else {}
    loss, quality, found = find(inputs, targets, **more)
    optimizer.apply(found, model.trainable_variables)
    return loss, quality

  def step(*batch: Any) -> tuple[Tensor, ...]:
    on_trace()
    if strategy.num_replicas_in_sync == 1:
      return replica_step(*batch)
    values = strategy.run(replica_step, args=batch)
    return tuple(strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None) for value in values)

  return traced(step)


def _dropout_seed(
  sliced: Mapping[str, Any], optimizer: keras.optimizers.Optimizer, strategy: Any
) -> Tensor:
  """int32 [2], another one for each step and replica, the same after a checkpoint as without it."""
  groups = sliced["subnetworks"] // strategy.num_replicas_in_sync
  replica = tf.distribute.get_replica_context().replica_id_in_sync_group
  number = tf.cast(optimizer.iterations, tf.int32) * sliced["subnetworks"] + replica * groups
  return tf.stack([tf.constant(sliced["seed"], tf.int32), number])
