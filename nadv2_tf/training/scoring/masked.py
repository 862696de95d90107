"""Scores sub-networks on the JAX backend: masked, with the shared weights, in one trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import keras
import numpy as np

from nadv2_tf.models import super_network
from nadv2_tf.models.relaxed import run_relaxed
from nadv2_tf.training.digests import digest_of
from nadv2_tf.training.jax_models import values_of
from nadv2_tf.training.scoring.evaluation import batch_of, parts_of

if TYPE_CHECKING:
  from collections.abc import Sequence
  from typing import Any

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.tasks.task import Task
  from nadv2_tf.types import Tensor


class MaskedEvaluator:
  """An `Evaluator` on a trained super-network; gives what `SharedWeightsEvaluator` gives.

  JAX compiles for fixed sizes, so every sample costs what the full network costs.

  Args:
    super_model: the trained super-network.
    task: gives `quality`.
    holdout: `Examples`; kept as bytes.
    calibration: `Examples` whose batch-norm statistics each sample takes; None: each batch of the
      hold-out is normalised by its own.
    batch_size: images scored at once, at most; what fills no whole batch is left out.
    strategy: one device.
    shares: of the images in each part, for a `Race`; a part has whole batches.

  Raises:
    ValueError: if the hold-out is empty.
  """

  def __init__(
    self,
    super_model: SuperNetwork,
    task: Task,
    holdout: Examples,
    calibration: Examples | StreamedExamples | None = None,
    batch_size: int = 500,
    strategy: Any = None,
    shares: Sequence[float] = (1.0,),
  ) -> None:
    if not len(holdout):
      raise ValueError("The hold-out has no images to score samples with.")
    self._space, self._task = super_model.space, task
    self._model, self._holdout = super_model, holdout
    count, size, self._bounds = parts_of(holdout, batch_size, shares)
    #: see `RacingEvaluator`
    self.part_sizes = tuple(size * (end - start) for start, end in self._bounds)
    self._batches = [holdout.take(slice(i * size, (i + 1) * size)) for i in range(count)]
    self._calibration = calibration
    # Without momentum the moving averages are the statistics of the last batch.
    inference = "batch" if calibration is None else "moving"
    self._runner = super_network(self._space, inference=inference, momentum=0.0)
    self.traces = 0
    self._calibrated = jax.jit(self._run_calibration)
    self._score = jax.jit(self._run_batch)
    self._slopes = jax.jit(jax.value_and_grad(self._relaxed_loss))

  def digest(self) -> dict[str, Any]:
    """What scores depend on: {"weights", "holdout", "calibration": numbers}."""
    return digest_of(self._model, self._holdout, self._calibration)

  def accuracy(self, specs: Sequence[NetworkSpec], part: int | None = None) -> list[float]:
    """Mean quality of each spec, in [0, 1], on the hold-out or one part of it."""
    batches = self._batches if part is None else self._batches[slice(*self._bounds[part])]
    trainable, others = values_of(self._model)
    return [self._accuracy(trainable, others, spec, batches) for spec in specs]

  def loss_slopes(self, shares: Any, batch: int, images: int) -> tuple[float, Any]:
    """See `SlopingEvaluator`; normalised by the batch itself."""
    examples = batch_of(self._holdout, batch, images)
    given = np.asarray(shares, np.float32), *values_of(self._model)
    loss, slopes = self._slopes(*given, examples.inputs(), examples.labels)
    return float(loss), np.asarray(slopes)

  def _relaxed_loss(
    self,
    shares: Tensor,
    trainable: list[Tensor],
    others: list[Tensor],
    images: Tensor,
    labels: Tensor,
  ) -> Tensor:
    model = self._model
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    mapping = list(zip(variables, [*trainable, *others], strict=True))
    with keras.StatelessScope(state_mapping=mapping):
      outputs = run_relaxed(model, images, shares)
    return self._task.loss(labels, outputs).mean()

  def _accuracy(
    self,
    trainable: list[Tensor],
    others: list[Tensor],
    spec: NetworkSpec,
    batches: Sequence[Examples],
  ) -> float:
    row = np.array(self._space.encode(spec), np.int32)
    if self._calibration is not None:
      others = self._calibrated(trainable, others, self._calibration.inputs(), row)
    scores = [
      self._score(trainable, others, batch.inputs(), batch.labels, row) for batch in batches
    ]
    return float(np.mean([np.float32(score) for score in scores]))

  def _run_calibration(
    self, trainable: list[Tensor], others: list[Tensor], images: Tensor, row: Tensor
  ) -> list[Tensor]:
    _, moved = self._runner.stateless_call(
      trainable, others, [images, _rows(row, images)], training=True
    )
    return moved

  def _run_batch(
    self,
    trainable: list[Tensor],
    others: list[Tensor],
    images: Tensor,
    labels: Tensor,
    row: Tensor,
  ) -> Tensor:
    self.traces += 1
    outputs, _ = self._runner.stateless_call(
      trainable, others, [images, _rows(row, images)], training=False
    )
    return self._task.quality(labels, outputs).mean()


def _rows(row: Tensor, images: Tensor) -> Tensor:
  return jax.numpy.tile(row, (images.shape[0], 1))
