"""A folder with `train/` and `test/` (or `val/`), and in each one sub-folder per class."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.tasks.records import Files
from nadv2_tf.tasks.sources.registry import SOURCES, STREAMS, Source
from nadv2_tf.tasks.stream import streamed

if TYPE_CHECKING:
  from collections.abc import Sequence
  from typing import Any


@SOURCES.register("folder")
def load(place: str, image_size: int) -> Source:
  *parts, channels, class_names = find(place)
  train, test = (streamed(part, image_size, channels).decoded() for part in parts)
  return Source(train, test, class_names)


@STREAMS.register("folder")
def find(place: str) -> tuple[Any, ...]:
  """(training `Files`, test `Files`, channels, class names)."""
  root = pathlib.Path(place)
  train = root / "train"
  class_names = _class_names(train)
  is_val = not (root / "test").is_dir() and (root / "val").is_dir()
  test = root / ("val" if is_val else "test")
  unknown = sorted(set(_class_names(test)) - set(class_names))
  if unknown:
    raise ValueError(
      f"{test / unknown[0]} is a class that {train} does not have; its classes: "
      f"{', '.join(class_names)}."
    )
  return *(_files(part, class_names) for part in (train, test)), 3, class_names


def _class_names(folder: pathlib.Path) -> tuple[str, ...]:
  if not folder.is_dir():
    raise ValueError(
      f"{folder} is not a folder; --data=folder:DIR needs DIR/train and DIR/test (or DIR/val) with "
      "one sub-folder per class."
    )
  names = tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir()))
  if len(names) < 2 and folder.name == "train":
    raise ValueError(
      f"{folder} has {len(names)} class folders; at least 2 are needed, one per class."
    )
  return names


def _files(folder: pathlib.Path, class_names: Sequence[str]) -> Files:
  paths, labels = [], []
  for label, name in enumerate(class_names):
    if not (folder / name).is_dir():
      continue
    with os.scandir(folder / name) as entries:
      found = sorted(
        entry.path for entry in entries if entry.is_file() and not entry.name.startswith(".")
      )
    paths += found
    labels += [label] * len(found)
  if not paths:
    raise ValueError(f"{folder} has no images in its class folders.")
  return Files(f"folder:{folder.parent}", paths, np.array(labels, np.int64))
