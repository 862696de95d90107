"""Moving averages of batch norm: after a training of any length they belong to its end."""

import keras
import numpy as np
import pytest

from nadv2_tf.training.recalibration import recent_averages


def _norm():
  model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization()])
  return model, model.layers[-1]


@pytest.mark.parametrize("steps", [200, 300, 900])
def test_after_a_short_training_the_averages_are_those_of_its_end(steps):
  """The mean of the inputs is 0 in the first half of the steps and 8 in the second."""
  model, norm = _norm()
  values = np.random.default_rng(0).normal(size=(64, 1)).astype(np.float32)
  with recent_averages(model, steps):
    for step in range(steps):
      model(values - values.mean() + 8.0 * (2 * step >= steps), training=True)
  assert norm.moving_mean.numpy()[0] == pytest.approx(8, abs=0.1)


@pytest.mark.parametrize("steps", [0, 1, 200])
def test_a_few_batches_alone_do_not_decide(steps):
  model, norm = _norm()
  with recent_averages(model, steps):
    assert norm.momentum == pytest.approx(0.95)


def test_long_trainings_have_the_momentum_that_they_always_had():
  model, norm = _norm()
  with recent_averages(model, 1000):
    assert norm.momentum == 0.99
  with recent_averages(model, 100_000):
    assert norm.momentum == 0.99


def test_the_momentum_is_put_back_even_after_an_error():
  model, norm = _norm()
  with pytest.raises(KeyboardInterrupt), recent_averages(model, 50):
    assert norm.momentum == pytest.approx(0.95)
    raise KeyboardInterrupt
  assert norm.momentum == 0.99
