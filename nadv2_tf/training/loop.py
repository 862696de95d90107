"""One training loop for super-networks and stand-alone networks, under any tf.distribute strategy.

A loop of `strategy.run` with the Keras optimizer's `apply` serves one device, several devices and
several machines alike; Keras 3's `fit` fails under MultiWorkerMirroredStrategy.
"""

import dataclasses
import functools
import math

import numpy as np
import tensorflow as tf

from nadv2_tf.models import check_widths
from nadv2_tf.tasks.examples import epoch_batches
from nadv2_tf.training.gradients import check_execution, gradients, sliced_gradients


class TrainingDiverged(RuntimeError):
  """The loss became NaN or infinite; the model has the last good weights."""


@dataclasses.dataclass(frozen=True)
class StepReport:
  """Progress of a training; loss and accuracy are means over the steps since the last report."""

  step: int
  steps: int
  images: int
  loss: float
  accuracy: float


class TrainingLoop:
  """Trains a model with a recipe.

  Args:
    model: Keras model of images, or of [images, widths] if `sampler` is given. With a strategy
      of several replicas it must have been made in its scope.
    task: gives `augment`, `loss` and `quality`.
    recipe: a `Recipe`.
    sampler: a `WidthSampler`, or None for a stand-alone network.
    strategy: a tf.distribute strategy; None for the default one. Each replica takes its part of
      the rows of every global batch, in order.
    seed: of shuffling and augmentation.
    execution: how a super-network runs, one of `EXECUTIONS`: all channels with masks, or each
      group of images with its sub-network's own narrower weights.

  Raises:
    ValueError: for "sliced" if every image has a sub-network of its own, or no sampler is given.
  """

  def __init__(self, model, task, recipe, sampler=None, strategy=None, seed=0, execution="masked"):
    check_execution(execution, sampler)
    self._execution = execution
    self._model = model
    self._task = task
    self._recipe = recipe
    self._sampler = sampler
    self._strategy = strategy or tf.distribute.get_strategy()
    self._seed = seed
    self.traces = 0

  def run(self, examples, report=None, report_every=10):
    """Trains for the recipe's epochs.

    Args:
      examples: the training `Examples`.
      report: called with a `StepReport` every `report_every` steps and after the last.

    Returns:
      The list of all `StepReport`s.

    Raises:
      TrainingDiverged: if the loss is not finite; the weights go back to the last epoch's start.
    """
    steps = self._recipe.steps(len(examples))
    with self._strategy.scope():
      optimizer = self._recipe.make_optimizer(len(examples), self._model.trainable_variables)
    train_step = self._traced_step(optimizer)
    reports, sums = [], np.zeros(3)
    good_weights = self._model.get_weights()
    for step, batch in zip(range(steps), self._batches(examples), strict=False):
      if step and step % (len(examples) // self._recipe.batch_size) == 0:
        good_weights = self._model.get_weights()
      loss, accuracy = (float(value) for value in train_step(*self._distributed(batch)))
      if not math.isfinite(loss):
        self._model.set_weights(good_weights)
        raise TrainingDiverged(
          f"The loss became {loss} at step {step + 1} of {steps}; the weights of the last whole "
          f"epoch are kept. Try a lower --learning_rate than {self._recipe.learning_rate:g}."
        )
      sums += (loss, accuracy, 1)
      if (step + 1) % report_every == 0 or step + 1 == steps:
        seen = (step + 1) * self._recipe.batch_size
        reports.append(StepReport(step + 1, steps, seen, *(sums[:2] / sums[2])))
        sums[:] = 0
        if report:
          report(reports[-1])
    return reports

  def _batches(self, examples):
    """Yields (inputs, targets) without end, epoch after epoch."""
    step = epoch = 0
    while True:
      for batch in epoch_batches(examples, self._recipe.batch_size, self._seed, epoch):
        rng = np.random.default_rng([self._seed, 4, step])
        batch = self._task.augment(batch, rng, self._recipe.shift)
        images = batch.inputs()
        if self._sampler is None:
          yield (images,), batch.labels
        else:
          widths = self._sampler.batch(step)
          check_widths(self._sampler.space, widths)
          yield (images, widths), batch.labels
        step += 1
      epoch += 1

  def _distributed(self, batch):
    """The batch as it is for one replica; else each replica's rows of it."""
    replicas = self._strategy.num_replicas_in_sync
    if replicas == 1:
      return batch
    rows = self._recipe.batch_size // replicas

    def part(context):
      start = context.replica_id_in_sync_group * rows
      return tf.nest.map_structure(lambda array: tf.constant(array[start : start + rows]), batch)

    return self._strategy.experimental_distribute_values_from_function(part)

  def _traced_step(self, optimizer):
    model, task, size = self._model, self._task, self._recipe.batch_size
    if self._execution == "sliced":
      find = functools.partial(sliced_gradients, model, task, size, self._sampler.subnetworks)
    else:
      find = functools.partial(gradients, model, task, size)

    def replica_step(inputs, targets):
      loss, quality, found = find(inputs, targets)
      optimizer.apply(found, model.trainable_variables)
      return loss, quality

    def step(*batch):
      self.traces += 1
      if self._strategy.num_replicas_in_sync == 1:
        return replica_step(*batch)
      values = self._strategy.run(replica_step, args=batch)
      return tuple(
        self._strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None) for value in values
      )

    # Keras layers need no AutoGraph, and without it a super-network is traced in two thirds of
    # the time.
    return tf.function(step, autograph=False)
