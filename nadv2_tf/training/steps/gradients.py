"""Loss and gradients of one batch: as the model runs it, or group by group with sliced weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from nadv2_tf.training.recipe import kernels_of
from nadv2_tf.training.steps.sliced import run_sliced

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence

  import keras

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.tasks.task import Task
  from nadv2_tf.training.steps.distillation import Teacher
  from nadv2_tf.types import Tensor


def gradients(
  model: keras.Model,
  task: Task,
  batch_size: int,
  inputs: Sequence[Tensor],
  targets: Tensor,
  scale: Callable[[Tensor], Tensor] | None = None,
  teacher: Teacher | None = None,
  l2: float = 0.0,
) -> tuple[Tensor, Tensor, list[Tensor]]:
  """(loss, quality, gradients) of one batch, or of one replica's part of it.

  Args:
    model: Keras model of images, or of [images, widths].
    task: gives `loss` and `quality`.
    batch_size: of the global batch; loss and quality are sums over the images, divided by it.
    inputs: (images,) or (images, widths).
    targets: of the images.
    scale: function of the loss whose gradients are taken; None for the loss itself.
    teacher: a `Teacher` whose outputs for the same images are imitated; None for labels alone.
    l2: see `Recipe`; divided among the replicas, whose gradients are summed.

  Returns:
    loss (not scaled, without l2) and quality, scalars; one gradient for every trainable variable.
  """
  taught = teacher and teacher.model(inputs[0], training=False)
  with tf.GradientTape() as tape:
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=True)
    outputs = tf.cast(outputs, "float32")  # whatever the layers compute in
    losses = task.loss(targets, outputs)
    if teacher:
      imitation = task.imitation(taught, outputs)
      losses = (1 - teacher.share) * losses + teacher.share * imitation
    loss = tf.reduce_sum(losses) / batch_size
    regular = loss + penalty(model, l2) if l2 else loss
    scaled = scale(regular) if scale else regular
  quality = tf.reduce_sum(task.quality(targets, outputs)) / batch_size
  return loss, quality, tape.gradient(scaled, model.trainable_variables)


def penalty(model: keras.Model, l2: float) -> Tensor:
  """`l2` times half the squares of the model's kernels."""
  return l2 * sum(tf.nn.l2_loss(kernel) for kernel in kernels_of(model.trainable_variables))


def sliced_gradients(
  model: SuperNetwork,
  task: Task,
  batch_size: int,
  subnetworks: int,
  inputs: Sequence[Tensor],
  targets: Tensor,
  distillation: float = 0.0,
  dropout_seed: Tensor | None = None,
  teacher: Teacher | None = None,
  l2: float = 0.0,
) -> tuple[Tensor, Tensor, list[Tensor]]:
  """The same for a super-network whose batch falls into groups with one sub-network each.

  Every group runs with its sub-network's own narrower weights.
  The result is that of the masked super-network with batch norm by group, to rounding; the running
  averages of batch norm, which nothing reads, are left alone.

  Args:
    subnetworks: G, groups of the global batch; rows of a group are neighbours and have equal
      `widths`.
    distillation: share of the loss that compares with the full network on the same images.
      Source: in-place distillation, Yu and Huang, Universally Slimmable Networks, ICCV 2019.
    dropout_seed: see `run_sliced`.
    l2: see `gradients`.
    teacher: a `Teacher` that all sub-networks imitate, in place of the full network as it is now.

  Others and returned values: see `gradients`.
  """
  images, widths = inputs
  rows = batch_size // subnetworks
  groups = images.shape[0] // rows
  variables = model.trainable_variables
  share = distillation
  if teacher:
    share, taught = teacher.share, teacher.model(images, training=False)
  elif distillation:
    largest = tf.constant(model.space.encode(model.space.largest()))
    taught = tf.stop_gradient(run_sliced(model, images, largest))

  def group_loss_of(outputs: Tensor, part: slice) -> Tensor:
    loss = task.loss(targets[part], outputs)
    if share:
      imitation = task.imitation(taught[part], outputs)
      loss = (1 - share) * loss + share * imitation
    return tf.reduce_sum(loss) / batch_size

  def add_group(group: Tensor, loss: Tensor, quality: Tensor, *sums: Tensor) -> tuple[Tensor, ...]:
    part = slice(group * rows, (group + 1) * rows)
    with tf.GradientTape() as tape:
      row = widths[group * rows]
      seed = None if dropout_seed is None else dropout_seed + [0, group]
      outputs = run_sliced(model, images[part], row, training=True, dropout_seed=seed)
      group_loss = group_loss_of(outputs, part)
    group_quality = tf.reduce_sum(task.quality(targets[part], outputs)) / batch_size
    # A removed block's weights have no part in the loss.
    found = tape.gradient(group_loss, variables, unconnected_gradients="zero")
    # A loop and not G copies of the network in the graph, which would take minutes to trace.
    return (
      group + 1,
      loss + group_loss,
      quality + group_quality,
      *(total + tf.convert_to_tensor(value) for total, value in zip(sums, found, strict=True)),
    )

  zeros = [tf.zeros(variable.shape, variable.dtype) for variable in variables]
  _, loss, quality, *sums = tf.while_loop(
    lambda group, *_: group < groups, add_group, (0, 0.0, 0.0, *zeros), parallel_iterations=1
  )
  if l2:
    decayed = {variable.path for variable in kernels_of(variables)}
    sums = [
      total + l2 * variable if variable.path in decayed else total
      for total, variable in zip(sums, variables, strict=True)
    ]
  return loss, quality, sums
