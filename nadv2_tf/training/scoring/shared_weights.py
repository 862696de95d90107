"""Scores sub-networks on the hold-out with the super-network's shared weights.

Source: NetAdaptV2, section 2.4: samples are evaluated without any training of their own.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from nadv2_tf.training.digests import digest_of
from nadv2_tf.training.scoring.evaluation import parts_of
from nadv2_tf.training.scoring.relaxed_loss import RelaxedLoss
from nadv2_tf.training.steps.sliced import run_sliced
from nadv2_tf.training.steps.sliced_norms import GivenStatistics, MovingStatistics, OwnStatistics
from nadv2_tf.training.steps.tracing import traced

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence
  from typing import Any, Self

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.tasks.task import Task
  from nadv2_tf.types import Tensor


class SharedWeightsEvaluator:
  """An `Evaluator` on a trained super-network: one trace serves every sub-network.

  A sample runs with its own narrower weights, so a small one costs little. The moving averages of
  training are those of a mixture of sub-networks and useless here: each sample is first normalised
  by its own statistics on calibration images, which then are folded into its kernels. Which
  statistics rank samples best was measured, see docs/decisions/0003.

  Args:
    super_model: the trained super-network.
    task: gives `quality`.
    holdout: `Examples`; decoded once, kept in memory as bytes.
    calibration: `Examples` whose batch-norm statistics each sample takes; None: each batch of the
      hold-out is normalised by its own; "moving": by the running averages of training.
    batch_size: images scored at once, at most.
    shares: of the images in each part, for a `Race`; a part has whole batches.
    strategy: what `make_strategy` gives; None for one device. Samples are spread over its
      replicas, each scored whole on one of them, so that the answer is that of one device. With
      several workers, all must ask for the same samples.

  Raises:
    ValueError: if the hold-out is empty.
  """

  def __init__(
    self,
    super_model: SuperNetwork,
    task: Task,
    holdout: Examples,
    calibration: Examples | StreamedExamples | str | None = None,
    batch_size: int = 500,
    strategy: Any = None,
    shares: Sequence[float] = (1.0,),
  ) -> None:
    if not len(holdout):
      raise ValueError("The hold-out has no images to score samples with.")
    self._model = super_model
    self._space = super_model.space
    self._task = task
    # What fills no whole batch is left out: one shape needs one trace.
    batches, size, self._bounds = parts_of(holdout, batch_size, shares)
    used = batches * size
    shape = (batches, size)
    #: see `RacingEvaluator`
    self.part_sizes = tuple(size * (end - start) for start, end in self._bounds)
    self._strategy = strategy or tf.distribute.get_strategy()
    #: see `SpreadingEvaluator`
    self.at_once = self._strategy.num_replicas_in_sync
    data = {
      "images": holdout.images[:used].reshape(*shape, *holdout.images.shape[1:]),
      "labels": holdout.labels[:used].reshape(*shape, *holdout.labels.shape[1:]),
    }
    self._holdout, self._calibration = holdout, calibration
    if calibration is not None and not isinstance(calibration, str):
      data["calibration"] = calibration.images
    self._data = self._on_every_replica(lambda unused_replica: data)
    self._score = traced(self._traced_scores)
    self.traces = 0
    #: see `SlopingEvaluator`
    self.loss_slopes = RelaxedLoss(super_model, task, holdout)

  def prepare(self) -> Self:
    """Traces the scoring, so that the first score is quick; no image of the hold-out is looked at.

    May run in a thread while the super-network is trained: its weights are only read.
    """
    if self._strategy.num_replicas_in_sync == 1:
      row = tf.constant(self._space.encode(self._space.smallest()), tf.int32)
      self._score(row, self._data, tf.constant([0, 0]))
    return self

  def digest(self) -> dict[str, Any]:
    """What scores depend on: {"weights", "holdout", "calibration": numbers}."""
    return digest_of(self._model, self._holdout, self._calibration)

  def accuracy(self, specs: Sequence[NetworkSpec], part: int | None = None) -> list[float]:
    """Mean quality of each spec, in [0, 1], on the hold-out or one part of it."""
    bounds = (0, self._bounds[-1][1]) if part is None else self._bounds[part]
    bounds = tf.constant(bounds)
    rows = np.array([self._space.encode(spec) for spec in specs], np.int32)
    replicas = self._strategy.num_replicas_in_sync
    scores = []
    for start in range(0, len(rows), replicas):
      chunk = rows[start : start + replicas]
      # Replicas without a sample of their own score the last one again.
      chunk = chunk[np.minimum(np.arange(replicas), len(chunk) - 1)]
      given = self._on_every_replica(lambda replica, chunk=chunk: chunk[replica])
      scores += self._score(given, self._data, bounds).numpy().tolist()
    return scores[: len(rows)]

  def _on_every_replica(self, make: Callable[..., Any]) -> Any:
    """make(replica), NumPy arrays, as tensors on each replica."""
    to_tensors = functools.partial(tf.nest.map_structure, tf.constant)
    if self._strategy.num_replicas_in_sync == 1:
      return to_tensors(make(0))
    return self._strategy.experimental_distribute_values_from_function(
      lambda context: to_tensors(make(context.replica_id_in_sync_group))
    )

  def _traced_scores(self, row: Tensor, data: dict[str, Tensor], bounds: Tensor) -> Tensor:
    """Score of every replica's `row` on the batches within `bounds`, [replicas]."""
    self.traces += 1
    if self._strategy.num_replicas_in_sync == 1:
      return self._score_of(row, data, bounds)
    scores = self._strategy.run(self._score_of, args=(row, data, bounds))
    return self._strategy.gather(scores, axis=0)

  def _score_of(self, row: Tensor, data: dict[str, Tensor], bounds: Tensor) -> Tensor:
    first, end = tf.unstack(bounds)
    make_statistics = self._statistics(row, data)

    def score(batch: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
      images, labels = data["images"][batch], data["labels"][batch]
      outputs = run_sliced(self._model, _inputs(images), row, make_statistics())
      return batch + 1, total + tf.reduce_mean(self._task.quality(labels, outputs))

    _, total = tf.while_loop(
      lambda batch, total: batch < end, score, (first, 0.0), parallel_iterations=1
    )
    return tf.reshape(total / tf.cast(end - first, tf.float32), (1,))

  def _statistics(self, row: Tensor, data: dict[str, Tensor]) -> Callable[[], Any]:
    """A function that gives what normalises one batch."""
    if self._calibration is None:
      return OwnStatistics
    if isinstance(self._calibration, str):
      return MovingStatistics
    statistics = OwnStatistics()
    run_sliced(self._model, _inputs(data["calibration"]), row, statistics)
    return lambda: GivenStatistics(statistics.collected)


def _inputs(images: Tensor) -> Tensor:
  """`tasks.examples.normalise` of a tensor."""
  return tf.cast(images, tf.float32) / 127.5 - 1.0
