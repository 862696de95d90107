"""Scores sub-networks on the hold-out with the super-network's shared weights.

Source: NetAdaptV2, section 2.4: samples are evaluated without any training of their own.
"""

import numpy as np
import tensorflow as tf

from nadv2_tf.training.evaluation import batches_of
from nadv2_tf.training.sliced import (
  GivenStatistics,
  MovingStatistics,
  OwnStatistics,
  run_sliced,
)
from nadv2_tf.training.tracing import traced


class SharedWeightsEvaluator:
  """An `Evaluator` on a trained super-network: one trace serves every sub-network.

  A sample runs with its own narrower weights, so a small one costs little. The moving averages of
  training are those of a mixture of sub-networks and useless here: each sample is first normalised
  by its own statistics on calibration images, which then are folded into its kernels. Which
  statistics rank samples best was measured, see docs/decisions/0003.

  Args:
    super_model: the trained super-network.
    task: gives `quality`.
    holdout: `Examples`; decoded once, kept in memory as network inputs.
    calibration: `Examples` whose batch-norm statistics each sample takes; None: each batch of the
      hold-out is normalised by its own; "moving": by the running averages of training.
    batch_size: images scored at once, at most.

  Raises:
    ValueError: if the hold-out is empty.
  """

  def __init__(self, super_model, task, holdout, calibration=None, batch_size=500):
    if not len(holdout):
      raise ValueError("The hold-out has no images to score samples with.")
    self._model = super_model
    self._space = super_model.space
    self._task = task
    # What fills no whole batch is left out: one shape needs one trace.
    self._batches, size = batches_of(holdout, batch_size)
    used = self._batches * size
    shape = (self._batches, size)
    self._images = tf.constant(holdout.inputs()[:used].reshape(*shape, *holdout.images.shape[1:]))
    self._labels = tf.constant(holdout.labels[:used].reshape(*shape, *holdout.labels.shape[1:]))
    self._calibration = calibration
    if calibration is not None and not isinstance(calibration, str):
      self._calibration = tf.constant(calibration.inputs())
    self._score = traced(self._traced_score)
    self.traces = 0

  def accuracy(self, specs):
    """Mean quality of each spec on the hold-out, in [0, 1]."""
    rows = np.array([self._space.encode(spec) for spec in specs], np.int32)
    return [float(self._score(row)) for row in rows]

  def _traced_score(self, row):
    self.traces += 1
    make_statistics = self._statistics(row)

    def score(batch, total):
      normalise = make_statistics()
      outputs = run_sliced(self._model, self._images[batch], row, normalise)
      return batch + 1, total + tf.reduce_mean(self._task.quality(self._labels[batch], outputs))

    _, total = tf.while_loop(
      lambda batch, total: batch < self._batches, score, (0, 0.0), parallel_iterations=1
    )
    return total / self._batches

  def _statistics(self, row):
    """A function that gives what normalises one batch."""
    if self._calibration is None:
      return OwnStatistics
    if isinstance(self._calibration, str):
      return MovingStatistics
    statistics = OwnStatistics()
    run_sliced(self._model, self._calibration, row, statistics)
    return lambda: GivenStatistics(statistics.collected)
