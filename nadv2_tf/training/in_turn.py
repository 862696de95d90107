"""Trains the weights of a super-network and distributions over its networks in turn.

The distributions are in `nadv2_tf/search/in_turn.py`.

Source: FP-NAS, Yan et al., CVPR 2021, section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.tasks.examples import split_holdout
from nadv2_tf.training.loop import TrainingLoop

if TYPE_CHECKING:
  from collections.abc import Callable, Iterator, Sequence
  from typing import Any

  import keras

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.search.in_turn import Turns
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.tasks.task import Task
  from nadv2_tf.training.recipe import Recipe
  from nadv2_tf.training.steps.distillation import Teacher
  from nadv2_tf.types import Tensor

#: of the batches of the distribution's half: the other half's must not go with them
OTHER_SEED = 1


def halves(examples: Any, seed: int) -> tuple[Any, Any]:
  """(images of the weights, images of the distribution): `examples` in two, drawn at random."""
  return split_holdout(examples, len(examples) // 2, seed)


def images_each(batch_size: int, subnetworks: int, networks: int) -> int:
  """How many images of a batch each of K `networks` runs on, all on the same ones.

  All together they run on as many as a batch has; but each has no fewer than a sub-network of a
  batch of `subnetworks` would, whose statistics are those of its images.
  """
  return max(batch_size // networks, batch_size // subnetworks)


class InTurnLoop(TrainingLoop):
  """A `TrainingLoop` whose steps train the weights, and then the distribution on other images.

  Args:
    model: a `SuperNetwork`.
    task, recipe, seed, teacher: see `TrainingLoop`; an epoch is one of the half of the images
      that `run` is given.
    turns: the `Turns`, for as many steps as `run` takes.
    other: the half that the distribution is trained on.
    subnetworks: see `images_each`.
  """

  def __init__(
    self,
    model: SuperNetwork,
    task: Task,
    recipe: Recipe,
    turns: Turns,
    other: Examples | StreamedExamples,
    subnetworks: int,
    seed: int = 0,
    teacher: Teacher | None = None,
  ) -> None:
    super().__init__(model, task, recipe, seed=seed, teacher=teacher)
    self._turns = self._also = turns
    self._other = other
    self._subnetworks = subnetworks

  def _batches(self, examples: Any, step: int = 0) -> Iterator[Any]:
    """Yields (batch of the weights' half, batch of the distribution's half), each inputs, targets.

    Both are augmented, and functions of seed and step alone.
    """
    recipe = self._recipe
    augmentation = self._task.augmentation(recipe.augmentation, recipe.shift, recipe.mirror)
    parts = ((examples, self._seed), (self._other, self._seed + OTHER_SEED))
    streams: list[Any] = [
      part.training_batches(recipe.batch_size, augmentation, seed, step) for part, seed in parts
    ]
    try:
      yield from zip(*streams, strict=True)
    finally:
      for stream in streams:
        stream.close()

  def _traced_step(
    self, optimizer: keras.optimizers.Optimizer
  ) -> Callable[[Sequence[Tensor], Sequence[Tensor]], tuple[Tensor, Tensor]]:
    """step(batch of the weights, batch of the distribution) -> loss and quality of the first."""
    from nadv2_tf.training.steps.in_turn import make_steps

    def count() -> None:
      self.traces += 1

    turns = self._turns
    train, score = make_steps(
      self._model, self._task, optimizer, self._teacher, self._recipe.l2, count
    )

    def part(batch: Sequence[Tensor], networks: int) -> list[Tensor]:
      size = images_each(self._recipe.batch_size, self._subnetworks, networks)
      return [array[:size] for array in batch]

    def step(of_weights: Sequence[Tensor], of_others: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
      turns.begin(self.state.step)
      # Dropout counts on: no two networks of a training share what is zeroed.
      seed, draws = np.array([self._seed, turns.networks_drawn], np.int32), turns.draw()
      rows = np.array(turns.rows(draws), np.int32)
      loss, quality = train(*part(of_weights, len(draws)), rows, seed)
      draws = turns.draw()
      rows = np.array(turns.rows(draws), np.int32)
      likelihoods = np.asarray(score(*part(of_others, len(draws)), rows), np.float64)
      if np.isfinite(likelihoods).all():  # else the loss of the next step is not finite either
        turns.move(draws, likelihoods.tolist())
      return loss, quality

    return step
