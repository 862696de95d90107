"""Image and depth map stay one scene under augmentation; crops are those of the literature."""

import math

import numpy as np
import pytest
from PIL import Image

from nadv2_tf.tasks.depth import augmentation
from nadv2_tf.tasks.depth.augmentation import augment, inverse_map, jitter
from nadv2_tf.tasks.depth.maps import crop_box, fit_image, fit_map
from nadv2_tf.tasks.depth.task import Depth
from nadv2_tf.tasks.examples import Examples, shuffle

SIZE = 48


def scene(count=6):
  """Images whose red says the depth: red = 20 * metres, in smooth ramps of another slope each."""
  rows, columns = np.mgrid[0:SIZE, 0:SIZE] / SIZE
  slopes = np.random.default_rng(1).uniform(-1.5, 1.5, (count, 2))
  depth = np.stack([5 + a * (rows - 0.5) * 2 + b * (columns - 0.5) * 2 for a, b in slopes])
  images = np.zeros((count, SIZE, SIZE, 3), np.uint8)
  images[..., 0] = np.rint(20 * depth)
  return Examples(images, depth[..., None].astype(np.float32))


def test_depth_follows_the_image(monkeypatch):
  monkeypatch.setattr(augmentation, "JITTER", 0.0)
  examples = scene()
  moved = augment(examples, np.random.default_rng(0))
  assert moved.images.shape == examples.images.shape and moved.labels.dtype == np.float32
  scales = np.random.default_rng(0).uniform(1.0, 1.5, len(examples))
  assert np.ptp(scales) > 0.1
  for image, depth, scale in zip(moved.images, moved.labels[..., 0], scales, strict=True):
    inside = depth > 0
    assert inside.mean() > 0.9
    # Metres times the scale are the metres of the place the red comes from; one nearest pixel of a
    # ramp of at most 3 m over 48 pixels and one grey step lie between: 0.09 + 0.05 m, and a border.
    core = inside[4:-4, 4:-4]
    gap = np.abs(depth * scale - image[..., 0] / 20)[4:-4, 4:-4][core]
    assert gap.max() < 0.2
  assert (moved.labels < examples.labels.max() / 1.0).all()
  assert not np.array_equal(moved.images, examples.images)


def test_what_turns_in_from_outside_has_no_depth():
  examples = scene(1)
  turn = inverse_map(SIZE, SIZE, 1.0, math.radians(5), False)
  image, depth = augmentation._moved(examples.images[0], examples.labels[0], turn)
  corners = depth[[0, 0, -1, -1], [0, -1, 0, -1], 0]
  assert (corners == 0).sum() >= 2
  assert (image[depth[..., 0] == 0][:, 1] >= 0).all()
  assert (depth > 0).mean() > 0.9


def test_larger_is_nearer_and_mirrored_is_exact():
  identity = inverse_map(SIZE, SIZE, 1.0, 0.0, False)
  assert identity == pytest.approx((1, 0, 0, 0, 1, 0))
  image, depth = scene(1).images[0], scene(1).labels[0]
  mirrored = augmentation._moved(image, depth, inverse_map(SIZE, SIZE, 1.0, 0.0, True))
  np.testing.assert_array_equal(mirrored[0], image[:, ::-1])
  np.testing.assert_array_equal(mirrored[1], depth[:, ::-1])
  # Twice as large: the middle half of the picture fills it.
  double = augmentation._moved(image, depth, inverse_map(SIZE, SIZE, 2.0, 0.0, False))[1]
  np.testing.assert_array_equal(double[::2, ::2, 0], depth[12:36, 12:36, 0])


def test_no_scene_is_mirrored_where_that_means_something_else():
  """Depth and colour of these scenes rise from left to right, by 3 m over the image."""
  depth = np.tile(5 + 3 * (np.arange(SIZE) / SIZE - 0.5), (30, SIZE, 1))
  images = np.repeat(np.rint(20 * depth)[..., None], 3, axis=-1).astype(np.uint8)
  examples = Examples(images, depth[..., None].astype(np.float32))
  task = Depth("folder:none", SIZE, 1, 0)
  rises, middle = {}, slice(8, -8)  # without what turned in from outside
  for mirror in (True, False):
    augmented = task.augmentation("shift", 1, mirror).examples(examples, np.random.default_rng(0))
    for values in (augmented.images.astype(float), augmented.labels):
      by_column = values[:, middle, middle, 0].mean(axis=1)
      rises.setdefault(mirror, []).append(by_column[:, -1] > by_column[:, 0])
  assert np.all(rises[False])
  mirrored_image, mirrored_map = ~np.array(rises[True])
  # Of 30 fair coins: fewer than 5 or more than 25 once in 17 000 seeds.
  assert np.array_equal(mirrored_image, mirrored_map) and 5 <= mirrored_map.sum() <= 25


def test_a_turn_keeps_lengths_of_the_scene():
  # A pixel of a square that was 4:3 is 4/3 as wide as high: a step down of 3 rows turned by 90
  # degrees is one of 3 * 3/4 columns.
  a, b, _, d, e, _ = inverse_map(SIZE, SIZE, 1.0, math.pi / 2, False)
  assert (a, e) == pytest.approx((0, 0), abs=1e-12)
  assert abs(b) == pytest.approx(3 / 4) and abs(d) == pytest.approx(4 / 3)


def test_colours_change_and_depth_does_not():
  examples = scene(8)
  images = np.random.default_rng(3).integers(60, 180, examples.images.shape).astype(np.uint8)
  changed = jitter(images, np.random.default_rng(0)).astype(float)
  factors = changed.mean(axis=(1, 2, 3)) / images.mean(axis=(1, 2, 3))
  brightness = np.random.default_rng(0).uniform(0.6, 1.4, (3, 8))[0]
  # Contrast and saturation keep the mean, but for what is clipped at 255.
  np.testing.assert_allclose(factors, brightness, rtol=0.05)
  contrast = changed.std(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3))
  assert np.ptp(contrast) > 0.2


def test_the_crop_is_that_of_fastdepth():
  # 640x480 at a height of 250 is 333.3 x 250; its middle 304 x 228 in old pixels: 583.7 x 437.8.
  left, upper, right, lower = crop_box(640, 480)
  assert (right - left, lower - upper) == pytest.approx((304 * 480 / 250, 228 * 480 / 250))
  assert (left + right, upper + lower) == pytest.approx((640, 480))
  wide = crop_box(1000, 480)
  assert (wide[2] - wide[0]) / (wide[3] - wide[1]) == pytest.approx(4 / 3)
  high = crop_box(300, 1000)
  assert high[2] - high[0] == pytest.approx(300 * 0.912)


def test_maps_keep_their_values_and_holes():
  depth = np.random.default_rng(0).uniform(1, 9, (60, 80))
  depth[20:40, 30:50] = 0
  fitted = fit_map(depth, 32)
  assert fitted.shape == (32, 32, 1)
  assert set(np.unique(fitted)) <= set(np.unique(depth.astype(np.float32)))
  hole = (fitted == 0).mean()
  assert hole == pytest.approx(20 * 20 / (60 * 80 * 0.912**2), rel=0.25)


def test_image_and_map_are_cut_at_the_same_place():
  # A bright square where it is near, on a far dark wall.
  depth = np.full((90, 120), 8.0)
  depth[30:70, 20:60] = 2.0
  image = np.where(depth == 2, 250, 10).astype(np.uint8)
  fitted = fit_image(Image.fromarray(image), 40)[..., 0] > 130
  assert np.mean(fitted == (fit_map(depth, 40)[..., 0] == 2)) > 0.97


def test_shuffled_in_place_pairs_stay_together():
  numbers = np.arange(30)
  examples = Examples(numbers.astype(np.uint8).reshape(-1, 1), numbers.copy())
  shuffle(examples, np.random.default_rng(0))
  assert sorted(examples.labels) == list(range(30)) and list(examples.labels) != list(range(30))
  np.testing.assert_array_equal(examples.images[:, 0], examples.labels)
