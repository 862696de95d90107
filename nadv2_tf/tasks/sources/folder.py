"""A folder with `train/` and `test/`, and in each one sub-folder per class."""

import concurrent.futures
import os
import pathlib

import numpy as np

from nadv2_tf.tasks import images
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.tasks.sources.registry import SOURCES, Source


@SOURCES.register("folder")
def load(place, image_size):
  root = pathlib.Path(place)
  class_names = _class_names(root / "train")
  unknown = sorted(set(_class_names(root / "test")) - set(class_names))
  if unknown:
    raise ValueError(
      f"{root / 'test' / unknown[0]} is a class that {root / 'train'} does not have; its "
      f"classes: {', '.join(class_names)}."
    )
  parts = [_read(root / part, class_names, image_size) for part in ("train", "test")]
  return Source(*parts, class_names)


def _class_names(folder):
  if not folder.is_dir():
    raise ValueError(
      f"{folder} is not a folder; --data=folder:DIR needs DIR/train and DIR/test with one "
      "sub-folder per class."
    )
  names = tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir()))
  if len(names) < 2 and folder.name == "train":
    raise ValueError(
      f"{folder} has {len(names)} class folders; at least 2 are needed, one per class."
    )
  return names


def _read(folder, class_names, image_size):
  files = [
    (path, label)
    for label, name in enumerate(class_names)
    for path in sorted((folder / name).glob("*"))
    if path.is_file() and not path.name.startswith(".")
  ]
  if not files:
    raise ValueError(f"{folder} has no images in its class folders.")
  images.check_memory(len(files), image_size, 3, f"folder:{folder.parent}")
  with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    decoded = list(pool.map(lambda file: images.read_image(file[0], image_size), files))
  return Examples(np.stack(decoded), np.array([label for _, label in files], np.int64))
