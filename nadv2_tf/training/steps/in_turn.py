"""The two halves of a step that trains weights and distribution in turn, traced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from nadv2_tf.training.steps.importance import log_likelihoods, weighted_gradients
from nadv2_tf.training.steps.tracing import traced

if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import Any

  import keras

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.tasks.task import Task
  from nadv2_tf.training.steps.distillation import Teacher
  from nadv2_tf.types import Tensor


def make_steps(
  model: SuperNetwork,
  task: Task,
  optimizer: keras.optimizers.Optimizer,
  teacher: Teacher | None,
  l2: float,
  on_trace: Callable[[], None],
) -> tuple[Callable[..., Any], Callable[..., Any]]:
  """(train, score), each traced once, for any number of networks and of images.

  train(images, targets, rows, dropout_seed) -> (loss, quality); the weights have moved.
  score(images, targets, rows) -> log-likelihood of each network.

  Args: see `weighted_gradients`; `optimizer` is built for the model's trainable variables,
  `on_trace` is called for each trace.
  """

  def train(
    images: Tensor, targets: Tensor, rows: Tensor, dropout_seed: Tensor
  ) -> tuple[Tensor, Tensor]:
    on_trace()
    loss, quality, found = weighted_gradients(
      model, task, images, targets, rows, dropout_seed, teacher, l2
    )
    optimizer.apply(found, model.trainable_variables)
    return loss, quality

  def score(images: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
    on_trace()
    return log_likelihoods(model, task, images, targets, rows)

  return _for_any_number(train), _for_any_number(score)


def _for_any_number(function: Callable[..., Any]) -> Callable[..., Any]:
  """`function` traced at its first call, for arguments of any length beside the last of 2."""
  made: list[Callable[..., Any]] = []

  def call(images: Any, targets: Any, rows: Any, *seed: Any) -> Any:
    if not made:
      arrays = (images, targets, rows)
      signature = [tf.TensorSpec((None, *one.shape[1:]), one.dtype) for one in arrays]
      signature += [tf.TensorSpec((2,), tf.int32) for _ in seed]
      made.append(traced(function, signature))
    return made[0](images, targets, rows, *seed)

  return call
