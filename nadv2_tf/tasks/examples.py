"""Labelled images in memory, cut and batched with NumPy."""

import dataclasses
import zlib

import numpy as np


@dataclasses.dataclass(frozen=True)
class Examples:
  """Images, uint8 [examples, height, width, channels], and labels: the task's targets.

  Labels are classes, int64 [examples], or depth maps, float [examples, height, width, 1].
  """

  images: np.ndarray
  labels: np.ndarray

  def __len__(self):
    return len(self.labels)

  def take(self, indices):
    return Examples(self.images[indices], self.labels[indices])

  def inputs(self):
    """Network inputs, float32 [examples, height, width, channels]."""
    return normalise(self.images)

  def labels_checksum(self):
    """A number that other labels hardly have; of many large maps some are looked at."""
    every = 1 + self.labels.size // 2**22
    return zlib.crc32(np.ascontiguousarray(self.labels[::every]))


@dataclasses.dataclass(frozen=True)
class Datasets:
  """What a run needs: the hold-out is cut from the training set; the search never sees `test`.

  `notes` are sentences about the data that its user should read.
  """

  train: Examples
  holdout: Examples
  test: Examples
  class_names: tuple[str, ...] = ()
  notes: tuple[str, ...] = ()


def normalise(images):
  """uint8 [0, 255] to float32 [-1, 1]."""
  return images.astype(np.float32) / 127.5 - 1.0


def check_holdout(images, holdout):
  """Raises ValueError if fewer than two of so many training images would be left."""
  if holdout < 1 or holdout > images - 2:
    raise ValueError(
      f"--holdout must be from 1 to {max(images - 2, 1)} with a training set of "
      f"{images} images, got {holdout}."
    )


def split_holdout(train, holdout, seed):
  """(rest, hold-out) of a training set, drawn at random.

  Raises:
    ValueError: if fewer than two images would be left to train on.
  """
  check_holdout(len(train), holdout)
  order = np.random.default_rng([seed, 0]).permutation(len(train))
  return train.take(order[holdout:]), train.take(order[:holdout])


def shuffle(examples, rng):
  """Puts `Examples` into another order, in place: a copy may not fit into memory."""
  for last in range(len(examples) - 1, 0, -1):
    other = rng.integers(last + 1)
    for array in (examples.images, examples.labels):
      array[[last, other]] = array[[other, last]]


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
