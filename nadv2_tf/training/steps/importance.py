"""What several networks make of the same images: their likelihoods, and one gradient of them all.

P(y|X) is the mean of P(y|X, A_k) over K networks A_k. The gradient of -log P(y|X) with respect to
the weights that they share is the sum of m_k times the gradients of -log P(y|X, A_k), where m_k,
the importance weight of a network, is its share in the sum of all K likelihoods. The likelihood of
an image's label is exp(-loss), which is its probability where the loss is a cross entropy.

Source: FP-NAS, Yan et al., CVPR 2021, section 3.1. Each network runs with its own narrower weights,
one after the other, so that kernel sizes may differ and one trace serves every K.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from nadv2_tf.training.recipe import kernels_of
from nadv2_tf.training.steps.sliced import run_sliced

if TYPE_CHECKING:
  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.tasks.task import Task
  from nadv2_tf.training.steps.distillation import Teacher
  from nadv2_tf.types import Tensor


def weighted_gradients(
  model: SuperNetwork,
  task: Task,
  images: Tensor,
  targets: Tensor,
  rows: Tensor,
  dropout_seed: Tensor | None = None,
  teacher: Teacher | None = None,
  l2: float = 0.0,
) -> tuple[Tensor, Tensor, list[Tensor]]:
  """(loss, quality, gradients) of K networks on the same images, as one step trains them.

  Args:
    model: a `SuperNetwork`.
    task: gives `loss` and `quality`.
    images, targets: of n images.
    rows: int32 [K, decisions], `space.encode(spec)` of each network; may be a tensor of unknown K.
    dropout_seed: see `run_sliced`; each network has a seed of its own.
    teacher: a `Teacher` that is imitated, or None. The importance weights are of the labels alone.
    l2: see `Recipe`.

  Returns:
    loss, -log P(y|X) / n; quality, the mean of the networks' by their importance; for every
    trainable variable the sum over the networks of m_k times the gradient of the loss of network k
    (the mean over the images, with the share that imitates).
  """
  variables, count = model.trainable_variables, tf.shape(rows)[0]
  taught = teacher and teacher.model(images, training=False)

  def add_network(k: Tensor, whole: Tensor, quality: Tensor, *sums: Tensor) -> tuple[Tensor, ...]:
    seed = None if dropout_seed is None else dropout_seed + tf.stack([0, k])
    with tf.GradientTape() as tape:
      outputs = run_sliced(model, images, rows[k], training=True, dropout_seed=seed)
      of_labels = losses = task.loss(targets, outputs)
      if teacher:
        losses = (1 - teacher.share) * losses + teacher.share * task.imitation(taught, outputs)
      loss = tf.reduce_mean(losses)
    # A removed block's weights have no part in the loss.
    found = tape.gradient(loss, variables, unconnected_gradients="zero")
    own, own_quality = -tf.reduce_sum(of_labels), tf.reduce_mean(task.quality(targets, outputs))
    # Likelihoods of a hundred images underflow, so `whole` is the logarithm of their sum so far.
    # What was added up with shares in that sum gets its share in the new one.
    new = _log_add(whole, own)
    before, now = tf.exp(whole - new), tf.exp(own - new)
    return (
      k + 1,
      new,
      before * quality + now * own_quality,
      *(
        before * total + now * tf.convert_to_tensor(value)
        for total, value in zip(sums, found, strict=True)
      ),
    )

  zeros = [tf.zeros(variable.shape, variable.dtype) for variable in variables]
  nothing = tf.constant(float("-inf"))
  _, whole, quality, *sums = tf.while_loop(
    lambda k, *_: k < count, add_network, (0, nothing, 0.0, *zeros), parallel_iterations=1
  )
  if l2:
    decayed = {variable.path for variable in kernels_of(variables)}
    sums = [
      total + l2 * variable if variable.path in decayed else total
      for total, variable in zip(sums, variables, strict=True)
    ]
  loss = (tf.math.log(tf.cast(count, tf.float32)) - whole) / tf.cast(
    tf.shape(images)[0], tf.float32
  )
  return loss, quality, sums


def log_likelihoods(
  model: SuperNetwork, task: Task, images: Tensor, targets: Tensor, rows: Tensor
) -> Tensor:
  """log P(y|X, A_k) of each of K networks on the same images, float32 [K].

  Dropout is off, and batch norm takes the statistics of the images.

  Args: see `weighted_gradients`.
  """
  count = tf.shape(rows)[0]

  def add_network(k: Tensor, found: tf.TensorArray) -> tuple[Tensor, tf.TensorArray]:
    losses = task.loss(targets, run_sliced(model, images, rows[k]))
    return k + 1, found.write(k, -tf.reduce_sum(losses))

  _, found = tf.while_loop(
    lambda k, _: k < count,
    add_network,
    (0, tf.TensorArray(tf.float32, size=count, element_shape=())),
    parallel_iterations=1,
  )
  return found.stack()


def _log_add(one: Tensor, other: Tensor) -> Tensor:
  """log(exp(one) + exp(other)); `one` may be -inf."""
  largest, smallest = tf.maximum(one, other), tf.minimum(one, other)
  return largest + tf.math.log1p(tf.exp(smallest - largest))
