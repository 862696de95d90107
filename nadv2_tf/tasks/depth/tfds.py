"""A data set of TensorFlow Datasets with the features `image` and `depth`, such as NYU Depth V2.

The folder is TFDS's own (`~/tensorflow_datasets`, or the variable TFDS_DATA_DIR).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.tasks.depth.map_format import DEPTH_SOURCES, reserve
from nadv2_tf.tasks.depth.maps import fit_image, fit_map
from nadv2_tf.tasks.images import as_picture, opened
from nadv2_tf.tasks.sources.tfds import prepared, test_split

if TYPE_CHECKING:
  from collections.abc import Mapping
  from typing import Any

  from nadv2_tf.tasks.cut import Cut
  from nadv2_tf.tasks.depth.map_format import MapFormat, Part


@DEPTH_SOURCES.register("tfds")
def load(
  name: str, image_size: int, map_format: MapFormat, cut: Cut
) -> tuple[list[Part], list[str]]:
  import tensorflow_datasets as tfds

  builder = prepared(name, "depth", ("image", "depth"))
  info = builder.info
  test, notes = test_split(name, builder, cut, lambda split: True)
  if test is None:
    raise ValueError(
      f"--data=tfds:{name} has the splits {', '.join(sorted(info.splits))}; 'train' and 'test' "
      "or 'validation' are needed."
    )
  # As a folder's are: by Pillow, whose pixels differ from TensorFlow's by rounding.
  is_file = isinstance(info.features["image"], tfds.features.Image)
  decoders = {"image": tfds.decode.SkipDecoding()} if is_file else None
  if map_format.depth_test is not None:
    raise ValueError(f"--depth_test is for folders; tfds:{name} has a test part.")
  parts: list[Part] = []
  for title, split in (("training", "train"), ("test", test)):
    count = info.splits[split].num_examples
    examples = reserve(count, image_size, f"tfds:{name}", _dtype(info.features["depth"]))
    dataset = builder.as_dataset(split=split, decoders=decoders)
    for index, example in enumerate(dataset.as_numpy_iterator()):
      place = f"tfds:{name}, {split} example {index}"
      image, depth = _pair(example, image_size, map_format, place)
      examples.images[index], examples.labels[index] = image, depth
    parts.append((title, examples, [f"example {index}" for index in range(count)]))
  return parts, notes


def _dtype(feature: Any) -> type[np.floating]:
  """Half precision where the data set has no more: 47 584 training maps of 224x224 are many."""
  return np.float16 if feature.np_dtype == np.float16 else np.float32


def _pair(
  example: Mapping[str, np.ndarray], image_size: int, map_format: MapFormat, place: str
) -> tuple[np.ndarray, np.ndarray]:
  image, depth = _pixels(example["image"], place), np.squeeze(example["depth"])
  if depth.shape != image.shape[:2] or image.dtype != np.uint8 or image.shape[-1] not in (1, 3):
    raise ValueError(
      f"{place}: the depth map of {list(depth.shape)} must have the size of its image of bytes, "
      f"{image.dtype} {list(image.shape)}."
    )
  metres = map_format.metres(depth, place)
  return fit_image(as_picture(image), image_size), fit_map(metres, image_size)


def _pixels(image: bytes | np.ndarray, place: str) -> np.ndarray:
  """An image as it is stored, unturned as its depth map is."""
  if not isinstance(image, bytes):
    return image
  return opened(place, lambda picture: np.asarray(picture.convert("RGB")), io.BytesIO(image))
