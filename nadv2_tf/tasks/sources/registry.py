"""Where images come from: `demo`, `tfds:NAME`, `folder:DIR`, `npz:FILE`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from nadv2_tf.spec.files import as_text
from nadv2_tf.spec.registry import Registry
from nadv2_tf.tasks.cut import USUAL
from nadv2_tf.tasks.images import TooLarge
from nadv2_tf.tasks.records import CachedRecords
from nadv2_tf.tasks.stream import StreamedExamples, streamed

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.tasks.cut import Cut
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.records import Records

#: function (place, image_size) -> `Source` in memory, of what cannot be streamed
SOURCES = Registry("data source")
#: function (place, `Cut`) -> `Found`
STREAMS = Registry("streamed data source")
INPUTS = ("auto", "memory", "stream")


@dataclasses.dataclass(frozen=True)
class Source:
  """Training and test images of one data set, the names of its classes, and notes for its user.

  `classes_are_given` says that classes are numbers or names that stand in the data: one without
  training images is no mistake of a folder, and moves no other.
  """

  train: Examples | StreamedExamples
  test: Examples | StreamedExamples
  class_names: tuple[str, ...] = ()
  notes: tuple[str, ...] = ()
  classes_are_given: bool = False


@dataclasses.dataclass(frozen=True)
class Found:
  """A data set of which no picture has been read.

  Attributes:
    train, test: records of its parts.
    channels: 1 or 3.
    class_names, notes, classes_are_given: of its `Source`.
    places: (of the training images, of the test images) in their records; None for all.
    why_not_streamed: why it can only be read into memory; "" if it can be streamed.
  """

  train: Records
  test: Records
  channels: int
  class_names: tuple[str, ...]
  notes: tuple[str, ...] = ()
  places: tuple[np.ndarray, np.ndarray] | None = None
  why_not_streamed: str = ""
  classes_are_given: bool = False

  def streamed(self, image_size: int, cache_bytes: int = 0) -> Source:
    """Its `Source`, whose pictures stay where they are; raises ValueError if they cannot."""
    if self.why_not_streamed:
      raise ValueError(self.why_not_streamed)
    return self._source(*self._parts(image_size, cache_bytes))

  def decoded(self, image_size: int) -> Source:
    """Its `Source` in memory; raises `TooLarge` before any picture is read."""
    parts = self._parts(image_size)
    for part in parts:
      part.check_memory()
    return self._source(*(part.decoded() for part in parts))

  def _source(self, train: Any, test: Any) -> Source:
    names = tuple(map(as_text, self.class_names))
    return Source(train, test, names, self.notes, self.classes_are_given)

  def _parts(self, image_size: int, cache_bytes: int = 0) -> list[StreamedExamples]:
    kept: list[Any] = [self.train, self.test]
    if cache_bytes:
      kept = [CachedRecords(part, cache_bytes) for part in kept]
    parts = [streamed(part, image_size, self.channels) for part in kept]
    if self.places:
      parts = [part.take(at) for part, at in zip(parts, self.places, strict=True)]
    return parts


def load(
  source: str,
  image_size: int,
  how: str = "memory",
  whole_pictures: bool = False,
  cache_bytes: int = 0,
  cut: Cut = USUAL,
) -> Source:
  """Reads a data source, or makes it ready to be streamed.

  Args:
    source: `demo`, `tfds:NAME`, `folder:DIR` or `npz:FILE`.
    image_size: height and width of the images, in pixels.
    how: "memory", "stream", or "auto": in memory if the decoded images fit there.
    whole_pictures: training wants pictures as they are in their files, not cropped and scaled, so
      that "auto" streams what it can.
    cache_bytes: how much of the files is kept in memory while they are streamed.
    cut: which part is the test part.

  Raises:
    ValueError: one line that names what is wrong, if the data cannot be used.
  """
  scheme, _, place = source.partition(":")
  names = sorted({*SOURCES, *STREAMS})
  if scheme not in names or (scheme != "demo") != bool(place):
    known = ", ".join(f"{name}:..." for name in names if name != "demo")
    raise ValueError(f"--data must be demo, or one of {known}, for classification, got {source!r}.")
  if how not in INPUTS or (how == "stream" and scheme not in STREAMS):
    raise ValueError(
      f"--input must be one of {', '.join(INPUTS)}, and stream needs --data=folder:DIR or "
      f"tfds:NAME; got {how!r} with --data={source}."
    )
  if cut != USUAL and scheme not in STREAMS:
    raise ValueError(
      f"--test_split and --test_share are for folder:DIR and tfds:NAME; --data={source} has a "
      "test part of its own."
    )
  if scheme not in STREAMS:
    loaded = SOURCES[scheme](place, image_size)
  else:
    found = STREAMS[scheme](place, cut)
    loaded = _load(found, image_size, how, whole_pictures, cache_bytes)
  return check(loaded, source)


def _load(
  found: Found, image_size: int, how: str, whole_pictures: bool, cache_bytes: int
) -> Source:
  if how == "stream" or (how == "auto" and whole_pictures):
    return found.streamed(image_size, cache_bytes)
  try:
    return found.decoded(image_size)
  except TooLarge:
    if how == "memory":
      raise
    return found.streamed(image_size, cache_bytes)


def check(loaded: Source, source: str) -> Source:
  """The same, with a note on classes without training images where these are no mistake.

  Labels that stand in records are not read; `tasks/look.py` does.

  Raises:
    ValueError: for empty parts, a single class, names that are no line, classes without training
      images, foreign labels or unequal channels.
  """
  classes = len(loaded.class_names)
  if classes < 2:
    raise ValueError(
      f"--data={source} has {classes} class ({', '.join(loaded.class_names) or 'none'}); at "
      "least 2 are needed."
    )
  broken = [name for name in loaded.class_names if len(name.splitlines()) != 1]
  if broken:  # the labels of an exported file are lines
    raise ValueError(f"--data={source}: a class's name must be one line, got {broken[0]!r}.")
  for part, examples in (("training", loaded.train), ("test", loaded.test)):
    if len(examples) == 0:
      raise ValueError(f"--data={source} has no {part} images.")
    if not examples.knows_labels:
      continue
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
  without = loaded.train.knows_labels and without_images(loaded.train.labels, loaded.class_names)
  if not without:
    return loaded
  told = f"--data={source}: {without}"
  if not loaded.classes_are_given:
    raise ValueError(f"{told}. Add some, or remove the class's folder.")
  return dataclasses.replace(loaded, notes=(*loaded.notes, told))


def without_images(labels: np.ndarray, class_names: Sequence[str]) -> str:
  """Which classes none of the labels is of, in words; "" if there are none."""
  missing = np.flatnonzero(np.bincount(labels, minlength=len(class_names)) == 0)
  if not len(missing):
    return ""
  names = ", ".join(class_names[index] for index in missing[:5]) + ", ..." * (len(missing) > 5)
  return f"{len(missing)} of {len(class_names)} classes have no training images: {names}"
