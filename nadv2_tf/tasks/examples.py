"""Labelled images in memory, cut and batched with NumPy.

`tasks/stream.py` has the same for images that stay in their files.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import zlib
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from nadv2_tf.tasks.images import as_picture

if TYPE_CHECKING:
  from collections.abc import Iterator
  from typing import TypeAlias, TypeVar

  from nadv2_tf.tasks.augmentation import Augmentation
  from nadv2_tf.tasks.depth.augmentation import DepthAugmentation
  from nadv2_tf.tasks.stream import StreamedExamples

  #: which examples: a slice, numbers, or whether each
  Places: TypeAlias = slice | np.ndarray
  Kind = TypeVar("Kind", "Examples", StreamedExamples)

#: bytes of images that a checksum is made of, at most
LOOKED_AT = 2**27


class InMemory:
  """What images in memory have in common; `take`, `image_shape` and the length are their own."""

  if TYPE_CHECKING:

    @property
    def image_shape(self) -> tuple[int, int, int]: ...
    def take(self, indices: Places) -> Examples: ...
    def __len__(self) -> int: ...

  def training_batches(
    self,
    batch_size: int,
    augmentation: Augmentation | DepthAugmentation,
    seed: int,
    step: int = 0,
    rows: slice | None = None,
  ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields (inputs, labels) without end, epoch after epoch, as a training sees them.

    Batches are a function of seed and step alone.

    Args:
      batch_size: images of a batch; what fills none at the end of an epoch is left out.
      augmentation: what the task's `augmentation` gives.
      seed: of shuffling and augmentation.
      step: of the first batch.
      rows: slice of every batch that is wanted, None for all; others may hold anything.
    """
    size = self.image_shape[0]
    for at in itertools.count(step):
      batch = self.take(batch_indices(len(self), batch_size, seed, at))
      if augmentation.is_by_picture:
        pictures = [
          augmentation.picture(as_picture(image), size, picture_rng(seed, at, row))
          for row, image in enumerate(batch.images)
        ]
        batch = Examples(np.stack(pictures), batch.labels)
      batch = augmentation.examples(batch, batch_rng(seed, at))
      yield batch.inputs(), batch.labels


@dataclasses.dataclass(frozen=True)
class Examples(InMemory):
  """Images, uint8 [examples, height, width, channels], and labels: the task's targets.

  Labels are classes, int64 [examples], or depth maps, float [examples, height, width, 1].
  """

  images: np.ndarray
  labels: np.ndarray

  #: whether `labels` are there without a file being read
  knows_labels: ClassVar[bool] = True

  def __len__(self) -> int:
    return len(self.labels)

  @property
  def image_shape(self) -> tuple[int, int, int]:
    """(height, width, channels)."""
    return self.images.shape[1:]

  def take(self, indices: Places) -> Examples:
    return Examples(self.images[indices], self.labels[indices])

  def decoded(self) -> Examples:
    """The same in memory."""
    return self

  def inputs(self) -> np.ndarray:
    """Network inputs, float32 [examples, height, width, channels]."""
    return normalise(self.images)

  def labels_checksum(self) -> int:
    """A number that other labels hardly have; of many large maps some are looked at."""
    every = 1 + self.labels.size // 2**22
    return zlib.crc32(np.ascontiguousarray(self.labels[::every]).data)

  def images_checksum(self) -> int:
    """A number that other images hardly have; of many some pixels of each are looked at."""
    pixels = self.images.reshape(len(self), -1)
    every = 1 + pixels.size // LOOKED_AT
    return zlib.crc32(np.ascontiguousarray(pixels[:, ::every]).data)

  def digest(self) -> list[int]:
    """Numbers that other examples hardly share."""
    return [len(self), self.labels_checksum(), self.images_checksum()]


class Joined(InMemory):
  """Two `Examples` as one, none of which is copied.

  Args:
    first, second: `Examples` of one shape.
  """

  def __init__(
    self, first: Examples | StreamedExamples, second: Examples | StreamedExamples
  ) -> None:
    self._first, self._second = first, second

  def __len__(self) -> int:
    return len(self._first) + len(self._second)

  @property
  def image_shape(self) -> tuple[int, int, int]:
    return self._first.image_shape

  def take(self, indices: Places) -> Examples:
    """`Examples` of a slice, or of an array of places."""
    places = np.arange(len(self))[indices]
    is_second = places >= len(self._first)
    own = [np.where(is_second, 0, places), np.where(is_second, places - len(self._first), 0)]
    parts = [part.take(at) for part, at in zip((self._first, self._second), own, strict=True)]

    def chosen(one, other):
      return np.where(is_second.reshape(-1, *(1,) * (one.ndim - 1)), other, one)

    return Examples(
      chosen(parts[0].images, parts[1].images), chosen(parts[0].labels, parts[1].labels)
    )

  def digest(self) -> list[int]:
    """Numbers that other examples hardly share."""
    return [*self._first.digest(), *self._second.digest()]


@dataclasses.dataclass(frozen=True)
class Datasets:
  """What a run needs: the hold-out is cut from the training set; the search never sees `test`.

  `notes` are sentences about the data that its user should read. `everything` is the training set
  with the hold-out in it, where that takes no memory.
  """

  train: Examples | StreamedExamples
  holdout: Examples
  test: Examples | StreamedExamples
  class_names: tuple[str, ...] = ()
  notes: tuple[str, ...] = ()
  everything: StreamedExamples | None = None

  def given_back(self) -> Examples | StreamedExamples | Joined:
    """The training images, the hold-out's among them."""
    return self.everything or Joined(self.train, self.holdout)


def normalise(images: np.ndarray) -> np.ndarray:
  """uint8 [0, 255] to float32 [-1, 1]."""
  return images.astype(np.float32) / 127.5 - 1.0


def check_holdout(images: int, holdout: int) -> None:
  """Raises ValueError if fewer than two of so many training images would be left."""
  if holdout < 1 or holdout > images - 2:
    raise ValueError(
      f"--holdout must be from 1 to {max(images - 2, 1)} with a training set of "
      f"{images} images, got {holdout}."
    )


def split_holdout(train: Kind, holdout: int, seed: int) -> tuple[Kind, Kind]:
  """(rest, hold-out) of a training set, drawn at random.

  Raises:
    ValueError: if fewer than two images would be left to train on.
  """
  check_holdout(len(train), holdout)
  order = np.random.default_rng([seed, 0]).permutation(len(train))
  return train.take(order[holdout:]), train.take(order[:holdout])


def shuffle(examples: Examples, rng: np.random.Generator) -> None:
  """Puts `Examples` into another order, in place: a copy may not fit into memory."""
  for last in range(len(examples) - 1, 0, -1):
    other = int(rng.integers(last + 1))
    for array in (examples.images, examples.labels):
      array[[last, other]] = array[[other, last]]


def batch_indices(count: int, batch_size: int, seed: int, step: int) -> np.ndarray:
  """Which of `count` examples batch `step` holds, int64 [batch_size].

  Every epoch has an order of its own; images left over at its end are dropped.
  """
  epoch, place = divmod(step, count // batch_size)
  order = _epoch_order(count, seed, epoch)
  return order[place * batch_size : (place + 1) * batch_size]


@functools.lru_cache(maxsize=4)
def _epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
  order = np.random.default_rng([seed, 1, epoch]).permutation(count)
  order.flags.writeable = False
  return order


def picture_rng(seed: int, step: int, row: int) -> np.random.Generator:
  """The generator of what happens to one picture of a batch."""
  return np.random.default_rng([seed, 4, step, row])


def batch_rng(seed: int, step: int) -> np.random.Generator:
  """The generator of what happens to a batch as a whole."""
  return np.random.default_rng([seed, 4, step])
