"""The hold-out's loss with shares of all options of a network, and its slopes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from nadv2_tf.models.relaxed import run_relaxed
from nadv2_tf.training.scoring.evaluation import batch_of
from nadv2_tf.training.steps.tracing import traced

if TYPE_CHECKING:
  from numpy.typing import ArrayLike

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.task import Task
  from nadv2_tf.types import Tensor


class RelaxedLoss:
  """What a `SlopingEvaluator` gives, with the weights of a super-network as they are.

  It is computed on one device, whatever the strategy is. One trace serves all shares.

  Args:
    super_model: the super-network.
    task: gives `loss`.
    holdout: `Examples`.
  """

  def __init__(self, super_model: SuperNetwork, task: Task, holdout: Examples) -> None:
    self._model, self._task, self._holdout = super_model, task, holdout
    self._run = traced(self._loss_and_slopes)
    self.traces = 0

  def __call__(self, shares: ArrayLike, batch: int, images: int) -> tuple[float, np.ndarray]:
    """See `SlopingEvaluator.loss_slopes`."""
    examples = batch_of(self._holdout, batch, images)
    inputs = (examples.inputs(), examples.labels, np.asarray(shares, np.float32))
    loss, slopes = self._run(*map(tf.constant, inputs))
    return float(loss), slopes.numpy()

  def _loss_and_slopes(
    self, images: Tensor, labels: Tensor, shares: Tensor
  ) -> tuple[Tensor, Tensor]:
    self.traces += 1
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(shares)
      outputs = run_relaxed(self._model, images, shares)
      loss = tf.reduce_mean(self._task.loss(labels, outputs))
    # A decision that no output hangs on has slopes of 0.
    return loss, tape.gradient(loss, shares, unconnected_gradients="zero")
