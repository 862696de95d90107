"""Where images come from: `demo`, `tfds:NAME`, `folder:DIR`, `npz:FILE`."""

import dataclasses

import numpy as np

from nadv2_tf.spec.registry import Registry
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.tasks.images import TooLarge
from nadv2_tf.tasks.records import CachedRecords
from nadv2_tf.tasks.stream import StreamedExamples, streamed

#: function (place, image_size) -> `Source` in memory
SOURCES = Registry("data source")
#: function (place) -> (training records, test records, channels, class names)
STREAMS = Registry("streamed data source")
INPUTS = ("auto", "memory", "stream")


@dataclasses.dataclass(frozen=True)
class Source:
  """Training and test images of one data set, the names of its classes, and notes for its user."""

  train: Examples | StreamedExamples
  test: Examples | StreamedExamples
  class_names: tuple[str, ...] = ()
  notes: tuple[str, ...] = ()


def load(
  source: str,
  image_size: int,
  how: str = "memory",
  whole_pictures: bool = False,
  cache_bytes: int = 0,
) -> Source:
  """Reads a data source, or makes it ready to be streamed.

  Args:
    source: `demo`, `tfds:NAME`, `folder:DIR` or `npz:FILE`.
    image_size: height and width of the images, in pixels.
    how: "memory", "stream", or "auto": in memory if the decoded images fit there.
    whole_pictures: training wants pictures as they are in their files, not cropped and scaled, so
      that "auto" streams what it can.
    cache_bytes: how much of the files is kept in memory while they are streamed.

  Raises:
    ValueError: one line that names what is wrong, if the data cannot be used.
  """
  scheme, _, place = source.partition(":")
  if scheme not in SOURCES or (scheme != "demo") != bool(place):
    known = ", ".join(f"{name}:..." for name in SOURCES if name != "demo")
    raise ValueError(f"--data must be demo, or one of {known}, got {source!r}.")
  if how not in INPUTS or (how == "stream" and scheme not in STREAMS):
    raise ValueError(
      f"--input must be one of {', '.join(INPUTS)}, and stream needs --data=folder:DIR or "
      f"tfds:NAME; got {how!r} with --data={source}."
    )
  if how == "stream" or (how == "auto" and whole_pictures and scheme in STREAMS):
    loaded = _streamed(scheme, place, image_size, cache_bytes)
  else:
    try:
      loaded = SOURCES[scheme](place, image_size)
    except TooLarge:
      if how == "memory" or scheme not in STREAMS:
        raise
      loaded = _streamed(scheme, place, image_size, cache_bytes)
  check(loaded, source)
  return loaded


def _streamed(scheme: str, place: str, image_size: int, cache_bytes: int) -> Source:
  *parts, channels, class_names = STREAMS[scheme](place)
  if cache_bytes:
    parts = [CachedRecords(part, cache_bytes) for part in parts]
  train, test = (streamed(part, image_size, channels) for part in parts)
  return Source(train, test, class_names)


def check(loaded: Source, source: str) -> None:
  """Raises ValueError for empty parts, a single class, foreign labels or unequal channels."""
  classes = len(loaded.class_names)
  if classes < 2:
    raise ValueError(
      f"--data={source} has {classes} class ({', '.join(loaded.class_names) or 'none'}); at "
      "least 2 are needed."
    )
  for part, examples in (("training", loaded.train), ("test", loaded.test)):
    if len(examples) == 0:
      raise ValueError(f"--data={source} has no {part} images.")
    if isinstance(examples, StreamedExamples):
      continue  # labels are checked as they are read
    outside = (examples.labels < 0) | (examples.labels >= classes)
    if outside.any():
      index = int(np.argmax(outside))
      raise ValueError(
        f"--data={source}: {part} image {index} has the label {examples.labels[index]}, which "
        f"is outside the {classes} classes of the training set (0 to {classes - 1})."
      )
  channels = [examples.image_shape[-1] for examples in (loaded.train, loaded.test)]
  if channels[0] != channels[1]:
    raise ValueError(
      f"--data={source} has training images of {channels[0]} channel(s) and test images of "
      f"{channels[1]}; both need the same."
    )
