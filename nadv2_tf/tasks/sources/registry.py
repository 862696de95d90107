"""Where images come from: `demo`, `tfds:NAME`, `folder:DIR`, `npz:FILE`."""

import dataclasses

import numpy as np

from nadv2_tf.spec.registry import Registry
from nadv2_tf.tasks.examples import Examples

SOURCES = Registry("data source")


@dataclasses.dataclass(frozen=True)
class Source:
  """Training and test images of one data set, the names of its classes, and notes for its user."""

  train: Examples
  test: Examples
  class_names: tuple[str, ...] = ()
  notes: tuple[str, ...] = ()


def load(source, image_size):
  """Reads a data source.

  Args:
    source: `demo`, `tfds:NAME`, `folder:DIR` or `npz:FILE`.
    image_size: height and width of the images, in pixels.

  Raises:
    ValueError: one line that names what is wrong, if the data cannot be used.
  """
  scheme, _, place = source.partition(":")
  if scheme not in SOURCES or (scheme != "demo") != bool(place):
    raise ValueError(f"--data must be demo, tfds:NAME, folder:DIR or npz:FILE, got {source!r}.")
  loaded = SOURCES[scheme](place, image_size)
  check(loaded, source)
  return loaded


def check(loaded, source):
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
    outside = (examples.labels < 0) | (examples.labels >= classes)
    if outside.any():
      index = int(np.argmax(outside))
      raise ValueError(
        f"--data={source}: {part} image {index} has the label {examples.labels[index]}, which "
        f"is outside the {classes} classes of the training set (0 to {classes - 1})."
      )
  channels = [examples.images.shape[-1] for examples in (loaded.train, loaded.test)]
  if channels[0] != channels[1]:
    raise ValueError(
      f"--data={source} has training images of {channels[0]} channel(s) and test images of "
      f"{channels[1]}; both need the same."
    )
