"""L2 regularisation adds its gradient to that of kernels, and of nothing else."""

import numpy as np
import pytest
import tensorflow as tf

from nadv2_tf.models import stand_alone, super_network
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.training.steps.gradients import gradients, sliced_gradients
from nadv2_tf.training.widths import WidthSampler

TASK, L2 = Classification("demo", 8, 1, 0), 0.3


@pytest.fixture
def batch():
  rng = np.random.default_rng(0)
  images = rng.normal(size=(16, 8, 8, 1)).astype(np.float32)
  return tf.constant(images), tf.constant(rng.integers(0, 2, 16))


def _check(model, find, scale=1.0):
  loss, _, plain = find(l2=0.0)
  same, _, regular = find(l2=L2)
  assert float(same) == pytest.approx(float(loss))
  kernels = 0
  for variable, one, other in zip(model.trainable_variables, plain, regular, strict=True):
    is_kernel = variable.name not in ("bias", "gamma", "beta")
    kernels += is_kernel
    added = scale * L2 * np.asarray(variable) if is_kernel else 0 * np.asarray(variable)
    np.testing.assert_allclose(np.asarray(other) - np.asarray(one), added, atol=2e-4 * scale)
  assert 2 < kernels < len(plain)


def test_of_a_plain_network_with_and_without_a_scaled_loss(batch, tiny_space, randomise):
  model = randomise(stand_alone(tiny_space.largest()), seed=1)
  for scale, given in ((1.0, None), (8.0, lambda loss: 8.0 * loss)):
    _check(
      model, lambda l2, given=given: gradients(model, TASK, 16, batch[:1], batch[1], given, l2=l2),
      scale,
    )  # fmt: skip


@pytest.mark.parametrize("execution", ["masked", "sliced"])
def test_of_a_super_network(batch, tiny_space, randomise, execution):
  model = randomise(super_network(tiny_space, groups=4), seed=2)
  widths = tf.constant(WidthSampler(tiny_space, 16, 4, full=1, seed=3).batch(0))
  inputs = (batch[0], widths)
  if execution == "masked":
    _check(model, lambda l2: gradients(model, TASK, 16, inputs, batch[1], l2=l2))
  else:
    find = tf.function(sliced_gradients, autograph=False)
    _check(model, lambda l2: find(model, TASK, 16, 4, inputs, batch[1], l2=l2))
