"""Fused batch norm trains a network as Keras's own layers do, and leaves the network as it was."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from nadv2_tf.models import stand_alone
from nadv2_tf.training.fused_norms import FusedBatchNorm, with_fused_norms


@pytest.fixture
def network(tiny_space, randomise):
  return randomise(stand_alone(tiny_space.sample(random.Random(1))), 0)


def _images():
  return np.random.default_rng(0).normal(size=(6, 8, 8, 1)).astype("float32")


def _outputs_and_gradients(model, variables):
  with tf.GradientTape() as tape:
    outputs = model(_images(), training=True)
    loss = tf.reduce_sum(outputs**2)
  return [outputs.numpy(), *(gradient.numpy() for gradient in tape.gradient(loss, variables))]


def test_outputs_gradients_and_averages_are_those_of_keras(network):
  fused, variables = with_fused_norms(network), network.trainable_variables
  before = network.get_weights()
  plain = _outputs_and_gradients(network, variables)
  plain_weights = network.get_weights()
  network.set_weights(before)
  ours = _outputs_and_gradients(fused, variables)
  for mine, other in zip(ours, plain, strict=True):
    # Sums over a batch in another order.
    np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4 * np.abs(other).max())
  for mine, other in zip(network.get_weights(), plain_weights, strict=True):
    np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


def test_every_norm_is_fused_and_shares_its_variables(network):
  fused = with_fused_norms(network)
  norms = [la for la in network.layers if isinstance(la, keras.layers.BatchNormalization)]
  twins = [la for la in fused.layers if isinstance(la, FusedBatchNorm)]
  assert norms and [twin.norm for twin in twins] == norms
  assert {id(v) for v in fused.variables} == {id(v) for v in network.variables}


def test_the_network_is_saved_and_runs_as_before(network, tmp_path):
  expected = network(_images(), training=False).numpy()
  fused = with_fused_norms(network)
  np.testing.assert_array_equal(fused(_images(), training=False).numpy(), expected)
  network.save(tmp_path / "network.keras")
  loaded = keras.models.load_model(tmp_path / "network.keras")
  assert not any(isinstance(layer, FusedBatchNorm) for layer in loaded.layers)
  np.testing.assert_array_equal(loaded(_images(), training=False).numpy(), expected)


def test_momentum_is_read_when_it_is_traced(network):
  fused = with_fused_norms(network)
  (norm, *_) = [la for la in network.layers if isinstance(la, keras.layers.BatchNormalization)]
  before = norm.moving_mean.numpy()
  norm.momentum = 1.0
  fused(_images(), training=True)
  np.testing.assert_array_equal(norm.moving_mean.numpy(), before)
  norm.momentum = 0.5
  fused(_images(), training=True)
  assert not np.array_equal(norm.moving_mean.numpy(), before)
