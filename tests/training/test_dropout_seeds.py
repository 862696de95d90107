"""Dropout draws the same in a model that has trained before and in a new one."""

import keras
import numpy as np

from nadv2_tf.training.dropout_seeds import seed_dropout


def _model():
  inputs = keras.Input((50,))
  outputs = keras.layers.Dropout(0.5)(keras.layers.Dropout(0.5)(inputs))
  return keras.Model(inputs, outputs)


def _drawn(model, times=2):
  ones = np.ones((4, 50), np.float32)
  return [keras.ops.convert_to_numpy(model(ones, training=True)) for _ in range(times)]


def test_a_model_that_has_drawn_before_draws_what_a_new_one_does():
  one, other = _model(), _model()
  _drawn(one, 3)
  seed_dropout(one, 7)
  seed_dropout(other, 7)
  first, again = _drawn(one), _drawn(other)
  np.testing.assert_array_equal(first, again)
  assert (first[0] != first[1]).any()
  seed_dropout(other, 8)
  assert (_drawn(other)[0] != first[0]).any()


def test_layers_draw_by_themselves():
  model = _model()
  seed_dropout(model, 1)
  kept = _drawn(model, 1)[0] > 0
  # Were both layers' masks one, half would be left.
  assert kept.mean() < 0.4
