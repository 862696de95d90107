"""Decoding and resizing of images with Pillow; what cannot be read is named."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
  from nadv2_tf.types import AnyPath

#: larger images are refused before they are decoded (a decompression bomb is not a photograph)
LARGEST_PIXELS = 100_000_000
#: what photographs come in; others, such as EPS, Pillow hands to programs that it finds
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF")
#: decoded data sets are kept in memory
LARGEST_BYTES = 8 * 2**30


class TooLarge(ValueError):
  """A decoded data set would not fit the limit."""


def read_image(path: AnyPath, image_size: int) -> np.ndarray:
  """An image file as uint8 [image_size, image_size, 3]: scaled, centre crop.

  Raises:
    ValueError: naming the path, if it is no readable image or too large.
  """
  return square(read_picture(path), image_size)


def read_picture(path: AnyPath, content: bytes | None = None, mode: str = "RGB") -> Image.Image:
  """A whole image file as a Pillow picture, turned upright.

  Args:
    path: of the file, or what an error calls it.
    content: the file's bytes, if they were read already.
    mode: Pillow's, "RGB" or "L".

  Raises:
    ValueError: naming the path, if it is no readable image or too large.
  """
  try:
    Image.init()  # a build of Pillow may lack some
    formats = [kind for kind in FORMATS if kind in Image.OPEN]
    with Image.open(path if content is None else io.BytesIO(content), formats=formats) as image:
      width, height = image.size
      if width * height > LARGEST_PIXELS:
        raise ValueError(f"{width} x {height} pixels are more than {LARGEST_PIXELS}")
      if image.mode.startswith(("I", "F")):  # Pillow would turn what is above 255 to white
        raise ValueError(f"its pixels are of Pillow's mode {image.mode}, not bytes")
      image.load()
      return ImageOps.exif_transpose(image).convert(mode)
  except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
    what = "cannot identify its kind" if content is not None and "BytesIO" in str(error) else error
    raise ValueError(f"Cannot read the image {path}: {what}") from None


def square(picture: Image.Image, size: int) -> np.ndarray:
  """The middle of a Pillow picture as uint8 [size, size, channels]."""
  # Cropped first: a scaled strip of 1 x 1,000,000 pixels would fill the memory.
  side = min(picture.size)
  left, top = (picture.width - side) // 2, (picture.height - side) // 2
  box = (left, top, left + side, top + side)
  return as_array(picture.resize((size, size), Image.Resampling.BILINEAR, box))


def as_array(picture: Image.Image) -> np.ndarray:
  """uint8 [height, width, channels] of a Pillow picture."""
  array = np.asarray(picture)
  return array if array.ndim == 3 else array[..., None]


def as_picture(image: np.ndarray) -> Image.Image:
  """The Pillow picture of uint8 [height, width, 1 or 3]."""
  return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def resize(images: np.ndarray, size: int) -> np.ndarray:
  """uint8 [examples, height, width, channels] as squares of `size`, scaled and centre cropped."""
  if images.shape[1:3] == (size, size):
    return images
  if not len(images):
    return np.zeros((0, size, size, images.shape[-1]), images.dtype)
  resized = []
  for image in images:
    planes = [
      square(Image.fromarray(image[:, :, channel]), size) for channel in range(image.shape[-1])
    ]
    resized.append(np.concatenate(planes, axis=-1))
  return np.stack(resized)


def pad(images: np.ndarray, size: int) -> np.ndarray:
  """Zeros around the images up to `size`."""
  before = (size - images.shape[1]) // 2
  after = size - images.shape[1] - before
  return np.pad(images, ((0, 0), (before, after), (before, after), (0, 0)))


def check_memory(count: int, image_size: int, channels: int, source: str) -> None:
  """Raises `TooLarge` if the decoded data set would not fit the limit."""
  needed = count * image_size**2 * channels
  if needed > LARGEST_BYTES:
    raise TooLarge(
      f"--data={source}: {count} images of {image_size}x{image_size}x{channels} need "
      f"{needed / 2**30:.1f} GiB decoded; at most {LARGEST_BYTES / 2**30:.0f} GiB are kept in "
      "memory. Choose a smaller --image_size, a part of the data, or --input=stream with folder: "
      "or tfds:."
    )
