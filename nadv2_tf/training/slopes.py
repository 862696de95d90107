"""How a loss leans on weights: what the first-order Taylor importance of channels is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from nadv2_tf.training.steps.gradients import sliced_gradients
from nadv2_tf.training.steps.tracing import traced

if TYPE_CHECKING:
  from nadv2_tf.models.importance import Slopes
  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.tasks.task import Task
  from nadv2_tf.types import Tensor

#: images that the gradients are taken on
IMAGES = 512


def weight_slopes(
  super_model: SuperNetwork,
  task: Task,
  train: Examples | StreamedExamples,
  batch_size: int,
  seed: int = 0,
) -> Slopes:
  """Each weight times the gradient of the full network's loss by it, batch by batch.

  Args:
    super_model: a `SuperNetwork` with the weights of a trained full network; not changed.
    task: gives the loss.
    train: the training examples, of which `IMAGES` are drawn, not augmented.
    batch_size: images of a batch.
    seed: of what is drawn.

  Returns:
    Of every batch {path of a trainable variable: array of its shape}.
  """
  space = super_model.space
  row = np.array(space.encode(space.largest()), np.int32)[None]

  def gradients(images: Tensor, labels: Tensor, widths: Tensor) -> list[Tensor]:
    return sliced_gradients(super_model, task, batch_size, 1, (images, widths), labels)[2]

  run = traced(gradients)
  batches = max(min(IMAGES, len(train)) // batch_size, 1)
  order = np.random.default_rng([seed, 11]).permutation(len(train))
  slopes = []
  for number in range(batches):
    batch = train.take(order[number * batch_size : (number + 1) * batch_size]).decoded()
    found = run(batch.inputs(), batch.labels, row)
    slopes.append(
      {
        variable.path: keras.ops.convert_to_numpy(variable) * keras.ops.convert_to_numpy(gradient)
        for variable, gradient in zip(super_model.trainable_variables, found, strict=True)
      }
    )
  return slopes
