"""One training loop for super-networks and stand-alone networks, under any tf.distribute strategy.

A loop of `strategy.run` with the Keras optimizer's `apply` serves one device, several devices and
several machines alike; Keras 3's `fit` fails under MultiWorkerMirroredStrategy. What a step does on
the backend in use is in `tensorflow_steps.py` and `jax_steps.py`; here is no word of either.
"""

import dataclasses
import math

import numpy as np

from nadv2_tf.models import check_widths
from nadv2_tf.tasks.augmentation import Augmentation
from nadv2_tf.training import strategies
from nadv2_tf.training.execution import check_execution


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
    task: gives `loss` and `quality`.
    recipe: a `Recipe`.
    sampler: a `WidthSampler`, or None for a stand-alone network.
    strategy: what `make_strategy` gives; None for one device. Each replica takes its part of the
      rows of every global batch, in order.
    seed: of shuffling and augmentation.
    distillation: share of a sliced super-network's loss that compares every sub-network with the
      full network on the same images; 0 for none.
    execution: how a super-network runs, one of `EXECUTIONS`: all channels with masks, or each
      group of images with its sub-network's own narrower weights.
    jit_compile: compile a step's loss and gradients with XLA.

  Raises:
    ValueError: for "sliced" if every image has a sub-network of its own, or no sampler is given, or
      the step is to be compiled; for distillation or a sampler's own kernels with masked execution;
      for a batch that does not divide among the replicas.
  """

  def __init__(
    self,
    model,
    task,
    recipe,
    sampler=None,
    strategy=None,
    seed=0,
    execution="masked",
    distillation=0.0,
    jit_compile=False,
  ):
    strategy = strategy or strategies.make_strategy("one")
    subnetworks = sampler.subnetworks if sampler else None
    check_execution(execution, sampler, distillation, jit_compile, recipe.mixed_precision)
    strategies.check_replicas(strategy, recipe.batch_size, subnetworks, execution)
    self._distillation = distillation
    self._execution = execution
    self._jit_compile = jit_compile
    self._model = model
    self._task = task
    self._recipe = recipe
    self._sampler = sampler
    self._strategy = strategy
    self._seed = seed
    self.traces = 0

  def run(self, examples, report=None, report_every=10):
    """Trains for the recipe's epochs.

    Args:
      examples: the training `Examples` or `StreamedExamples`.
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
    if self._recipe.ema and steps:
      optimizer.finalize_variable_values(self._model.trainable_variables)
    return reports

  def _batches(self, examples, step=0):
    """Yields (inputs, targets) without end, epoch after epoch, from `step` on."""
    recipe = self._recipe
    augmentation = Augmentation(recipe.augmentation, recipe.shift)
    rows = strategies.own_rows(self._strategy, recipe.batch_size)
    batches = examples.training_batches(recipe.batch_size, augmentation, self._seed, step, rows)
    for images, labels in batches:
      if self._sampler is None:
        yield (images,), labels
      else:
        widths = self._sampler.batch(step)
        if self._execution == "masked":
          check_widths(self._sampler.space, widths)
        yield (images, widths), labels
      step += 1

  def _distributed(self, batch):
    """The batch as it is for one replica; else each replica's rows of it."""
    if self._strategy.num_replicas_in_sync == 1:
      return batch
    from nadv2_tf.training.tensorflow_steps import rows_of_replicas

    return rows_of_replicas(self._strategy, batch, self._recipe.batch_size)

  def _traced_step(self, optimizer):
    """step(inputs, targets) -> loss and quality of the global batch; the weights have moved."""
    if strategies.on_tensorflow():
      from nadv2_tf.training.tensorflow_steps import make_step
    else:
      from nadv2_tf.training.jax_steps import make_step

    def count():
      self.traces += 1

    sliced = None
    if self._execution == "sliced":
      sliced = {"subnetworks": self._sampler.subnetworks, "distillation": self._distillation}
    return make_step(
      self._model,
      self._task,
      optimizer,
      self._recipe.batch_size,
      sliced,
      self._strategy,
      self._jit_compile,
      count,
    )
