"""One training loop for super-networks and stand-alone networks, under any tf.distribute strategy.

A loop of `strategy.run` with the Keras optimizer's `apply` serves one device, several devices and
several machines alike; Keras 3's `fit` fails under MultiWorkerMirroredStrategy. What a step does on
the backend in use is in `steps/tensorflow.py` and `steps/jax.py`; here is no word of either.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.models import check_widths
from nadv2_tf.tasks.examples import InMemory
from nadv2_tf.tasks.images import Unreadable
from nadv2_tf.training import strategies
from nadv2_tf.training.ahead import ahead
from nadv2_tf.training.checkpoints.collapse import IMAGES, WINDOW, answers_alike
from nadv2_tf.training.checkpoints.folder import MemoryCheckpoints
from nadv2_tf.training.checkpoints.interruption import Stopped, finished
from nadv2_tf.training.checkpoints.state import Diverged, TrainingState, restore_variables
from nadv2_tf.training.steps.execution import check_execution

if TYPE_CHECKING:
  from collections.abc import Callable, Iterator, Sequence
  from typing import Any

  import keras

  from nadv2_tf.tasks.examples import Examples, Joined
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.tasks.task import Task
  from nadv2_tf.training.checkpoints.file import Checkpoint
  from nadv2_tf.training.checkpoints.folder import Checkpoints
  from nadv2_tf.training.checkpoints.shared import SharedCheckpoints
  from nadv2_tf.training.checkpoints.state import StepReport
  from nadv2_tf.training.recipe import Recipe
  from nadv2_tf.training.steps.distillation import Teacher
  from nadv2_tf.training.widths import WidthSampler
  from nadv2_tf.types import Tensor


class TrainingDiverged(RuntimeError):
  """The training diverged again after it was set back; the model has the last good weights."""


class TrainingLoop:
  """Trains a model with a recipe.

  Args:
    model: Keras model of images, or of [images, widths] if `sampler` is given. With a strategy
      of several replicas it must have been made in its scope.
    task: gives `augmentation`, `loss` and `quality`.
    recipe: a `Recipe`.
    sampler: a `WidthSampler`, or None for a stand-alone network.
    strategy: what `make_strategy` gives; None for one device. Each replica takes its part of the
      rows of every global batch, in order.
    seed: of shuffling, augmentation and a sliced super-network's dropout.
    distillation: share of a sliced super-network's loss that compares every sub-network with the
      full network on the same images; 0 for none.
    execution: how a super-network runs, one of `EXECUTIONS`: all channels with masks, or each
      group of images with its sub-network's own narrower weights.
    jit_compile: compile a step's loss and gradients with XLA.
    teacher: a `Teacher` that is imitated, by every sub-network of a super-network; or None.
    rate_flag: the flag that gives the recipe's learning rate, for advice.

  Raises:
    ValueError: for "sliced" if every image has a sub-network of its own, or no sampler is given, or
      the step is to be compiled; for distillation or a sampler's own kernels with masked execution;
      for a batch that does not divide among the replicas.
  """

  def __init__(
    self,
    model: keras.Model,
    task: Task,
    recipe: Recipe,
    sampler: WidthSampler | None = None,
    strategy: Any = None,
    seed: int = 0,
    execution: str = "masked",
    distillation: float = 0.0,
    jit_compile: bool = False,
    teacher: Teacher | None = None,
    rate_flag: str = "--learning_rate",
  ) -> None:
    strategy = strategy or strategies.make_strategy("one")
    subnetworks = sampler.subnetworks if sampler else None
    check_execution(execution, sampler, distillation, jit_compile, recipe.mixed_precision)
    strategies.check_replicas(strategy, recipe.batch_size, subnetworks, execution)
    self._distillation = distillation
    self._execution = execution
    self._jit_compile = jit_compile
    self._teacher, self._rate_flag = teacher, rate_flag
    self._model = model
    self._task = task
    self._recipe = recipe
    self._sampler: Any = sampler
    self._strategy, self._seed = strategy, seed
    self.traces = 0
    #: what else a subclass trains, see `TrainingState`
    self._also: Any = None
    #: the `TrainingState` of the last `run`
    self.state: Any = None

  def run(
    self,
    examples: Examples | Joined | StreamedExamples,
    report: Callable[[StepReport], None] | None = None,
    report_every: int = 10,
    checkpoints: Checkpoints | SharedCheckpoints | MemoryCheckpoints | None = None,
  ) -> list[StepReport]:
    """Trains for the recipe's epochs, or goes on from the newest checkpoint.

    On one machine a training that went on ends with the weights of an undisturbed one, to the bit:
    batches, augmentation and widths are functions of step and seed. After NaN, infinity or a
    collapse it goes back to the newest checkpoint, once, with half the learning rate.

    Args:
      examples: the training `Examples` or `StreamedExamples`.
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
    size, window = self._recipe.batch_size, min(WINDOW, epoch)
    self.state = state = TrainingState(steps, size, window, self._also)
    newest = checkpoints.latest()
    if newest:
      state.go_on(newest)
      checkpoints.tell(f"going on from the checkpoint of {state.place}")
    while True:
      optimizer = self._make_optimizer(examples, 0.5 ** len(state.setbacks))
      if newest:
        restore_variables(newest, self._model, optimizer)
      if not newest or newest.state["setbacks"] != state.setbacks:
        checkpoints.save(state.checkpoint(self._model, optimizer))
      try:
        with self._running():
          self._train(examples, optimizer, checkpoints, report, report_every)
        if self._recipe.ema and steps:
          optimizer.finalize_variable_values(self._model.trainable_variables)
        return state.reports
      except Diverged as seen:
        newest = self._set_back(seen, optimizer, checkpoints)

  def _running(self) -> contextlib.AbstractContextManager[None]:
    """A context manager: what the backend wants while it trains."""
    if not strategies.on_tensorflow():
      return contextlib.nullcontext()
    from nadv2_tf.training.steps.tracing import as_written

    return as_written()

  def _make_optimizer(self, examples, share_of_rate):
    recipe = dataclasses.replace(
      self._recipe, learning_rate=self._recipe.learning_rate * share_of_rate
    )
    with self._strategy.scope():
      return recipe.make_optimizer(len(examples), self._model.trainable_variables)

  def _train(self, examples, optimizer, checkpoints, report, report_every):
    """From the state's step to the last; raises `Diverged` for what must not go on."""
    train_step = self._traced_step(optimizer)
    try:
      with self._made_ahead(examples) as batches:
        self._steps(examples, train_step, batches, optimizer, checkpoints, report, report_every)
    except Stopped as stop:
      if stop.is_clean:
        stop.saved = self._saved(optimizer, checkpoints)
      raise
    except Unreadable as error:
      saved = self._saved(optimizer, checkpoints)
      if saved is None or isinstance(checkpoints, MemoryCheckpoints):
        raise
      raise Unreadable(
        f"{error}; {saved}. When the file is whole again, the same command goes on from there."
      ) from None

  def _saved(self, optimizer, checkpoints):
    """Saves where the training is, and says so; None where it cannot."""
    # Of several workers the others go on, and to collect all variables all are needed.
    if not strategies.is_multi_worker(self._strategy):
      with contextlib.suppress(Diverged):  # then the checkpoint before is the good one
        checkpoints.save(self.state.checkpoint(self._model, optimizer))
        return f"{self.state.place} is saved in {checkpoints.place}"
    return None

  def _made_ahead(self, examples):
    """A context manager that gives the batches from the state's step on."""
    batches = self._batches(examples, self.state.step)
    # Streamed ones are made ahead by tf.data.
    return ahead(batches) if isinstance(examples, InMemory) else contextlib.nullcontext(batches)

  def _steps(self, examples, train_step, batches, optimizer, checkpoints, report, report_every):
    state = self.state
    while state.step < state.steps:
      batch = next(batches)
      with finished():
        loss, quality = (float(value) for value in train_step(*self._distributed(batch)))
        if state.add(loss, quality):
          self._check_collapse(examples)
        if state.step % report_every == 0 or state.step == state.steps:
          news = state.report()
          if report:
            report(news)
        if checkpoints.is_due(state.step):
          checkpoints.save(state.checkpoint(self._model, optimizer))

  def _check_collapse(self, examples: Examples | Joined | StreamedExamples) -> None:
    # Not the batch: of it each worker may have read rows of its own only, and all must agree.
    images = examples.take(slice(IMAGES)).inputs()
    if answers_alike(self._model, images, getattr(self._model, "space", None)):
      state = self.state
      seen = f"the network gave all images the same outputs at {state.place}"
      raise Diverged(seen, before=state.step - state.window)

  def _set_back(
    self, seen: Diverged, optimizer: keras.optimizers.Optimizer, checkpoints: Any
  ) -> Checkpoint:
    """Takes the newest checkpoint over and returns it; the second time `TrainingDiverged`."""
    state, newest = self.state, checkpoints.latest(seen.before)
    state.read(newest)
    if state.setbacks:
      restore_variables(newest, self._model, optimizer)
      raise TrainingDiverged(
        f"{seen}, after half the learning rate was tried ({'; '.join(state.setbacks)}). The "
        f"weights of step {state.step} are kept. Try a lower {self._rate_flag} than "
        f"{self._recipe.learning_rate:g}."
      )
    state.setbacks.append(str(seen))
    checkpoints.tell(f"{seen}: going back to {state.place}, with half the learning rate")
    return newest

  def _batches(
    self, examples: Examples | Joined | StreamedExamples, step: int = 0
  ) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
    """Yields (inputs, targets) without end, epoch after epoch, from `step` on."""
    recipe = self._recipe
    augmentation = self._task.augmentation(recipe.augmentation, recipe.shift, recipe.mirror)
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

  def _distributed(self, batch: tuple[tuple[Tensor, ...], Tensor]) -> Any:
    """The batch as it is for one replica; else each replica's rows of it."""
    if self._strategy.num_replicas_in_sync == 1:
      return batch
    from nadv2_tf.training.steps.tensorflow import rows_of_replicas

    return rows_of_replicas(self._strategy, batch, self._recipe.batch_size)

  def _traced_step(
    self, optimizer: keras.optimizers.Optimizer
  ) -> Callable[[Sequence[Tensor], Tensor], tuple[Tensor, Tensor]]:
    """step(inputs, targets) -> loss and quality of the global batch; the weights have moved."""
    if strategies.on_tensorflow():
      from nadv2_tf.training.steps.tensorflow import make_step
    else:
      from nadv2_tf.training.steps.jax import make_step

    def count() -> None:
      self.traces += 1

    sliced = None
    if self._execution == "sliced":
      sliced = {
        "subnetworks": self._sampler.subnetworks,
        "distillation": self._distillation,
        "seed": self._seed,
      }
    return make_step(
      self._model,
      self._task,
      optimizer,
      self._recipe.batch_size,
      sliced,
      self._strategy,
      self._jit_compile,
      count,
      self._teacher,
      self._recipe.l2,
    )
