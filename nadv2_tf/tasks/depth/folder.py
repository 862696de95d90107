"""A folder with `rgb/NAME.jpg` or `.png` and `depth/NAME.png`.

`DIR/train` and `DIR/test` (or `DIR/val`) may each hold such a pair of folders; if DIR itself does,
its last pairs by name are the test set: neighbours often show the same room, so nothing is drawn at
random. A NAME may have sub-folders in it.

Images and maps are taken as they are stored: the orientation of a photograph turns neither.
"""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.tasks import images
from nadv2_tf.tasks.cut import TEST_PARTS
from nadv2_tf.tasks.depth.map_format import DEPTH_SOURCES, reserve
from nadv2_tf.tasks.depth.maps import fit_image, fit_map
from nadv2_tf.tasks.walk import counted, files_below

if TYPE_CHECKING:
  from collections.abc import Sequence
  from typing import Any, TypeAlias

  from PIL import Image

  from nadv2_tf.tasks.cut import Cut
  from nadv2_tf.tasks.depth.map_format import MapFormat, Part
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.types import AnyPath

  #: files of an image and of its depth map
  Pair: TypeAlias = tuple[str, str]

IMAGES, MAPS = (".jpg", ".jpeg", ".png"), (".png",)
#: other kinds Pillow may hand to programs that it finds, whatever the name ends with
FORMATS = ("JPEG", "PNG")
#: Pillow's modes of grey images, and what arrays are made of them
GREY = {"L": np.uint8, "I;16": np.uint16, "I": np.uint16, "I;16B": np.uint16}
#: EXIF orientations from this one on exchange width and height
SIDEWAYS = 5


@DEPTH_SOURCES.register("folder")
def load(
  place: str, image_size: int, map_format: MapFormat, cut: Cut
) -> tuple[list[Part], list[str]]:
  root, source = pathlib.Path(place).expanduser(), f"folder:{place}"
  if (root / "train").is_dir():
    folders = _parts(root, source, map_format, cut)
    found = [_pairs(folder) for folder in folders]
    pairs, notes = [part for part, _ in found], [note for _, notes in found for note in notes]
  else:
    cut.check(source, ())
    every, notes = _pairs(root)
    pairs = _cut(every, map_format.depth_test, root)
  _check_one_kind([pair[1] for part in pairs for pair in part], source)
  parts: list[Part] = []
  turned: list[str] = []
  for title, part in zip(("training", "test"), pairs, strict=True):
    examples, more = _read(part, image_size, map_format, source)
    parts.append((title, examples, [pair[1] for pair in part]))
    turned += more
  if turned:
    notes.append(
      f"--data={source}: {counted(turned, 'photograph carries', 'photographs carry')} an EXIF "
      f"orientation, and images and maps are taken as they are stored; the first is {turned[0]}"
    )
  return parts, notes


def _parts(
  root: pathlib.Path, source: str, map_format: MapFormat, cut: Cut
) -> tuple[pathlib.Path, pathlib.Path]:
  """Folders of the training and of the test part."""
  if (root / "rgb").is_dir():
    raise ValueError(
      f"{root} has both rgb and train; move one away, it is not clear what is meant."
    )
  if map_format.depth_test is not None:
    raise ValueError(f"--depth_test is for a folder without a test part; {root} has one.")
  there = cut.parts_in(root)
  cut.check(source, there)
  return root / "train", root / (cut.split or [*there, TEST_PARTS[0]][1])


def _cut(pairs: list[Pair], test: int | None, root: pathlib.Path) -> list[list[Pair]]:
  test = max(len(pairs) // 10, 1) if test is None else test
  if not 1 <= test < len(pairs):
    raise ValueError(
      f"--depth_test must be from 1 to {max(len(pairs) - 1, 1)} with the {len(pairs)} pairs of "
      f"{root}, got {test}."
    )
  return [pairs[:-test], pairs[-test:]]


def _pairs(root: pathlib.Path) -> tuple[list[Pair], list[str]]:
  """([(image, depth map)] by name, notes on files that are neither).

  Raises:
    ValueError: naming the folder that is missing, or the first of the pairs that miss one half.
  """
  (of_images, notes), (of_maps, more) = (
    _by_name(root / "rgb", IMAGES),
    _by_name(root / "depth", MAPS),
  )
  alone = sorted(set(of_images) ^ set(of_maps))
  if alone:
    is_image = alone[0] in of_images
    half, other = ("image", "depth map") if is_image else ("depth map", "image")
    path = (of_images if is_image else of_maps)[alone[0]]
    raise ValueError(
      f"{root}: {len(alone)} file(s) miss the other half of their pair; the first is the {half} "
      f"{path}, which has no {other} of the same name."
    )
  if not of_images:
    raise ValueError(f"{root / 'rgb'} has no images ({', '.join(IMAGES)}).")
  return [(of_images[name], of_maps[name]) for name in sorted(of_images)], [*notes, *more]


def _by_name(folder: pathlib.Path, suffixes: Sequence[str]) -> tuple[dict[str, str], list[str]]:
  """({name without the ending: path}, notes on files with another ending)."""
  if not folder.is_dir():
    raise ValueError(
      f"{folder} is not a folder; --data=folder:DIR needs DIR/rgb and DIR/depth for depth, or "
      "both of them in DIR/train and DIR/test."
    )
  files: dict[str, str] = {}
  others = []
  for path in files_below(folder):
    place = pathlib.Path(path).relative_to(folder)
    name = place.with_suffix("").as_posix()
    if place.suffix.lower() not in suffixes:
      others.append(path)
    elif name in files:
      raise ValueError(f"{path} and {files[name]} have the same name.")
    else:
      files[name] = path
  if not others:
    return files, []
  told = counted(others, "file is none of", "files are none of")
  return files, [f"{folder}: {told} {', '.join(suffixes)} and not read; the first is {others[0]}"]


def _check_one_kind(paths: Sequence[str], source: str) -> None:
  """Raises ValueError if maps of 8 and of 16 bits are mixed: one scale would be wrong for some."""
  with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    bits = list(pool.map(_bits, paths))
  if len(set(bits)) > 1:
    first = {number: paths[bits.index(number)] for number in sorted(set(bits))}
    told = " and ".join(f"of {number} bits, such as {path}" for number, path in first.items())
    raise ValueError(
      f"--data={source} has depth maps {told}; no --depth_scale is right for both. Save all of "
      "them alike."
    )


def _bits(path: str) -> int:
  return images.opened(path, lambda image: 8 * np.dtype(_kind(image)).itemsize, None, FORMATS, None)


def _read(
  pairs: Sequence[Pair], image_size: int, map_format: MapFormat, source: str
) -> tuple[Examples, list[str]]:
  """(`Examples`, the photographs among them that carry an orientation)."""
  examples = reserve(len(pairs), image_size, source)

  def fill(index):
    image_path, map_path = pairs[index]
    image, depth, turn = read_pair(image_path, map_path, image_size, map_format)
    examples.images[index], examples.labels[index] = image, depth
    return turn

  with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    turns = list(pool.map(fill, range(len(pairs))))
  turned = [pair[0] for pair, turn in zip(pairs, turns, strict=True) if turn != images.AS_STORED]
  return examples, turned


def read_pair(
  image_path: AnyPath, map_path: AnyPath, image_size: int, map_format: MapFormat
) -> tuple[np.ndarray, np.ndarray, int]:
  """(uint8 image, metres, EXIF orientation of the image) of one pair, as squares of `image_size`.

  Raises:
    ValueError: naming the file, if one cannot be read, or the two differ in size.
  """
  image, turn = images.opened(
    image_path, lambda image: (image.convert("RGB"), images.orientation(image)), None, FORMATS
  )
  values = images.opened(
    map_path, lambda image: np.asarray(image).astype(_kind(image)), None, FORMATS, None
  )
  if image.size != values.shape[::-1]:
    why = ""
    if turn >= SIDEWAYS and image.size == values.shape:
      why = (
        f" The image carries the EXIF orientation {turn}, and both are taken as they are stored: "
        "save it turned, or the map unturned."
      )
    raise ValueError(
      f"{map_path} has {values.shape[1]}x{values.shape[0]} pixels, its image {image_path} "
      f"{image.size[0]}x{image.size[1]}; both must have the same size.{why}"
    )
  metres = map_format.metres(values, map_path)
  return fit_image(image, image_size), fit_map(metres, image_size), turn


def _kind(image: Image.Image) -> type[Any]:
  """Of a depth map's values."""
  if image.mode not in GREY:
    raise ValueError(f"a depth map must be grey, of 8 or 16 bits; its mode is {image.mode}")
  return GREY[image.mode]
