"""Scores sub-networks on the hold-out with the super-network's shared weights.

Source: NetAdaptV2, section 2.4: samples are evaluated without any training of their own.
"""

import numpy as np
import tensorflow as tf

from nadv2_tf.models import super_network


class SharedWeightsEvaluator:
  """An `Evaluator` on a trained super-network: one trace serves every sub-network.

  Every batch is normalised by its own statistics, in a copy of the super-network that has no
  moving averages to use or to change. The averages of training are those of a mixture of
  sub-networks, and scored with them even the full network is near chance.

  Args:
    super_model: the trained super-network.
    space: its `SearchSpace`.
    task: gives `quality`.
    holdout: `Examples`; decoded once, kept in memory as network inputs.
    batch_size: images that share their statistics.

  Raises:
    ValueError: if the hold-out is empty.
  """

  def __init__(self, super_model, space, task, holdout, batch_size=500):
    if not len(holdout):
      raise ValueError("The hold-out has no images to score samples with.")
    self._space = space
    self._task = task
    batch_size = min(batch_size, len(holdout))
    # What fills no whole batch would be normalised by too few images; it is left out.
    self._batches = len(holdout) // batch_size
    used = self._batches * batch_size
    shape = (self._batches, batch_size)
    self._images = tf.constant(holdout.inputs()[:used].reshape(*shape, *holdout.images.shape[1:]))
    self._labels = tf.constant(holdout.labels[:used].reshape(shape))
    self._model = super_network(space, inference="batch")
    self._model.set_weights(super_model.get_weights())
    self._score = tf.function(self._traced_score, autograph=False)
    self.traces = 0

  def accuracy(self, specs):
    """Mean quality of each spec on the hold-out, in [0, 1]."""
    rows = np.array([self._space.encode(spec) for spec in specs], np.int32)
    return [float(self._score(row)) for row in rows]

  def _traced_score(self, row):
    self.traces += 1
    widths = tf.tile(row[None], (tf.shape(self._labels)[1], 1))
    total = 0.0
    for batch in range(self._batches):
      outputs = self._model([self._images[batch], widths], training=False)
      total += tf.reduce_mean(self._task.quality(self._labels[batch], outputs))
    return total / self._batches
