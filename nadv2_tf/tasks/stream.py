"""Labelled images that stay in their files, decoded when asked for and streamed by tf.data."""

from __future__ import annotations

import atexit
import concurrent.futures
import dataclasses
import itertools
import os
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from nadv2_tf.tasks import images
from nadv2_tf.tasks.examples import (
  Examples,
  batch_indices,
  batch_rng,
  normalise,
  picture_rng,
)

if TYPE_CHECKING:
  from collections.abc import Iterator

  from PIL import Image

  from nadv2_tf.tasks.augmentation import Augmentation
  from nadv2_tf.tasks.examples import Places
  from nadv2_tf.tasks.records import Records
  from nadv2_tf.types import Tensor

#: batches made ahead of the training step
PREFETCHED = 2
MODES = {1: "L", 3: "RGB"}


@dataclasses.dataclass(frozen=True)
class StreamedExamples:
  """What `Examples` is, for data sets that do not fit into memory.

  Every picture is read by its place, so a batch holds the same examples as in memory, and a stream
  starts at any step at once. That takes storage which reads small pieces in any order.

  Attributes:
    records: where the pictures are; see `tasks/records.py`.
    indices: which of them, int64.
    image_size: height and width that they are brought to, in pixels.
    channels: 1 or 3.
  """

  records: Records
  indices: np.ndarray
  image_size: int
  channels: int

  def __len__(self) -> int:
    return len(self.indices)

  @property
  def image_shape(self) -> tuple[int, int, int]:
    """(height, width, channels)."""
    return self.image_size, self.image_size, self.channels

  @property
  def knows_labels(self) -> bool:
    """Whether `labels` are there without a file being read."""
    return self.records.knows_labels

  @property
  def images(self) -> np.ndarray:
    """As `Examples` has them, decoded anew each time."""
    return self.decoded().images

  @property
  def labels(self) -> np.ndarray:
    """As `Examples` has them; reads the files again where these hold the labels."""
    return np.array([self.records.label(index) for index in self.indices], np.int64)

  def take(self, indices: Places) -> StreamedExamples:
    return dataclasses.replace(self, indices=self.indices[indices])

  def inputs(self) -> np.ndarray:
    """Network inputs, float32 [examples, height, width, channels]."""
    return normalise(self.images)

  def digest(self) -> list[int]:
    """Numbers that other examples hardly share."""
    names = "\n".join(map(self.records.name, self.indices)).encode(errors="surrogateescape")
    return [len(self), zlib.crc32(names), *self.take(slice(256)).decoded().digest()]

  def check_memory(self) -> None:
    """Raises `TooLarge` if the decoded images would not fit into memory."""
    images.check_memory(len(self), self.image_size, self.channels, self.records.source)

  def decoded(self) -> Examples:
    """The same in memory, `Examples`.

    Raises:
      TooLarge: if they do not fit.
      ValueError: naming a picture that cannot be read.
    """
    self.check_memory()
    pixels = np.empty((len(self), *self.image_shape), np.uint8)
    labels = np.empty(len(self), np.int64)

    def decode(row):
      picture, labels[row] = self.decode(self.indices[row])
      pixels[row] = images.square(picture, self.image_size)

    with concurrent.futures.ThreadPoolExecutor(threads()) as pool:
      for _ in pool.map(decode, range(len(self))):
        pass
    return Examples(pixels, labels)

  def training_batches(
    self,
    batch_size: int,
    augmentation: Augmentation,
    seed: int,
    step: int = 0,
    rows: slice | None = None,
  ) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of `Examples.training_batches`, made ahead of time on all cores with tf.data.

    They are tensors on the TensorFlow backend. Needs TensorFlow on every backend. Rows that are not
    wanted are not read, and black.

    Raises:
      ValueError: while it yields, naming a picture that cannot be read.
    """
    tf = _tensorflow()
    failures, black = [], np.zeros(self.image_shape, np.uint8)
    wanted = range(*(rows or slice(None)).indices(batch_size))

    def places():
      for at in itertools.count(step):
        chosen = self.indices[batch_indices(len(self), batch_size, seed, at)]
        yield np.stack([chosen, np.full(batch_size, at), np.arange(batch_size)], axis=1)

    def picture(place):
      index, at, row = place
      if row not in wanted:
        return black, np.int64(0)
      try:
        whole, label = self.decode(index)
        return augmentation.picture(whole, self.image_size, picture_rng(seed, at, row)), label
      except Exception as error:
        failures.append(((at, row), error))  # tf.data would keep its text alone, among much else
        raise

    def finished(pixels, at):
      return normalise(augmentation.batch(pixels, batch_rng(seed, at)))

    def load(place):
      pixels, label = tf.numpy_function(picture, [place], (tf.uint8, tf.int64))
      return tf.ensure_shape(pixels, self.image_shape), tf.ensure_shape(label, ()), place[1]

    def finish(pixels, labels, at):
      inputs = tf.numpy_function(finished, [pixels, at[0]], tf.float32)
      return tf.ensure_shape(inputs, (batch_size, *self.image_shape)), labels

    data = tf.data.Dataset.from_generator(
      places, output_signature=tf.TensorSpec((batch_size, 3), tf.int64)
    )
    data = data.unbatch().map(load, num_parallel_calls=threads(), deterministic=True)
    data = data.batch(batch_size, drop_remainder=True).map(finish).prefetch(PREFETCHED)
    options = tf.data.Options()
    # Threads that wait for a file are not those that the training step runs on.
    options.threading.private_threadpool_size = threads()
    elements = [_elements(data.with_options(options))]
    # An iterator that is still there when Python ends would wait for ever for its own threads.
    atexit.register(elements.clear)
    try:
      while elements:
        yield next(elements[0])
    except tf.errors.OpError:
      if not failures:
        raise
      raise min(failures, key=lambda failure: failure[0])[1] from None
    finally:
      atexit.unregister(elements.clear)
      elements.clear()

  def decode(self, index: int) -> tuple[Image.Image, int]:
    """(Pillow picture, label) of one of the records."""
    content, label = self.records.read(index)
    name = self.records.name(index)
    return images.read_picture(name, content, MODES[self.channels]), label

  def look(self, index: int) -> int:
    """The label of one of the records, whose picture's header and end are looked at."""
    return self.records.look(index, MODES[self.channels])


def streamed(records: Records, image_size: int, channels: int) -> StreamedExamples:
  """`StreamedExamples` of all records."""
  return StreamedExamples(records, np.arange(len(records)), image_size, channels)


def _elements(data: Any) -> Iterator[Any]:
  import keras

  is_tensorflow = keras.backend.backend() == "tensorflow"
  return iter(data) if is_tensorflow else data.as_numpy_iterator()


def threads() -> int | None:
  """As many as there are processors."""
  return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _tensorflow() -> Any:
  try:
    import tensorflow
  except ImportError:
    raise ValueError(
      "Images are streamed by tf.data, and TensorFlow is not installed; use --input=memory."
    ) from None
  return tensorflow
