"""A NumPy archive with x_train, y_train, x_test, y_test; `class_count` may be there."""

from __future__ import annotations

import pathlib
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.spec.checks import LARGEST_WIDTH
from nadv2_tf.tasks import images
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.tasks.sources.registry import SOURCES, Source

if TYPE_CHECKING:
  from collections.abc import Callable, Mapping
  from typing import Any

  from nadv2_tf.types import AnyPath

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
#: how many classes there are, where labels alone do not say: the last ones may have no image
COUNT = "class_count"
#: as many as a classifier may have; every class gets a name
LARGEST_CLASSES = LARGEST_WIDTH


@SOURCES.register("npz")
def load(place: str, image_size: int) -> Source:
  path = pathlib.Path(place).expanduser()

  def fit(array):
    images.check_memory(len(array), image_size, array.shape[-1], f"npz:{path}")
    return images.resize(array, image_size)

  train, test, named = read(path, fit)
  classes = max(int(train.labels.max(initial=-1)) + 1, named)
  if classes > LARGEST_CLASSES:
    raise ValueError(
      f"{path}: labels count from 0, and at most {LARGEST_CLASSES} classes are possible; y_train "
      f"has the label {classes - 1}."
    )
  names = tuple(str(label) for label in range(classes))
  return Source(train, test, names, _dark({"x_train": train, "x_test": test}, path), True)


def _dark(parts: Mapping[str, Examples], path: AnyPath) -> tuple[str, ...]:
  """Notes on images that are nearly black as bytes: they were scaled for another program."""
  return tuple(
    f"{path}: {name} has no value above 1; images are read as bytes from 0 to 255"
    for name, part in parts.items()
    if part.images.max(initial=0) <= 1
  )


def read(path: AnyPath, fit: Callable[[np.ndarray], np.ndarray]) -> tuple[Examples, Examples, int]:
  """(training, test) `Examples` of an archive, and how many classes it says there are, else 0.

  `fit` brings images to the wanted size.

  Raises:
    ValueError: naming the file and the array, if something is missing or of the wrong kind.
  """
  try:
    with zipfile.ZipFile(path) as archive:
      unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > images.LARGEST_BYTES:
      raise ValueError(f"it unpacks to {unpacked} bytes, more than {images.LARGEST_BYTES}")
    # Pickled objects in the file would run code when read.
    with np.load(path, allow_pickle=False) as archive:
      missing = [name for name in ARRAYS if name not in archive]
      if missing:
        raise ValueError(f"it has no array {missing[0]!r}; needed: {', '.join(ARRAYS)}")
      arrays = {name: archive[name] for name in (*ARRAYS, COUNT) if name in archive}
      for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
          raise ValueError(f"{name} is not a NumPy array")
  except Exception as error:  # zipfile, zlib and NumPy's header parser raise a dozen kinds
    raise ValueError(f"Cannot read the archive {path}: {error}.") from None
  parts = []
  for part in ("train", "test"):
    x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
    parts.append(Examples(fit(_images(x, f"x_{part}", path)), _labels(y, x, part, path)))
  return parts[0], parts[1], _class_count(arrays.get(COUNT, np.int64(0)), path)


def _class_count(value: Any, path: AnyPath) -> int:
  if not np.issubdtype(value.dtype, np.integer) or value.size != 1:
    raise ValueError(f"{path}: {COUNT} must be one integer, got {value.dtype} {list(value.shape)}.")
  count = int(value.item())
  if not 0 <= count <= LARGEST_CLASSES:
    raise ValueError(f"{path}: {COUNT} must be at most {LARGEST_CLASSES}, got {count}.")
  return count


def _images(x: np.ndarray, name: str, path: AnyPath) -> np.ndarray:
  if x.ndim == 3:
    x = x[..., None]
  if x.dtype != np.uint8 or x.ndim != 4 or x.shape[-1] not in (1, 3) or 0 in x.shape[1:]:
    raise ValueError(
      f"{path}: {name} must be uint8 images [count, height, width] or [count, height, width, "
      f"1 or 3], got {x.dtype} {list(x.shape)}."
    )
  return x


def _labels(y: np.ndarray, x: np.ndarray, part: str, path: AnyPath) -> np.ndarray:
  if not np.issubdtype(y.dtype, np.integer) or y.shape not in ((len(x),), (len(x), 1)):
    raise ValueError(
      f"{path}: y_{part} must be one integer for each of the {len(x)} images, got {y.dtype} "
      f"{list(y.shape)}."
    )
  return y.reshape(-1).astype(np.int64)
