"""Measures, loss and quality of depth maps, against values worked out by hand."""

import math

import numpy as np
import pytest

from nadv2_tf.tasks.depth import Depth
from nadv2_tf.tasks.depth.measures import evaluate_maps, image_measures

# One row of four pixels, the last without depth.
TRUTH = [2.0, 4.0, 1.0, 0.0]
# Off by +0.4 (factor 1.2), +2 (1.5), -0.4 (1/0.6 = 1.667): within 1.25, 1.5625, 1.953125.
PREDICTION = [2.4, 6.0, 0.6, 9.0]


def maps(*rows):
  return np.array(rows, np.float32).reshape(len(rows), 1, -1, 1)


@pytest.fixture
def task():
  return Depth("rooms:10", 32, 2, 0)


def test_every_measure_of_one_image():
  found = {name: value[0] for name, value in image_measures(maps(TRUTH), maps(PREDICTION)).items()}
  # (0.16 + 4 + 0.16) / 3 = 1.44
  assert found["RMSE (m)"] == pytest.approx(1.2, abs=1e-6)
  assert found["delta1"] == pytest.approx(1 / 3)
  assert found["delta2"] == pytest.approx(2 / 3)
  assert found["delta3"] == pytest.approx(1)
  # (0.4/2 + 2/4 + 0.4/1) / 3 = 1.1 / 3
  assert found["REL"] == pytest.approx(1.1 / 3, abs=1e-6)
  # log10 of 1.2, 1.5 and 1/0.6: 0.0791812 + 0.1760913 + 0.2218487 = 0.4771213, log10 of 3
  assert found["log10"] == pytest.approx(math.log10(3) / 3, abs=1e-6)
  assert found["pixels"] == 3


def test_a_factor_of_exactly_125_is_not_within_it():
  found = image_measures(maps([4.0, 5.0, 4.0]), maps([5.0, 4.0, 4.9]))
  assert found["delta1"][0] == pytest.approx(1 / 3)
  assert found["delta2"][0] == 1


def test_means_are_over_images_and_pooled_rmse_over_pixels():
  # Image 1: three pixels off by 1; image 2: one valid pixel off by 5; image 3: no depth.
  truth = maps([1, 1, 1], [2, 0, 0], [0, 0, 0])
  prediction = maps([2, 2, 2], [7, 1, 1], [3, 3, 3])
  # In two batches, as a network gives them.
  result = evaluate_maps([(prediction[:1], truth[:1]), (prediction[1:], truth[1:])])
  assert result.examples == 2
  assert result.measures["RMSE (m)"] == pytest.approx((1 + 5) / 2)
  # (3 * 1 + 25) / 4 = 7
  assert result.measures["RMSE of all pixels (m)"] == pytest.approx(math.sqrt(7))
  assert result.accuracy == result.measures["delta1"] == 0


def test_a_prediction_of_nothing_is_wrong_but_has_a_logarithm():
  found = image_measures(maps([1.0, 1.0]), maps([0.0, 1.0]))
  # 0 m counts as 1 mm: log10(1000) = 3 for one of two pixels.
  assert found["log10"][0] == pytest.approx(1.5)
  assert found["delta3"][0] == 0.5


def test_nan_is_never_right_and_never_hidden():
  found = image_measures(maps([1.0, 1.0]), maps([np.nan, 1.0]))
  assert found["delta1"][0] == 0.5
  assert np.isnan(found["RMSE (m)"][0])


def test_without_any_depth_there_is_no_measure():
  with pytest.raises(ValueError, match="No depth map has a valid pixel"):
    evaluate_maps([(maps([1.0, 2.0]), maps([0.0, 0.0]))])


def test_outputs_of_another_size_are_refused():
  with pytest.raises(ValueError, match=r"\[1, 1, 2, 1\] cannot be compared .* \[1, 1, 1, 1\]"):
    image_measures(maps([1.0, 2.0]), maps([1.0]))


def test_loss_is_the_mean_error_of_valid_pixels(task):
  truth, prediction = maps(TRUTH, [0, 0, 0, 0]), maps(PREDICTION, [1, 2, 3, 4])
  # (0.4 + 2 + 0.4) / 3; an image without depth costs nothing.
  np.testing.assert_allclose(task.loss(truth, prediction), [2.8 / 3, 0], atol=1e-6)


def test_invalid_pixels_have_no_gradient(task):
  import tensorflow as tf

  prediction = tf.Variable(maps(PREDICTION))
  with tf.GradientTape() as tape:
    loss = tf.reduce_sum(task.loss(maps(TRUTH), prediction))
  gradient = tape.gradient(loss, prediction).numpy().ravel()
  np.testing.assert_allclose(gradient, [1 / 3, 1 / 3, -1 / 3, 0], atol=1e-6)


def test_quality_is_delta1_of_each_image(task):
  rng = np.random.default_rng(0)
  truth = rng.uniform(0.5, 5, (6, 4, 5, 1)).astype(np.float32)
  truth[rng.random(truth.shape) < 0.3] = 0
  prediction = (truth + rng.normal(0, 0.5, truth.shape)).astype(np.float32)
  expected = image_measures(truth, prediction)["delta1"]
  assert 0.1 < expected.mean() < 0.9
  np.testing.assert_allclose(task.quality(truth, prediction), expected, atol=1e-6)
  # Half-precision maps, as some data sets have them, are measured in single precision.
  half = task.quality(truth.astype(np.float16), prediction)
  assert np.asarray(half).dtype == np.float32


def test_description_has_every_measure(task):
  lines = task.describe(evaluate_maps([(maps(PREDICTION), maps(TRUTH))]), None)
  for title in ("1 images", "RMSE (m)  ", "delta1", "delta2", "delta3", "REL", "log10", "1.2000"):
    assert any(title in line for line in lines), title
