"""Cutting, batching and augmenting labelled images."""

import itertools

import numpy as np
import pytest

from nadv2_tf.tasks import examples as examples_module
from nadv2_tf.tasks.augmentation import Augmentation, flip_and_shift
from nadv2_tf.tasks.examples import (
  Examples,
  Joined,
  batch_indices,
  normalise,
  split_holdout,
)


def _numbered(count):
  """`count` images of 1x1x1 whose only pixel is their number, as is their label."""
  numbers = np.arange(count)
  return Examples(numbers.astype(np.uint8).reshape(-1, 1, 1, 1), numbers.astype(np.int64))


class _Draws:
  """Stands in for a generator: hands out what the test chose."""

  def __init__(self, mirrored, rows=(), columns=()):
    self._mirrored, self._moves = mirrored, np.array([rows, columns])

  def random(self, shape):
    return np.where(self._mirrored, 0.49, 0.5).reshape(shape)

  def integers(self, low, high, shape):
    assert self._moves.shape == shape and ((low <= self._moves) & (self._moves < high)).all()
    return self._moves


def test_bytes_become_floats_from_minus_one_to_one():
  images = np.array([0, 51, 255], np.uint8).reshape(3, 1, 1, 1)
  inputs = Examples(images, np.zeros(3, np.int64)).inputs()
  assert inputs.dtype == np.float32 and inputs.shape == images.shape
  # 51 / 127.5 - 1 = 0.4 - 1; one float32 rounding of numbers up to 1.
  np.testing.assert_allclose(inputs.ravel(), [-1, -0.6, 1], atol=1e-7)
  np.testing.assert_array_equal(inputs, normalise(images))


def test_holdout_and_rest_are_disjoint_and_complete():
  rest, holdout = split_holdout(_numbered(50), 20, seed=3)
  assert (len(rest), len(holdout)) == (30, 20)
  assert sorted([*rest.labels, *holdout.labels]) == list(range(50))
  for part in (rest, holdout):  # images go with their labels
    np.testing.assert_array_equal(part.images.ravel(), part.labels)


def test_seed_decides_the_holdout():
  cuts = [split_holdout(_numbered(50), 20, seed)[1].labels.tolist() for seed in (3, 3, 4)]
  assert cuts[0] == cuts[1]
  assert set(cuts[0]) != set(cuts[2])
  assert sorted(cuts[0]) != list(range(20)), "the first images, not random ones"


@pytest.mark.parametrize("holdout", [1, 8])
def test_holdout_leaves_two_images_or_more(holdout):
  rest, cut = split_holdout(_numbered(10), holdout, seed=0)
  assert (len(rest), len(cut)) == (10 - holdout, holdout)


@pytest.mark.parametrize(("count", "holdout"), [(10, 9), (10, 10), (10, 0), (10, -1), (2, 1)])
def test_holdout_out_of_range_is_named(count, holdout):
  expected = rf"--holdout must be from 1 to {max(count - 2, 1)} .* {count} images, got {holdout}\."
  with pytest.raises(ValueError, match=expected):
    split_holdout(_numbered(count), holdout, seed=0)


def _epoch(count, batch_size, seed, epoch):
  steps = count // batch_size
  return [
    batch_indices(count, batch_size, seed, step)
    for step in range(epoch * steps, (epoch + 1) * steps)
  ]


def test_epoch_has_each_image_at_most_once_and_drops_the_rest():
  batches = _epoch(23, 5, seed=0, epoch=0)
  assert [len(batch) for batch in batches] == [5, 5, 5, 5]  # 3 of 23 fill no batch
  assert len(set(np.concatenate(batches))) == 20
  assert set(np.concatenate(batches)) <= set(range(23))


def test_epochs_differ_and_repeat_with_the_seed():
  def order(seed, epoch):
    return np.concatenate(_epoch(23, 5, seed, epoch)).tolist()

  orders = [order(seed, epoch) for seed, epoch in itertools.product((0, 1), (0, 1, 2))]
  assert order(1, 2) == orders[-1]
  assert len({tuple(labels) for labels in orders}) == len(orders)
  # Each epoch drops other images: the chance that three drop the same 3 of 23 is 1771^-2.
  assert len({frozenset(labels) for labels in orders[:3]}) > 1


def test_training_batches_hold_images_with_their_labels():
  batches = _numbered(23).training_batches(5, Augmentation(shift=0), seed=0)
  for step, (inputs, labels) in zip(range(9), batches, strict=False):
    assert labels.tolist() == batch_indices(23, 5, 0, step).tolist()
    np.testing.assert_array_equal(inputs.ravel(), normalise(labels.astype(np.uint8)))


PICTURE = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)[None, :, :, None]


@pytest.mark.parametrize(
  ("row", "column", "expected"),
  [
    (1, 1, [[1, 2, 3], [4, 5, 6]]),  # the middle of the padded picture: not moved
    (0, 1, [[0, 0, 0], [1, 2, 3]]),  # down
    (2, 1, [[4, 5, 6], [0, 0, 0]]),  # up
    (1, 0, [[0, 1, 2], [0, 4, 5]]),  # right
    (1, 2, [[2, 3, 0], [5, 6, 0]]),  # left
    (2, 2, [[5, 6, 0], [0, 0, 0]]),  # up and left
  ],
)
def test_shift_fills_with_zeros(row, column, expected):
  moved = flip_and_shift(PICTURE, _Draws([False], [row], [column]), shift=1)
  assert moved.dtype == np.uint8
  np.testing.assert_array_equal(moved[0, :, :, 0], expected)


def test_each_image_is_mirrored_and_moved_by_itself():
  draws = _Draws([True, False, True], [1, 1, 0], [1, 2, 0])
  moved = flip_and_shift(np.repeat(PICTURE, 3, axis=0), draws, shift=1)
  np.testing.assert_array_equal(moved[0, :, :, 0], [[3, 2, 1], [6, 5, 4]])
  np.testing.assert_array_equal(moved[1, :, :, 0], [[2, 3, 0], [5, 6, 0]])
  # Mirrored, then down and right: the row 3 2 1 moves down, and its last pixel out.
  np.testing.assert_array_equal(moved[2, :, :, 0], [[0, 0, 0], [0, 3, 2]])


def test_channels_move_together():
  coloured = np.concatenate([PICTURE, PICTURE * 10], axis=-1)
  moved = flip_and_shift(coloured, _Draws([True], [2], [0]), shift=1)
  assert moved.shape == coloured.shape
  np.testing.assert_array_equal(moved[0, :, :, 0], [[0, 6, 5], [0, 0, 0]])
  np.testing.assert_array_equal(moved[0, :, :, 1], [[0, 60, 50], [0, 0, 0]])


def test_shift_of_zero_only_mirrors():
  images = np.repeat(PICTURE, 200, axis=0)
  result = flip_and_shift(images, np.random.default_rng(0), shift=0)
  mirrored = (result == PICTURE[:, :, ::-1]).all(axis=(1, 2, 3))
  assert (mirrored | (result == PICTURE).all(axis=(1, 2, 3))).all()
  # Of 200 fair coins; 100 +- 5 standard deviations of 7: a false alarm once in a million seeds.
  assert 65 <= mirrored.sum() <= 135


def test_images_are_not_changed_in_place():
  images = np.repeat(PICTURE, 20, axis=0)
  before = images.copy()
  flip_and_shift(images, np.random.default_rng(0), shift=2)[:] = 0
  np.testing.assert_array_equal(images, before)


def test_all_moves_up_to_the_shift_occur():
  dot = np.zeros((400, 5, 5, 1), np.uint8)
  dot[:, 2, 2] = 255
  moved = flip_and_shift(dot, np.random.default_rng(0), shift=1)
  # 9 places, each missed by 400 draws with a chance of (8/9)^400 < 1e-20; shift 1 has no others.
  places = {tuple(place) for place in np.argwhere(moved[..., 0])[:, 1:]}
  assert places == set(itertools.product((1, 2, 3), repeat=2))


def test_other_labels_have_another_checksum():
  """Of classes all count; of maps that are too many to look at, those at even distances."""
  classes = np.arange(50) % 3
  images = np.zeros((50, 1, 1, 1), np.uint8)
  assert Examples(images, classes).labels_checksum() == Examples(images, classes).labels_checksum()
  for index in range(50):
    other = classes.copy()
    other[index] += 1
    assert Examples(images, other).labels_checksum() != Examples(images, classes).labels_checksum()
  maps = np.ones((5, 1024, 1024, 1), np.float16)
  before = Examples(images, maps).labels_checksum()
  maps[4, 1000, 7] = 2.0
  assert Examples(images, maps).labels_checksum() != before


@pytest.mark.parametrize(("bound", "looked_at"), [(48, 3 * 8), (49, 3 * 16), (16, 3 * 4)])
def test_of_many_images_some_pixels_of_each_count(monkeypatch, bound, looked_at):
  """Three images of 16 bytes, 48 in all: every 1 + 48 // bound-th byte of each."""
  monkeypatch.setattr(examples_module, "LOOKED_AT", bound)
  images, labels = np.zeros((3, 4, 4, 1), np.uint8), np.zeros(3, np.int64)
  before = Examples(images, labels).digest()
  seen = []
  for place in np.ndindex(images.shape):
    other = images.copy()
    other[place] = 1
    if Examples(other, labels).digest() != before:
      seen.append(place)
  assert len(seen) == looked_at <= bound
  assert {image for image, *_ in seen} == {0, 1, 2}


def test_two_parts_are_one_without_a_copy():
  rng = np.random.default_rng(0)
  whole = Examples(rng.integers(0, 256, (20, 4, 4, 1)).astype(np.uint8), np.arange(20))
  joined = Joined(whole.take(slice(12)), whole.take(slice(12, 20)))
  assert (len(joined), joined.image_shape) == (20, (4, 4, 1))
  for indices in (slice(5), slice(10, 15), rng.permutation(20)[:7], np.array([19, 0, 12, 11])):
    one, other = joined.take(indices), whole.take(indices)
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.labels, other.labels)
  one, other = (part.training_batches(8, Augmentation(), 3) for part in (joined, whole))
  for _ in range(6):
    for array, same in zip(next(one), next(other), strict=True):
      np.testing.assert_array_equal(array, same)
  assert joined.digest() != Joined(whole.take(slice(12, 20)), whole.take(slice(12))).digest()


def test_nothing_is_mirrored_where_that_means_something_else():
  images = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 1)).astype(np.uint8)
  mirrored = flip_and_shift(images, np.random.default_rng(1), 0)
  kept = flip_and_shift(images, np.random.default_rng(1), 0, mirror=False)
  is_kept = (mirrored == images).all((1, 2, 3))
  assert np.array_equal(kept, images) and 5 < is_kept.sum() < 35
  # What else is drawn stays the same.
  moved = [flip_and_shift(images, np.random.default_rng(1), 2, mirror) for mirror in (True, False)]
  np.testing.assert_array_equal(moved[0][is_kept], moved[1][is_kept])
