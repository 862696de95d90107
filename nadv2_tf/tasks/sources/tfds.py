"""A classification data set of TensorFlow Datasets.

The folder is TFDS's own (`~/tensorflow_datasets`, or the variable TFDS_DATA_DIR).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.tasks.cut import TEST_PARTS
from nadv2_tf.tasks.records import Kept, TFRecords
from nadv2_tf.tasks.sources.registry import STREAMS, Found

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence
  from typing import Any

  from nadv2_tf.tasks.cut import Cut

#: labels of a part that are looked at to learn whether it has any
LOOKED_AT = 64
#: the format whose files are read record by record, and can be streamed
RECORDS = "tfrecord"
#: what a data set has where nobody knows the label
UNKNOWN = -1


def prepared(name: str, task: str, features: Sequence[str]) -> Any:
  """The builder of a data set, fetched first if it is not there.

  Args:
    name: of the data set.
    task: who needs them, for the message.
    features: two names of features that it must have.

  Raises:
    ValueError: if it cannot be had, or lacks a feature or a training part.
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
  if "train" not in info.splits:
    raise ValueError(
      f"--data=tfds:{name} has the splits {', '.join(sorted(info.splits))}; 'train' is needed, and "
      "a test part such as 'test' or 'validation'."
    )
  return builder


def test_split(
  name: str, builder: Any, cut: Cut, is_good: Callable[[str], bool]
) -> tuple[str | None, list[str]]:
  """(name of the test part, notes): the first that has examples and `is_good`; None without any.

  Raises:
    ValueError: if another one is asked for than there is, or none of those that are there is good.
  """
  splits = builder.info.splits
  named = [split for split in TEST_PARTS if split in splits]
  cut.check(f"tfds:{name}", sorted({"train", *(splits if cut.split else named)}))
  named = [cut.split] if cut.split else named
  for number, split in enumerate(named):
    if splits[split].num_examples and is_good(split):
      others = ", ".join(named[:number])
      told = f"--data=tfds:{name}: {others} has no labelled examples; the test part is {split}"
      return split, [told] if others else []
  if named:
    raise ValueError(
      f"--data=tfds:{name}: {' and '.join(named)} has no labelled examples, and cannot be the test "
      f"part. --test_split may name another one of its splits: {', '.join(sorted(splits))}."
    )
  return None, []


@STREAMS.register("tfds")
def find(name: str, cut: Cut) -> Found:
  builder, channels, class_names = _open(name)
  parts: dict[str, TFRecords | Kept] = {}

  def is_labelled(split: str) -> bool:
    parts[split] = records = _records(name, builder, split, class_names)
    first = range(min(LOOKED_AT, len(records)))
    return any(records.unchecked(index)[1] != UNKNOWN for index in first)

  split, notes = test_split(name, builder, cut, is_labelled)
  why_not = ""
  kind = builder.info.file_format.value
  if kind != RECORDS:
    why_not = (
      f"--data=tfds:{name} is stored as {kind}; only {RECORDS} can be streamed. Prepare it anew "
      f"with --file_format={RECORDS}, or use --input=memory."
    )
  train = _records(name, builder, "train", class_names)
  if split:
    test, places = parts[split], None
  else:
    test, count = train, len(train)
    is_test = cut.is_test([str(index) for index in range(count)], np.zeros(count, np.int64))
    places = (np.flatnonzero(~is_test), np.flatnonzero(is_test))
    notes = [cut.told(f"tfds:{name}", is_test)]
  return Found(train, test, channels, class_names, tuple(notes), places, why_not, True)


def _records(name: str, builder: Any, split: str, class_names: Sequence[str]) -> TFRecords | Kept:
  info = builder.info.splits[split]
  if builder.info.file_format.value != RECORDS:
    read = functools.partial(_read, name, builder, split)
    return Kept(f"tfds:{name}", split, info.num_examples, len(class_names), read)
  records = TFRecords(f"tfds:{name}", info.filepaths, len(class_names))
  if len(records) != info.num_examples:
    raise ValueError(
      f"--data=tfds:{name}: the files of {split!r} hold {len(records)} examples, and TFDS counted "
      f"{info.num_examples}."
    )
  return records


def _open(name: str) -> tuple[Any, int, tuple[str, ...]]:
  """(builder, channels, class names)."""
  import tensorflow_datasets as tfds

  builder = prepared(name, "classification", ("image", "label"))
  info = builder.info
  for feature, kind in (("image", tfds.features.Image), ("label", tfds.features.ClassLabel)):
    if not isinstance(info.features[feature], kind):
      raise ValueError(
        f"--data=tfds:{name}: {feature!r} must be of the type {kind.__name__}, it is "
        f"{type(info.features[feature]).__name__}."
      )
  image = info.features["image"]
  if image.np_dtype != np.uint8:
    raise ValueError(
      f"--data=tfds:{name}: 'image' must be of bytes, it is of {np.dtype(image.np_dtype)}."
    )
  # Others are colours with transparency, or as many as the file has.
  return builder, 1 if image.shape[-1] == 1 else 3, tuple(info.features["label"].names or ())


def _read(name: str, builder: Any, split: str) -> list[tuple[bytes, int]]:
  """[(picture as it is in the file, label)] in the order of the files."""
  import tensorflow_datasets as tfds

  try:
    examples = builder.as_dataset(
      split=split,
      read_config=tfds.ReadConfig(interleave_cycle_length=1),
      decoders={"image": tfds.decode.SkipDecoding()},
    )
    return [(each["image"], int(each["label"])) for each in examples.as_numpy_iterator()]
  except Exception as error:  # of TensorFlow, TFDS, and of what reads the format
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    raise ValueError(f"--data=tfds:{name}: {split!r} cannot be read: {line}") from None
