"""A classification data set of TensorFlow Datasets.

The folder is TFDS's own (`~/tensorflow_datasets`, or the variable TFDS_DATA_DIR).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.tasks import images
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.tasks.records import TFRecords
from nadv2_tf.tasks.sources.registry import SOURCES, STREAMS, Source

if TYPE_CHECKING:
  from collections.abc import Sequence
  from typing import Any


def prepared(name: str, task: str, features: Sequence[str]) -> tuple[Any, str]:
  """(builder, its test split) of a data set, fetched first if it is not there.

  Args:
    name: of the data set.
    task: who needs them, for the message.
    features: two names of features that it must have.

  Raises:
    ValueError: if it cannot be had, or lacks a feature or a split.
  """
  import tensorflow_datasets as tfds  # seconds to import, and only needed here

  try:
    builder = tfds.builder(name)
    builder.download_and_prepare()
  except Exception as error:  # TFDS raises errors of a dozen libraries here
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    raise ValueError(f"--data=tfds:{name}: the data set cannot be had: {line}") from None
  info = builder.info
  if not set(features) <= set(info.features or ()):
    raise ValueError(
      f"--data=tfds:{name} has the features {', '.join(sorted(info.features or ()))}; {task} needs "
      f"{features[0]!r} and {features[1]!r}."
    )
  test = next((split for split in ("test", "validation") if split in info.splits), None)
  if "train" not in info.splits or test is None:
    raise ValueError(
      f"--data=tfds:{name} has the splits {', '.join(sorted(info.splits))}; 'train' and 'test' "
      "or 'validation' are needed."
    )
  return builder, test


@SOURCES.register("tfds")
def load(name: str, image_size: int) -> Source:
  import tensorflow_datasets as tfds

  builder, splits, channels, class_names = _open(name)
  # Files one after the other, which is the order of the stream.
  reading = tfds.ReadConfig(interleave_cycle_length=1)
  parts = []
  for split in splits:
    count = builder.info.splits[split].num_examples
    images.check_memory(count, image_size, channels, f"tfds:{name}")
    parts.append(_read(builder.as_dataset(split=split, read_config=reading), image_size))
  train, test = parts
  return Source(train, test, class_names)


@STREAMS.register("tfds")
def find(name: str) -> tuple[Any, ...]:
  """(training `TFRecords`, test `TFRecords`, channels, class names)."""
  builder, splits, channels, class_names = _open(name)
  kind = builder.info.file_format.value
  if kind != "tfrecord":
    raise ValueError(
      f"--data=tfds:{name} is stored as {kind}; only tfrecord can be streamed. Prepare it anew "
      "with --file_format=tfrecord, or use --input=memory."
    )
  parts = []
  for split in splits:
    info = builder.info.splits[split]
    records = TFRecords(f"tfds:{name}", info.filepaths, len(class_names))
    if len(records) != info.num_examples:
      raise ValueError(
        f"--data=tfds:{name}: the files of {split!r} hold {len(records)} examples, and TFDS "
        f"counted {info.num_examples}."
      )
    parts.append(records)
  return *parts, channels, class_names


def _open(name: str) -> tuple[Any, tuple[str, str], int, tuple[str, ...]]:
  """(builder, names of the training and test splits, channels, class names)."""
  import tensorflow_datasets as tfds

  builder, test = prepared(name, "classification", ("image", "label"))
  info = builder.info
  for feature, kind in (("image", tfds.features.Image), ("label", tfds.features.ClassLabel)):
    if not isinstance(info.features[feature], kind):
      raise ValueError(
        f"--data=tfds:{name}: {feature!r} must be of the type {kind.__name__}, it is "
        f"{type(info.features[feature]).__name__}."
      )
  channels = info.features["image"].shape[-1] or 3
  return builder, ("train", test), channels, tuple(info.features["label"].names)


def _read(dataset: Any, image_size: int) -> Examples:
  pictures, labels = [], []
  for example in dataset.as_numpy_iterator():
    pictures.append(images.resize(example["image"][None], image_size)[0])
    labels.append(example["label"])
  if not pictures:
    return Examples(np.zeros((0, image_size, image_size, 1), np.uint8), np.zeros(0, np.int64))
  return Examples(np.stack(pictures), np.array(labels, np.int64))
