"""Gradients times weights, for the first-order Taylor importance."""

import keras
import numpy as np
import pytest

from nadv2_tf.models import super_network
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.slopes import weight_slopes


def test_they_are_those_of_the_full_networks_loss():
  network = NetworkSpec("tiny", (8, 8, 1), (Conv(4, 3, 2), Conv(6, 3), Head(2)))
  keras.utils.set_random_seed(0)
  model = super_network(space_of(network, 2))
  rng = np.random.default_rng(0)
  train = Examples(rng.integers(0, 255, (33, 8, 8, 1), np.uint8), rng.integers(0, 2, 33))
  task = Classification("demo", 8, 1, 0)
  before = model.get_weights()
  slopes = weight_slopes(model, task, train, 16)
  assert len(slopes) == 2  # what does not fill a batch is left out
  for one, other in zip(before, model.get_weights(), strict=True):
    np.testing.assert_array_equal(one, other)
  kernel = model.get_layer("block03_classes").kernel
  given = np.array(kernel)
  step = 1e-2

  def summed(factor):
    kernel.assign(given * factor)
    return _losses(model, task, train)

  expected = (summed(1 + step) - summed(1 - step)) / (2 * step)
  found = [batch[kernel.path].sum() for batch in slopes]
  np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-5)


def _losses(model, task, train):
  """Mean loss of each of the two batches that are drawn, with their own batch statistics."""
  from nadv2_tf.training.steps.sliced import run_sliced

  order, row = np.random.default_rng([0, 11]).permutation(len(train)), model.space
  row = keras.ops.convert_to_tensor(np.array(row.encode(row.largest()), np.int32))
  losses = []
  for number in range(2):
    batch = train.take(order[16 * number : 16 * (number + 1)]).decoded()
    images = keras.ops.convert_to_tensor(batch.inputs())
    logits = run_sliced(model, images, row, training=True)
    losses.append(float(np.mean(task.loss(batch.labels, logits))))
  assert losses[0] != pytest.approx(losses[1])
  return np.array(losses)
