"""Scores networks as NetAdaptV1 does: cut out by L2 norm, trained briefly, then scored.

Source: NetAdapt, Yang et al., ECCV 2018, Algorithm 1 and sections 3.2 and 3.3.
"""

from __future__ import annotations

import hashlib
import math
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.models.pruning import order_by_norm
from nadv2_tf.training.checkpoints import file as checkpoint_file
from nadv2_tf.training.checkpoints.file import Checkpoint
from nadv2_tf.training.loop import TrainingDiverged
from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator
from nadv2_tf.training.steps.gradients import sliced_gradients
from nadv2_tf.training.steps.tracing import traced

if TYPE_CHECKING:
  from collections.abc import Sequence
  from typing import Any

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.tasks.task import Task
  from nadv2_tf.training.recipe import Recipe
  from nadv2_tf.types import AnyPath, Tensor


class FineTuningEvaluator:
  """A `TrainingEvaluator`: every sample starts from the current network's weights.

  The current network's filters are kept in the order of their L2 norms, so that a sample, which
  takes the first ones of each layer, takes the largest. It runs sliced: one trace trains all
  samples and one scores them, where a Keras model for each would be traced anew each time. The
  trained weights of all samples of an iteration stay in memory until it ends. All samples of an
  iteration see the same batches, so that they differ by what was cut off and not by luck.

  Args:
    super_model: a `SuperNetwork` of a space without channel-level bypass that holds the trained
      largest network; changed in place.
    task: gives `loss` and `quality`.
    train: the training `Examples`.
    holdout: `Examples` to score with.
    recipe: `Recipe` of one sample's training.
    calibration: of the batch norms when a sample is scored, see `SharedWeightsEvaluator`.
    folder: where the weights of every iteration's chosen network are kept; without it a search
      cannot be resumed. Made if it does not exist.
    seed: of batches and dropout.

  Attributes:
    traces: how often the training step was traced.

  Differs from NetAdaptV1: batch norms take their statistics on `calibration` instead of running
  averages, as all samples here do.

  Raises:
    ValueError: if layers of the space have a bypass, there are too few images, or another
      augmentation than shifts is asked for.
  """

  def __init__(
    self,
    super_model: SuperNetwork,
    task: Task,
    train: Examples | StreamedExamples,
    holdout: Examples,
    recipe: Recipe,
    calibration: Examples | StreamedExamples | str | None = None,
    folder: AnyPath | None = None,
    seed: int = 0,
  ) -> None:
    if recipe.augmentation != "shift":
      raise ValueError(
        f"Samples of NetAdaptV1 are trained with the augmentation 'shift', got "
        f"{recipe.augmentation!r}."
      )
    self._model = super_model
    self._space = super_model.space
    self._task = task
    self._train = train
    self._recipe = recipe
    self._seed = seed
    self._folder = pathlib.Path(folder) if folder else None
    if self._folder:
      self._folder.mkdir(parents=True, exist_ok=True)
    self._scorer = SharedWeightsEvaluator(super_model, task, holdout, calibration)
    self._steps = recipe.steps(len(train))
    self._optimizer = recipe.make_optimizer(len(train), super_model.trainable_variables)
    self._fresh = [variable.numpy() for variable in self._optimizer.variables]
    self._step = traced(self._traced_step)
    self.traces = 0
    #: what all weights follow from: the initial ones, the settings, and every choice so far
    self._history = hashlib.sha256(f"{recipe} {seed}".encode())
    for weights in super_model.get_weights():
      self._history.update(weights.tobytes())
    #: rows of the networks that each iteration went on from
    self._chosen: list[tuple[int, ...]] = []
    #: row -> trained weights of this iteration's samples
    self._samples: dict[tuple[int, ...], list[np.ndarray]] = {}
    self._row = self._space.encode(self._space.largest())
    order_by_norm(super_model, self._space.largest())
    self._weights = super_model.get_weights()

  def accuracy(self, specs: Sequence[NetworkSpec]) -> list[float]:
    """Mean quality of each spec on the hold-out, in [0, 1], after its training.

    Raises:
      ValueError: if a spec is no sub-network of the current one.
      TrainingDiverged: if a sample's loss is not finite.
    """
    accuracies = []
    try:
      for spec in specs:
        row = self._space.encode(spec)
        self._samples[row] = self._trained(row)
        accuracies += self._scorer.accuracy([spec])
    finally:
      self._model.set_weights(self._weights)
    return accuracies

  def go_on_from(self, spec: NetworkSpec) -> None:
    """Makes the trained weights of `spec` those that the next samples are cut from.

    They are those of this iteration's sample, else those of the iteration's checkpoint. If there
    is none either, because the search was ended within the iteration, the sample is trained again,
    on the same batches.

    Raises:
      ValueError: if the sample is not known and there is no folder, or the checkpoint is of
        another search.
    """
    row = self._space.encode(spec)
    self._history.update(str(row).encode())
    path = self._checkpoint(len(self._chosen))
    weights: Any = self._samples.get(row)
    if weights is None and path is None:
      raise ValueError(
        f"This search goes on from {row}, which was trained before it was interrupted: only with "
        "a folder for the weights of its iterations can a search of NetAdaptV1 be resumed."
      )
    if weights is None and path.exists():
      weights = self._read(path)
    else:
      self._model.set_weights(self._trained(row) if weights is None else weights)
      order_by_norm(self._model, spec)
      weights = self._model.get_weights()
      if path:
        self._write(path, weights)
    self._chosen.append(row)
    self._samples = {}
    self._row, self._weights = row, weights
    self._model.set_weights(weights)

  def show(self, spec: NetworkSpec) -> None:
    """Puts the trained weights of a network that an iteration chose into the super-network.

    It can then be cut out. The next samples start from the current network all the same.

    Raises:
      ValueError: if no iteration chose it, or its weights were not kept.
    """
    row = self._space.encode(spec)
    if row == self._row:
      self._model.set_weights(self._weights)
      return
    if row not in self._chosen or self._folder is None:
      raise ValueError(f"No weights of {row} were kept; kept are those of {self._chosen}.")
    self._model.set_weights(self._read(self._checkpoint(self._chosen.index(row)), check=False))

  def _trained(self, row: tuple[int, ...]) -> list[np.ndarray]:
    """Weights of the super-network after the sample of `row` was trained."""
    for column, (value, most) in enumerate(zip(row, self._row, strict=True)):
      if value > most:
        raise ValueError(
          f"A sample is cut out of the current network: {self._space.decisions[column].name} must "
          f"be at most {most}, got {value}."
        )
    self._model.set_weights(self._weights)
    for variable, value in zip(self._optimizer.variables, self._fresh, strict=True):
      variable.assign(value)
    widths = np.array(row, np.int32)[None]
    for step in range(self._steps):
      images, labels, dropout_seed = self._batch(step)
      loss = float(self._step(images, labels, widths, dropout_seed))
      if not math.isfinite(loss):
        raise TrainingDiverged(
          f"The loss of sample {row} became {loss} at step {step + 1} of {self._steps}. Try a "
          f"lower learning rate than {self._recipe.learning_rate:g}."
        )
    return self._model.get_weights()

  def _batch(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(images, labels, seed of dropout), a function of seed, iteration and step alone."""
    iteration = len(self._chosen)
    rng = np.random.default_rng([self._seed, 5, iteration, step])
    indices = rng.choice(len(self._train), self._recipe.batch_size, replace=False)
    batch = self._train.take(indices)
    recipe = self._recipe
    augmentation = self._task.augmentation(recipe.augmentation, recipe.shift, recipe.mirror)
    batch = augmentation.examples(batch.decoded(), rng)
    return batch.inputs(), batch.labels, rng.integers(0, 2**30, 2).astype(np.int32)

  def _traced_step(
    self, images: Tensor, labels: Tensor, widths: Tensor, dropout_seed: Tensor
  ) -> Tensor:
    self.traces += 1
    loss, _, gradients = sliced_gradients(
      self._model,
      self._task,
      self._recipe.batch_size,
      1,
      (images, widths),
      labels,
      dropout_seed=dropout_seed,
    )
    self._optimizer.apply(gradients, self._model.trainable_variables)
    return loss

  def _checkpoint(self, iteration: int) -> Any:
    return self._folder and self._folder / f"iteration_{iteration + 1:03d}.npz"

  def _write(self, path: pathlib.Path, weights: list[np.ndarray]) -> None:
    arrays = {str(index): array for index, array in enumerate(weights)}
    settings = {"history": self._history.hexdigest()}
    checkpoint_file.write(path, Checkpoint(len(self._chosen) + 1, arrays, {}), settings)

  def _read(self, path: pathlib.Path, check: bool = True) -> list[np.ndarray]:
    checkpoint, settings = checkpoint_file.read(path)
    if check and settings != {"history": self._history.hexdigest()}:
      raise ValueError(
        f"{path} is of another search, or of other initial weights; choose another folder."
      )
    return [checkpoint.arrays[str(index)] for index in range(len(self._weights))]
