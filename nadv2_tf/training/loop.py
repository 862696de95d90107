"""One training loop for super-networks and stand-alone networks, under any tf.distribute strategy.

A loop of `strategy.run` with the Keras optimizer's `apply` serves one device, several devices and
several machines alike; Keras 3's `fit` fails under MultiWorkerMirroredStrategy.
"""

import contextlib
import dataclasses
import functools
import itertools

import numpy as np
import tensorflow as tf

from nadv2_tf.models import check_widths
from nadv2_tf.tasks.examples import epoch_batches
from nadv2_tf.training.checkpoints import MemoryCheckpoints
from nadv2_tf.training.collapse import WINDOW, answers_alike
from nadv2_tf.training.gradients import check_execution, gradients, sliced_gradients
from nadv2_tf.training.interruption import Stopped, finished
from nadv2_tf.training.state import Diverged, TrainingState, restore_variables
from nadv2_tf.training.tracing import traced


class TrainingDiverged(RuntimeError):
  """The training diverged again after it was set back; the model has the last good weights."""


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
    distillation: share of a sliced super-network's loss that compares every sub-network with the
      full network on the same images; 0 for none.
    execution: how a super-network runs, one of `EXECUTIONS`: all channels with masks, or each
      group of images with its sub-network's own narrower weights.

  Raises:
    ValueError: for "sliced" if every image has a sub-network of its own, or no sampler is given;
      for distillation or a sampler's own kernels with masked execution.
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
  ):
    check_execution(execution, sampler, distillation)
    self._distillation = distillation
    self._execution = execution
    self._model = model
    self._task = task
    self._recipe = recipe
    self._sampler = sampler
    self._strategy = strategy or tf.distribute.get_strategy()
    self._seed = seed
    self.traces = 0
    #: the `TrainingState` of the last `run`
    self.state = None

  def run(self, examples, report=None, report_every=10, checkpoints=None):
    """Trains for the recipe's epochs, or goes on from the newest checkpoint.

    On one machine a training that went on ends with the weights of an undisturbed one, to the bit:
    batches, augmentation and widths are functions of step and seed. After NaN, infinity or a
    collapse it goes back to the newest checkpoint, once, with half the learning rate.

    Args:
      examples: the training `Examples`.
      report: called with a `StepReport` every `report_every` steps and after the last.
      checkpoints: `Checkpoints`; None keeps the last epoch's start in memory.

    Returns:
      The list of all `StepReport`s, those before the checkpoint included.

    Raises:
      TrainingDiverged: if that happens again; the weights are those of the newest checkpoint.
      CheckpointError: if the checkpoints are damaged or of another training.
      Stopped: by SIGTERM or Ctrl-C (see `interruption`), after the step, when all is saved.
    """
    steps, epoch = self._recipe.steps(len(examples)), len(examples) // self._recipe.batch_size
    checkpoints = checkpoints or MemoryCheckpoints(epoch)
    self.state = state = TrainingState(steps, self._recipe.batch_size, min(WINDOW, epoch))
    newest = checkpoints.latest()
    if newest:
      state.read(newest)
      checkpoints.tell(f"going on from the checkpoint of {state.place}")
    while True:
      optimizer = self._make_optimizer(examples, 0.5 ** len(state.setbacks))
      if newest:
        restore_variables(newest, self._model, optimizer)
      if not newest or newest.state["setbacks"] != state.setbacks:
        checkpoints.save(state.checkpoint(self._model, optimizer))
      try:
        self._train(examples, optimizer, checkpoints, report, report_every)
        if self._recipe.ema and steps:
          optimizer.finalize_variable_values(self._model.trainable_variables)
        return state.reports
      except Diverged as seen:
        newest = self._set_back(seen, optimizer, checkpoints)

  def _make_optimizer(self, examples, share_of_rate):
    recipe = dataclasses.replace(
      self._recipe, learning_rate=self._recipe.learning_rate * share_of_rate
    )
    with self._strategy.scope():
      return recipe.make_optimizer(len(examples), self._model.trainable_variables)

  def _train(self, examples, optimizer, checkpoints, report, report_every):
    """From the state's step to the last; raises `Diverged` for what must not go on."""
    state, train_step = self.state, self._traced_step(optimizer)
    batches = self._batches(examples, state.step)
    try:
      while state.step < state.steps:
        batch = next(batches)
        with finished():
          loss, quality = (float(value) for value in train_step(*self._distributed(batch)))
          if state.add(loss, quality):
            self._check_collapse(batch)
          if state.step % report_every == 0 or state.step == state.steps:
            news = state.report()
            if report:
              report(news)
          if checkpoints.is_due(state.step):
            checkpoints.save(state.checkpoint(self._model, optimizer))
    except Stopped as stop:
      if stop.is_clean:
        with contextlib.suppress(Diverged):  # then the checkpoint before is the good one
          checkpoints.save(state.checkpoint(self._model, optimizer))
          stop.saved = f"{state.place} is saved in {checkpoints.place}"
      raise

  def _check_collapse(self, batch):
    (images, *_), _ = batch
    space = self._sampler and self._sampler.space
    if answers_alike(self._model, images, space):
      state = self.state
      seen = f"the network gave all images the same outputs at {state.place}"
      raise Diverged(seen, before=state.step - state.window)

  def _set_back(self, seen, optimizer, checkpoints):
    """Takes the newest checkpoint over and returns it; the second time `TrainingDiverged`."""
    state, newest = self.state, checkpoints.latest(seen.before)
    state.read(newest)
    if state.setbacks:
      restore_variables(newest, self._model, optimizer)
      raise TrainingDiverged(
        f"{seen}, after half the learning rate was tried ({'; '.join(state.setbacks)}). The "
        f"weights of step {state.step} are kept. Try a lower --learning_rate than "
        f"{self._recipe.learning_rate:g}."
      )
    state.setbacks.append(str(seen))
    checkpoints.tell(f"{seen}: going back to {state.place}, with half the learning rate")
    return newest

  def _batches(self, examples, step=0):
    """Yields (inputs, targets) without end, epoch after epoch, from `step` on."""
    size = self._recipe.batch_size
    epoch, skipped = divmod(step, len(examples) // size)
    while True:
      batches = epoch_batches(examples, size, self._seed, epoch)
      for batch in itertools.islice(batches, skipped, None):
        rng = np.random.default_rng([self._seed, 4, step])
        batch = self._task.augment(batch, rng, self._recipe.shift)
        images = batch.inputs()
        if self._sampler is None:
          yield (images,), batch.labels
        else:
          widths = self._sampler.batch(step)
          if self._execution == "masked":
            check_widths(self._sampler.space, widths)
          yield (images, widths), batch.labels
        step += 1
      epoch, skipped = epoch + 1, 0

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
      find = functools.partial(
        sliced_gradients,
        model,
        task,
        size,
        self._sampler.subnetworks,
        distillation=self._distillation,
      )
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

    return traced(step)
