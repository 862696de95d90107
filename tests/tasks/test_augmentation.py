"""Inception crops and AutoAugment, against arithmetic done by hand."""

import numpy as np
import pytest
from PIL import Image

from nadv2_tf.tasks import augmentation as augmentation_module
from nadv2_tf.tasks.augmentation import AREA, ASPECT, Augmentation, crop_box
from nadv2_tf.tasks.autoaugment import OPERATIONS, POLICY, autoaugment
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples


class _Draws:
  """Stands in for a generator whose `random` gives these values in turn."""

  def __init__(self, *values, sub_policy=0):
    self._values, self._sub_policy = iter(values), sub_policy

  def random(self):
    return next(self._values)

  def integers(self, unused_high):
    return self._sub_policy


def _picture(pixels):
  return Image.fromarray(np.array(pixels, np.uint8))


# --- crops


def test_crops_have_the_area_and_aspect_of_the_paper():
  rng = np.random.default_rng(0)
  boxes = np.array([crop_box(400, 300, rng) for _ in range(2000)])
  left, top, right, bottom = boxes.T
  assert min(left.min(), top.min()) >= 0 and right.max() <= 400 and bottom.max() <= 300
  width, height = right - left, bottom - top
  area, aspect = width * height / 120_000, width / height
  # Rounded to pixels: a side of 80 or more is off by 0.6 % at most.
  assert AREA[0] * 0.98 < area.min() < 0.1 and 0.9 < area.max() <= 1
  assert ASPECT[0] * 0.98 < aspect.min() < 0.8 and 1.25 < aspect.max() < ASPECT[1] * 1.02
  # Uniform but for large ones that do not fit: below one half there are more than 0.42 / 0.92.
  assert 0.45 < (area < 0.5).mean() < 0.65
  assert len(np.unique(left)) > 100 and len(np.unique(top)) > 100


@pytest.mark.parametrize(
  ("size", "box"),
  [((1, 90), (0, 44, 1, 45)), ((90, 1), (44, 0, 45, 1)), ((1, 1), (0, 0, 1, 1))],
)
def test_a_strip_is_cut_in_its_middle_or_in_one_place(size, box):
  boxes = [crop_box(*size, np.random.default_rng(seed)) for seed in range(20)]
  assert box in boxes
  assert all(b[2] > b[0] >= 0 and b[3] > b[1] >= 0 for b in boxes)
  assert all(b[2] <= size[0] and b[3] <= size[1] for b in boxes)


def test_inception_mirrors_half_and_scales_to_the_input():
  columns = _picture(np.repeat(np.arange(0, 240, 6)[None, :, None], 30, axis=0).repeat(3, axis=2))
  augmentation = Augmentation("inception")
  cut = [augmentation.picture(columns, 10, np.random.default_rng(seed)) for seed in range(200)]
  assert {image.shape for image in cut} == {(10, 10, 3)}
  rising = [image[0, -1, 0] > image[0, 0, 0] for image in cut]
  assert 70 < sum(rising) < 130  # 4 standard deviations of 7.1: 1 in 16 000 by chance
  spread = [abs(int(image[0, -1, 0]) - int(image[0, 0, 0])) for image in cut]
  assert min(spread) < 80 and max(spread) > 140  # small crops and large ones


@pytest.mark.parametrize("kind", ["inception", "autoaugment"])
def test_no_picture_is_mirrored_where_that_means_something_else(monkeypatch, kind):
  drawn = []
  monkeypatch.setattr(
    augmentation_module, "autoaugment", lambda picture, rng: drawn.append(rng.random()) or picture
  )
  columns = _picture(np.tile(np.arange(0, 240, 6), (30, 1)))
  task = Classification("demo", 32, 1, 0)
  seen = set()
  for seed in range(20):  # a coin shows one side only once in half a million seeds
    kept, mirrored = (
      task.augmentation(kind, 1, mirror).picture(columns, 10, np.random.default_rng(seed))
      for mirror in (False, True)
    )
    assert kept[0, -1] > kept[0, 0]
    is_mirrored = not np.array_equal(mirrored, kept)
    np.testing.assert_array_equal(mirrored[:, ::-1] if is_mirrored else mirrored, kept)
    seen.add(is_mirrored)
  assert seen == {False, True}
  # What else is drawn stays the same: the crops above, and what AutoAugment draws next.
  assert drawn[::2] == drawn[1::2] and len(drawn) == (40 if kind == "autoaugment" else 0)


def test_grey_images_in_memory_are_augmented_as_well():
  images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), np.uint8)
  examples = Examples(images, np.arange(4))
  for kind in ("inception", "autoaugment"):
    inputs, labels = next(examples.training_batches(4, Augmentation(kind), 0))
    assert inputs.shape == (4, 8, 8, 1) and np.abs(inputs).max() <= 1
    assert sorted(labels) == [0, 1, 2, 3]


def test_what_is_done_by_picture_is_not_done_again():
  images = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
  for kind in ("inception", "autoaugment"):
    assert Augmentation(kind).batch(images, np.random.default_rng(0)) is images


def test_unknown_augmentation_lists_the_known_ones():
  with pytest.raises(ValueError, match="shift, inception, autoaugment, got 'mixup'"):
    Augmentation("mixup")


# --- AutoAugment

GREYS = [[0, 60, 120, 255]]


@pytest.mark.parametrize(
  ("name", "magnitude", "expected"),
  [
    ("posterize", 8, [[0, 60 & 0xFE, 120 & 0xFE, 254]]),  # 4 + int(3.2) = 7 bits are kept
    ("posterize", 5, [[0, 60 & 0xFC, 120 & 0xFC, 252]]),  # 4 + 2 = 6 bits
    ("solarize", 5, [[0, 60, 120, 0]]),  # 128 and above are inverted
    ("solarize", 2, [[0, 195, 135, 0]]),  # 51 and above
    ("invert", 4, [[255, 195, 135, 0]]),
    # Contrast 0.1 + 1.8 * 0.5 = 1 changes nothing.
    ("contrast", 5, GREYS),
    # 0.1: a tenth of the way from the mean, (0 + 60 + 120 + 255) / 4 = 108.75 -> 109.
    ("contrast", 0, [[98, 104, 110, 123]]),
  ],
)
def test_operation_by_hand(name, magnitude, expected):
  result = np.asarray(OPERATIONS[name](_picture(GREYS), magnitude / 10, None))
  np.testing.assert_allclose(result, expected, atol=1 if name == "contrast" else 0)


def test_signed_operations_go_both_ways_and_fill_with_grey():
  pixels = np.zeros((20, 20, 3), np.uint8)
  pixels[:, 10:] = 255
  for name in ("rotate", "shear_x"):
    there, back = (
      np.asarray(OPERATIONS[name](_picture(pixels), 0.9, _Draws(draw))) for draw in (0.4, 0.6)
    )
    assert not np.array_equal(there, back)
    assert (there == 128).all(axis=-1).any() and (back == 128).all(axis=-1).any()
  # Shear: row y takes its pixels 0.27 y further right, so the edge moves left by 0.27 * 19 = 5.
  sheared = np.asarray(OPERATIONS["shear_x"](_picture(pixels), 0.9, _Draws(0.4)))
  assert sheared[0].argmax() // 3 == 10 and sheared[19].argmax() // 3 == 5


def test_the_policy_is_that_of_the_paper():
  assert len(POLICY) == 25 and {len(steps) for steps in POLICY} == {2}
  names = {step.split()[0] for steps in POLICY for step in steps}
  assert names == set(OPERATIONS)
  # The first row of the paper's table: Posterize 0.4 8, Rotate 0.6 9.
  picture = _picture(GREYS * 4)
  only_posterized = autoaugment(picture, _Draws(0.39, 0.6))
  np.testing.assert_array_equal(only_posterized, [[0, 60, 120, 254]] * 4)
  assert autoaugment(picture, _Draws(0.4, 0.6)) is picture
  rotated = autoaugment(picture, _Draws(0.4, 0.59, 0.0))
  assert not np.array_equal(rotated, picture)


@pytest.mark.parametrize("sub_policy", range(25))
def test_every_sub_policy_keeps_size_and_kind(sub_policy):
  pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
  for picture in (Image.fromarray(pixels), Image.fromarray(pixels[..., 0])):
    result = autoaugment(picture, _Draws(*[0.0] * 4, sub_policy=sub_policy))
    assert (result.size, result.mode) == (picture.size, picture.mode)
