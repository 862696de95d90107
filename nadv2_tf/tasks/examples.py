"""Labelled images in memory, cut and batched with NumPy."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Examples:
  """Images, uint8 [examples, height, width, channels], and labels, int64 [examples]."""

  images: np.ndarray
  labels: np.ndarray

  def __len__(self):
    return len(self.labels)

  def take(self, indices):
    return Examples(self.images[indices], self.labels[indices])

  def inputs(self):
    """Network inputs, float32 [examples, height, width, channels]."""
    return normalise(self.images)


@dataclasses.dataclass(frozen=True)
class Datasets:
  """What a run needs: the hold-out is cut from the training set; the search never sees `test`."""

  train: Examples
  holdout: Examples
  test: Examples
  class_names: tuple[str, ...]


def normalise(images):
  """uint8 [0, 255] to float32 [-1, 1]."""
  return images.astype(np.float32) / 127.5 - 1.0


def split_holdout(train, holdout, seed):
  """(rest, hold-out) of a training set, drawn at random.

  Raises:
    ValueError: if fewer than two images would be left to train on.
  """
  if holdout < 1 or holdout > len(train) - 2:
    raise ValueError(
      f"--holdout must be from 1 to {max(len(train) - 2, 1)} with a training set of "
      f"{len(train)} images, got {holdout}."
    )
  order = np.random.default_rng([seed, 0]).permutation(len(train))
  return train.take(order[holdout:]), train.take(order[:holdout])


def epoch_batches(examples, batch_size, seed, epoch):
  """Yields the batches of one epoch, shuffled, each of exactly `batch_size` examples.

  Images left over at the end of an epoch are dropped; the next epoch's order is another.
  """
  order = np.random.default_rng([seed, 1, epoch]).permutation(len(examples))
  for start in range(0, len(order) - batch_size + 1, batch_size):
    yield examples.take(order[start : start + batch_size])


def flip_and_shift(images, rng, shift):
  """Augments uint8 images: mirrored half of the time, moved by up to `shift` pixels.

  Args:
    images: [batch, height, width, channels].
    rng: NumPy generator.
    shift: largest move along each axis; what moves in is zero.
  """
  count, height, width, _ = images.shape
  images = np.where(rng.random((count, 1, 1, 1)) < 0.5, images[:, :, ::-1], images)
  if not shift:
    return images
  padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
  windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
  rows, columns = rng.integers(0, 2 * shift + 1, (2, count))
  return windows[np.arange(count), rows, columns].transpose(0, 2, 3, 1)
