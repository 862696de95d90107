"""Batch-norm statistics of a stand-alone network that belong to its weights.

A network cut from a super-network inherits the statistics of a mixture; its own must replace them
before it is used without training. One that is trained briefly must not end with those of the way.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

if TYPE_CHECKING:
  from collections.abc import Callable, Iterator

  from nadv2_tf.tasks.examples import Examples, Joined
  from nadv2_tf.tasks.stream import StreamedExamples

#: averages reach back over at least so many steps
FEWEST_STEPS = 20


def recalibrate(
  model: keras.Model, examples: Examples | Joined | StreamedExamples, batch_size: int = 128
) -> None:
  """Sets every batch norm's moving averages to the mean over `examples` of its batch statistics.

  Args:
    model: plain Keras model; changed in place.
    examples: training images, at least one batch.
    batch_size: images per pass.
  """
  norms = _norms(model)
  if not norms:
    return
  momenta = [norm.momentum for norm in norms]
  batches = max(len(examples) // batch_size, 1)
  sums = [np.zeros((2, *norm.moving_mean.shape)) for norm in norms]
  try:
    for norm in norms:
      norm.momentum = 0.0  # the averages become the last batch's statistics
    forward = _forward(model)
    for batch in range(batches):
      part = slice(batch * batch_size, (batch + 1) * batch_size)
      forward(examples.take(part).inputs())
      for total, norm in zip(sums, norms, strict=True):
        total[0] += ops.convert_to_numpy(norm.moving_mean)
        total[1] += ops.convert_to_numpy(norm.moving_variance)
  finally:
    for norm, momentum in zip(norms, momenta, strict=True):
      norm.momentum = momentum
  for total, norm in zip(sums, norms, strict=True):
    norm.moving_mean.assign(total[0] / batches)
    norm.moving_variance.assign(total[1] / batches)


def _forward(model: keras.Model) -> Callable[[np.ndarray], object]:
  """A function of images that runs the model in training: its averages move."""
  if keras.config.backend() != "tensorflow":
    return _jax_forward(model)
  from nadv2_tf.training.fused_norms import with_fused_norms
  from nadv2_tf.training.steps.tracing import traced

  trained = with_fused_norms(model)
  return traced(lambda images: trained(images, training=True))


def _jax_forward(model: keras.Model) -> Callable[[np.ndarray], None]:
  from nadv2_tf.training.jax_models import compiled

  run = compiled(model, training=True)

  def forward(images: np.ndarray) -> None:
    for variable, value in zip(model.non_trainable_variables, run(images)[1], strict=True):
      variable.assign(value)

  return forward


@contextlib.contextmanager
def recent_averages(model: keras.Model, steps: int) -> Iterator[None]:
  """While `model` is trained for `steps`, its moving averages reach back over a tenth of them.

  Keras's momentum of 0.99 reaches back over a hundred steps. After a hundred steps the averages
  would mostly be those of weights that are no more, and the network worthless; a training of a
  thousand steps or more keeps 0.99. They reach back over 20 steps at least: a few batches say
  little.
  """
  norms = _norms(model)
  momenta = [norm.momentum for norm in norms]
  for norm in norms:
    norm.momentum = min(norm.momentum, 1 - 1 / max(steps / 10, FEWEST_STEPS))
  try:
    yield
  finally:
    for norm, momentum in zip(norms, momenta, strict=True):
      norm.momentum = momentum


def _norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
  return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
