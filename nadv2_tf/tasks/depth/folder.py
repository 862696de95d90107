"""A folder with `rgb/NAME.jpg` or `.png` and `depth/NAME.png`.

`DIR/train` and `DIR/test` may each hold such a pair of folders; if DIR itself does, its last pairs
by name are the test set: neighbours often show the same room, so nothing is drawn at random.
"""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from nadv2_tf.tasks.depth.map_format import DEPTH_SOURCES, reserve
from nadv2_tf.tasks.depth.maps import fit_image, fit_map
from nadv2_tf.tasks.images import LARGEST_PIXELS

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence
  from typing import TypeAlias, TypeVar

  from nadv2_tf.tasks.depth.map_format import MapFormat, Part
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.types import AnyPath

  #: files of an image and of its depth map
  Pair: TypeAlias = tuple[pathlib.Path, pathlib.Path]
  Read = TypeVar("Read")

IMAGES, MAPS = (".jpg", ".jpeg", ".png"), (".png",)
#: other kinds Pillow may hand to programs that it finds, whatever the name ends with
FORMATS = ("JPEG", "PNG")
#: Pillow's modes of grey images, and what arrays are made of them
GREY = {"L": np.uint8, "I;16": np.uint16, "I": np.uint16, "I;16B": np.uint16}


@DEPTH_SOURCES.register("folder")
def load(place: str, image_size: int, map_format: MapFormat) -> list[Part]:
  root = pathlib.Path(place)
  if (root / "train").is_dir() and not (root / "rgb").is_dir():
    if map_format.depth_test is not None:
      raise ValueError(f"--depth_test is for a folder without a test part; {root} has one.")
    parts = {title: _pairs(root / title) for title in ("train", "test")}
  else:
    parts = _cut(_pairs(root), map_format.depth_test, root)
  return [
    (title, _read(pairs, image_size, map_format, f"folder:{place}"), [str(p[1]) for p in pairs])
    for title, pairs in (("training", parts["train"]), ("test", parts["test"]))
  ]


def _cut(pairs: list[Pair], test: int | None, root: pathlib.Path) -> dict[str, list[Pair]]:
  test = max(len(pairs) // 10, 1) if test is None else test
  if not 1 <= test < len(pairs):
    raise ValueError(
      f"--depth_test must be from 1 to {max(len(pairs) - 1, 1)} with the {len(pairs)} pairs of "
      f"{root}, got {test}."
    )
  return {"train": pairs[:-test], "test": pairs[-test:]}


def _pairs(root: pathlib.Path) -> list[Pair]:
  """[(image, depth map)] by name.

  Raises:
    ValueError: naming the folder that is missing, or the first of the pairs that miss one half.
  """
  found = [_by_name(root / "rgb", IMAGES), _by_name(root / "depth", MAPS)]
  alone = sorted(set(found[0]) ^ set(found[1]))
  if alone:
    half, other = ("image", "depth map") if alone[0] in found[0] else ("depth map", "image")
    path = found[half == "depth map"][alone[0]]
    raise ValueError(
      f"{root}: {len(alone)} file(s) miss the other half of their pair; the first is the {half} "
      f"{path}, which has no {other} of the same name."
    )
  if not found[0]:
    raise ValueError(f"{root / 'rgb'} has no images ({', '.join(IMAGES)}).")
  return [(found[0][name], found[1][name]) for name in sorted(found[0])]


def _by_name(folder: pathlib.Path, suffixes: Sequence[str]) -> dict[str, pathlib.Path]:
  if not folder.is_dir():
    raise ValueError(
      f"{folder} is not a folder; --data=folder:DIR needs DIR/rgb and DIR/depth for depth, or "
      "both of them in DIR/train and DIR/test."
    )
  files: dict[str, pathlib.Path] = {}
  for path in sorted(folder.iterdir()):
    if path.suffix.lower() in suffixes and not path.name.startswith("."):
      if path.stem in files:
        raise ValueError(f"{path} and {files[path.stem]} have the same name.")
      files[path.stem] = path
  return files


def _read(pairs: Sequence[Pair], image_size: int, map_format: MapFormat, source: str) -> Examples:
  examples = reserve(len(pairs), image_size, source)

  def fill(index):
    image_path, map_path = pairs[index]
    image, depth = read_pair(image_path, map_path, image_size, map_format)
    examples.images[index], examples.labels[index] = image, depth

  with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    list(pool.map(fill, range(len(pairs))))
  return examples


def read_pair(
  image_path: AnyPath, map_path: AnyPath, image_size: int, map_format: MapFormat
) -> tuple[np.ndarray, np.ndarray]:
  """(uint8 image, metres) of one pair, as squares of `image_size`.

  Raises:
    ValueError: naming the file, if one cannot be read, or the two differ in size.
  """
  image = _open(image_path, lambda image: ImageOps.exif_transpose(image).convert("RGB"))
  values = _open(map_path, lambda image: _values(image, map_path))
  if image.size != values.shape[::-1]:
    raise ValueError(
      f"{map_path} has {values.shape[1]}x{values.shape[0]} pixels, its image {image_path} "
      f"{image.size[0]}x{image.size[1]}; both must have the same size."
    )
  metres = map_format.metres(values, map_path)
  return fit_image(image, image_size), fit_map(metres, image_size)


def _open(path: AnyPath, use: Callable[[Image.Image], Read]) -> Read:
  try:
    with Image.open(path, formats=FORMATS) as image:
      if image.width * image.height > LARGEST_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels are more than {LARGEST_PIXELS}")
      image.load()
      return use(image)
  except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
    raise ValueError(f"Cannot read the image {path}: {error}") from None


def _values(image: Image.Image, path: AnyPath) -> np.ndarray:
  if image.mode not in GREY:
    raise ValueError(f"a depth map must be grey, of 8 or 16 bits; its mode is {image.mode}")
  return np.asarray(image).astype(GREY[image.mode])
