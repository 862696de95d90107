"""One function for each model is no retracing; a function that retraces still is."""

import logging

import numpy as np
import pytest
import tensorflow as tf

from nadv2_tf.models import stand_alone, super_network
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recalibration import recalibrate
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.scoring.evaluation import keras_predictor
from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator
from nadv2_tf.training.steps.tracing import traced

NETWORKS = 6  # TensorFlow warns from the fifth trace within ten calls on


@pytest.fixture
def warnings():
  """Messages of TensorFlow's logger."""
  messages = []

  class Collector(logging.Handler):
    def emit(self, record):
      messages.append(record.getMessage())

  collector = Collector(logging.WARNING)
  tf.get_logger().addHandler(collector)
  yield messages
  tf.get_logger().removeHandler(collector)


@pytest.fixture
def examples():
  rng = np.random.default_rng(0)
  images, labels = rng.integers(0, 255, (16, 8, 8, 1)), rng.integers(0, 2, 16)
  return Examples(images.astype(np.uint8), labels.astype(np.int64))


def test_a_model_each_is_no_retracing(tiny_space, examples, warnings):
  task = Classification("demo", 8, 1, 0)
  super_model = super_network(tiny_space)
  spec = tiny_space.smallest()
  for _ in range(NETWORKS):
    model = stand_alone(spec)
    recalibrate(model, examples)
    TrainingLoop(model, task, Recipe(1, 16)).run(examples)
    predict = keras_predictor(model)
    for count in (5, 16, 7):
      assert predict(examples.inputs()[:count]).shape == (count, 2)
    SharedWeightsEvaluator(super_model, task, examples).accuracy([spec])
  assert warnings == []


def test_a_predictor_is_traced_once_for_all_batch_sizes(tiny_space, examples):
  model, calls = stand_alone(tiny_space.smallest()), []

  class Counted:
    inputs = model.inputs

    def __call__(self, images, training):
      calls.append(images.shape)
      return model(images, training=training)

  predict = keras_predictor(Counted())
  for count in (16, 5, 7):
    np.testing.assert_allclose(
      predict(examples.inputs()[:count]), model(examples.inputs()[:count]), atol=1e-5
    )
  assert calls == [(None, 8, 8, 1)]


def test_a_function_that_retraces_is_warned_of(warnings):
  function = traced(lambda images: images + 1)
  for size in range(NETWORKS):
    function(np.zeros(size, np.float32))
  assert len(warnings) >= 1 and "retracing" in warnings[0]
