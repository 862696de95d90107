"""Ordered dropout, channel bypass, superkernel and batch norm on small arrays worked by hand."""

import numpy as np
import pytest

from nadv2_tf.layers import (
  MaskedBatchNorm,
  centre_mask,
  channel_mask,
  downsample,
  join_bypass,
  keep_first_channels,
  pad_channels,
)


def test_each_image_keeps_its_own_first_channels():
  features = np.arange(1, 7, dtype=np.float32).reshape(2, 1, 1, 3)
  kept = keep_first_channels(features, np.array([1, 2], np.int32))
  # Nothing is rescaled: 1 and 4, 5 are what they were.
  np.testing.assert_array_equal(np.asarray(kept)[:, 0, 0], [[1, 0, 0], [4, 5, 0]])


@pytest.mark.parametrize("width", [0, 3])
def test_width_of_nothing_and_of_everything(width):
  mask = np.asarray(channel_mask(np.array([width], np.int32), 3))
  np.testing.assert_array_equal(mask, [[width > 0] * 3])


def test_unknown_channel_count_is_refused():
  import keras

  with pytest.raises(ValueError, match="known channel count"):
    keep_first_channels(keras.KerasTensor((1, 2, 2, None)), np.array([1], np.int32))


# NetAdaptV2, Fig. 3: (C, T, filters of the full layer, output channels for M = full..0).
FIGURE_3 = [
  (4, 4, 4, [4, 4, 4, 4, 4]),
  (4, 6, 6, [6, 5, 4, 4, 4, 4, 4]),
  (4, 2, 4, [4, 3, 2, 2, 2]),
]


@pytest.mark.parametrize(("channels", "cap", "full", "expected"), FIGURE_3)
def test_figure_3_in_features(channels, cap, full, expected):
  """Filter i gives -(i + 1), input channel i is i + 1: the signs show what came which way."""
  features = np.arange(1, channels + 1, dtype=np.float32).reshape(1, 1, 1, channels)
  for kept, live in zip(range(full, -1, -1), expected, strict=True):
    mask = np.asarray(channel_mask(np.array([kept], np.int32), full))
    filtered = -np.arange(1, full + 1, dtype=np.float32).reshape(1, 1, 1, full)
    out = np.asarray(join_bypass(filtered * mask, features, mask, cap, stride=1)).ravel()
    filters = [-(index + 1) for index in range(kept)]
    passed = [index + 1 for index in range(kept, min(channels, cap))]
    np.testing.assert_array_equal(out, filters + passed + [0] * (len(out) - live))


def test_no_bypass_without_a_cap():
  filtered = np.ones((1, 1, 1, 2), np.float32)
  out = join_bypass(filtered, np.full((1, 1, 1, 4), 9.0, np.float32), np.ones((1, 2)), 0, 1)
  np.testing.assert_array_equal(out, filtered)


def test_bypass_across_a_stride_is_the_mean_of_2x2():
  image = np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1)
  # SAME: (0+1+3+4)/4, (2+5)/2, (6+7)/2, 8; padding does not count.
  np.testing.assert_allclose(np.asarray(downsample(image, 2)).ravel(), [2, 3.5, 6.5, 8])
  assert downsample(image, 1) is image


def test_padding_appends_zeros():
  padded = np.asarray(pad_channels(np.ones((1, 1, 1, 2), np.float32), 4)).ravel()
  np.testing.assert_array_equal(padded, [1, 1, 0, 0])


@pytest.mark.parametrize(("size", "ones"), [(1, 1), (3, 9), (5, 25), (7, 49)])
def test_superkernel_keeps_the_centre(size, ones):
  mask = np.asarray(centre_mask(7, np.int32(size)))[:, :, 0, 0]
  assert mask.sum() == ones
  margin = (7 - size) // 2
  assert mask[margin : 7 - margin, margin : 7 - margin].all()


def normalise(norm, features, mask, training):
  scale, shift = norm(features, mask, training=training)
  return np.asarray(features * np.asarray(scale)[:, None, None] + np.asarray(shift)[:, None, None])


def test_each_group_has_its_own_statistics():
  features = np.array([1, 3, 10, 30], np.float32).reshape(4, 1, 1, 1)
  norm = MaskedBatchNorm(groups=2)
  out = normalise(norm, features, np.ones((4, 1), np.float32), training=True).ravel()
  # Means 2 and 20, variances 1 and 100; epsilon 1e-3 shows in the first group only.
  np.testing.assert_allclose(out, [-1, 1, -1, 1], atol=1e-3)
  # Moving averages: momentum 0.99 of 0 and 1, and 0.01 of the groups' mean, 11 and 50.5.
  np.testing.assert_allclose(norm.moving_mean, [0.11], rtol=1e-5)
  np.testing.assert_allclose(norm.moving_variance, [0.99 + 0.505], rtol=1e-5)


def test_mixture_counts_masked_images_and_live_does_not():
  features = np.array([1, 3, 100, 200], np.float32).reshape(4, 1, 1, 1)
  mask = np.array([[1], [1], [0], [0]], np.float32)
  live = normalise(MaskedBatchNorm(statistics="live"), features, mask, training=True).ravel()
  np.testing.assert_allclose(live, [-1, 1, 0, 0], atol=1e-3)
  mixture = normalise(MaskedBatchNorm(), features, mask, training=True).ravel()
  # Mean 76, variance (75^2 + 73^2 + 24^2 + 124^2) / 4 = 6726.5: (1 - 76) / 82.0 = -0.914.
  np.testing.assert_allclose(mixture[:2], [-75 / 6726.5**0.5, -73 / 6726.5**0.5], rtol=1e-4)
  assert not mixture[2:].any()  # the shift is masked as well


def test_a_channel_that_no_image_keeps_stays_zero_and_finite():
  features = np.ones((2, 1, 1, 1), np.float32)
  out = normalise(
    MaskedBatchNorm(statistics="live"), features, np.zeros((2, 1), np.float32), training=True
  )
  np.testing.assert_array_equal(out, np.zeros_like(features))


def test_scoring_uses_the_batch_and_moves_nothing():
  features = np.array([1, 3], np.float32).reshape(2, 1, 1, 1)
  norm = MaskedBatchNorm(inference="batch")
  out = normalise(norm, features, np.ones((2, 1), np.float32), training=False).ravel()
  np.testing.assert_allclose(out, [-1, 1], atol=1e-3)
  np.testing.assert_array_equal(norm.moving_mean, [0])


@pytest.mark.parametrize(("groups", "expected"), [(1, [1, 3]), (2, [-1, 1])])
def test_averages_over_groups_of_other_sub_networks_normalise_nothing(groups, expected):
  """By default one group is scored by the moving averages, here 0 and 1, several by the batch."""
  features = np.array([1, 3], np.float32).reshape(2, 1, 1, 1)
  norm = MaskedBatchNorm(groups=groups)
  out = normalise(norm, features, np.ones((2, 1), np.float32), training=False).ravel()
  # Epsilon is 1e-3 beside a variance of 1: 3 becomes 3 / 1.0005.
  np.testing.assert_allclose(out, expected, atol=2e-3)


def test_unknown_modes_are_refused():
  with pytest.raises(ValueError, match="mixture.*live"):
    MaskedBatchNorm(statistics="none")


@pytest.mark.parametrize("groups", [1, 3])
def test_the_gradient_that_is_written_out_is_that_of_the_scale_and_shift(groups, float64):
  import keras
  import tensorflow as tf

  rng = np.random.default_rng(0)
  features = tf.constant(rng.normal(1.0, 2.0, (6, 3, 2, 4)))
  mask = channel_mask(np.array([4, 3, 2, 0, 4, 1], np.int32), 4, "float64")
  factors = tf.constant(rng.normal(size=(6, 3, 2, 4)))

  def found(run):
    norm = MaskedBatchNorm(groups=groups, momentum=0.5)
    norm.build(features.shape, mask.shape)
    norm.gamma.assign(rng_weights[0])
    norm.beta.assign(rng_weights[1])
    with tf.GradientTape() as tape:
      tape.watch(features)
      out = run(norm)
      loss = tf.reduce_sum(out**2 * factors)
    gradients = tape.gradient(loss, [features, norm.gamma.value, norm.beta.value])
    return [out, *gradients, norm.moving_mean, norm.moving_variance]

  rng_weights = rng.normal(size=(2, 4))

  def by_scale_and_shift(norm):
    scale, shift = norm(features, mask, training=True)
    return features * scale[:, None, None] + shift[:, None, None]

  ours = found(lambda norm: norm.normalised(features, mask))
  theirs = found(by_scale_and_shift)
  for mine, other in zip(ours, theirs, strict=True):
    mine, other = keras.ops.convert_to_numpy(mine), keras.ops.convert_to_numpy(other)
    np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-9)
