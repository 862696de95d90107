"""Decoding and resizing of images with Pillow; what cannot be read is named."""

from __future__ import annotations

import contextlib
import io
import threading
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence
  from typing import BinaryIO, TypeVar

  from nadv2_tf.types import AnyPath

  Made = TypeVar("Made")

#: larger images are refused before they are decoded (a decompression bomb is not a photograph);
#: phones take up to 200 million
LARGEST_PIXELS = 256_000_000
#: of larger ones one is decoded at a time: on all cores at once they would fill the memory
MANY_PIXELS = 50_000_000
#: pictures of more are kept at half of their width and height: every thread may hold one
KEPT_PIXELS = 100_000_000
#: what photographs come in; others, such as EPS, Pillow hands to programs that it finds
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF")
#: Pillow's modes of bytes; what others hold above 255 it would turn to white
BYTES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV")
#: decoded data sets are kept in memory
LARGEST_BYTES = 8 * 2**30
#: bytes of a colour profile or a text in a PNG file, unpacked; Pillow's own limits are 1 and 64 MiB
LARGEST_TEXT = 2**25
#: {EXIF orientation: what turns such a picture upright}
UPRIGHT = {
  2: Image.Transpose.FLIP_LEFT_RIGHT,
  3: Image.Transpose.ROTATE_180,
  4: Image.Transpose.FLIP_TOP_BOTTOM,
  5: Image.Transpose.TRANSPOSE,
  6: Image.Transpose.ROTATE_270,
  7: Image.Transpose.TRANSVERSE,
  8: Image.Transpose.ROTATE_90,
}
AS_STORED = 1
#: {kind: whether a file of it is all there, of its first and last bytes and its size}
IS_WHOLE: dict[str, Callable[[bytes, bytes, int], bool]] = {
  "JPEG": lambda first, last, size: last.endswith(b"\xff\xd9"),
  "MPO": lambda first, last, size: last.endswith(b"\xff\xd9"),
  "PNG": lambda first, last, size: last.endswith(b"IEND\xaeB`\x82"),
  "GIF": lambda first, last, size: last.endswith(b";"),
  "WEBP": lambda first, last, size: int.from_bytes(first[4:8], "little") + 8 <= size,
  "BMP": lambda first, last, size: int.from_bytes(first[2:6], "little") <= size,
}
#: bytes at either end of a file that `IS_WHOLE` is asked with
ENDS = 16

# Pillow's own limits are those of the process, and below what phones and printers' profiles have.
Image.MAX_IMAGE_PIXELS = LARGEST_PIXELS
PngImagePlugin.MAX_TEXT_CHUNK = LARGEST_TEXT

_one_at_a_time = threading.Lock()


class TooLarge(ValueError):
  """A decoded data set would not fit the limit."""


class Unreadable(ValueError):
  """A picture cannot be read; the text names it."""


def read_image(path: AnyPath, image_size: int) -> np.ndarray:
  """An image file as uint8 [image_size, image_size, 3]: scaled, centre crop.

  Raises:
    Unreadable: naming the path, if it is no readable image or too large.
  """
  return square(read_picture(path), image_size)


def read_picture(path: AnyPath, content: bytes | None = None, mode: str = "RGB") -> Image.Image:
  """A whole image file as a Pillow picture, turned upright; a very large one at half its size.

  Args:
    path: of the file, or what an error calls it.
    content: the file's bytes, if they were read already.
    mode: Pillow's, "RGB" or "L".

  Raises:
    Unreadable: naming the path, if it is no readable image or too large.
  """

  def use(image: Image.Image) -> Image.Image:
    turned = upright(image)
    is_new = turned is not image  # a copy more would be a third one in memory
    picture = turned if is_new and turned.mode == mode else turned.convert(mode)
    return picture.reduce(2) if picture.width * picture.height > KEPT_PIXELS else picture

  return opened(path, use, None if content is None else io.BytesIO(content))


def opened(
  path: AnyPath,
  use: Callable[[Image.Image], Made],
  file: BinaryIO | None = None,
  formats: Sequence[str] = FORMATS,
  modes: Sequence[str] | None = BYTES,
) -> Made:
  """What `use` makes of an image file, whose header has been read and whose pixels have not.

  Args:
    path: of the file, or what an error calls it.
    use: function of the Pillow picture.
    file: the open file, if it is another than that of the path.
    formats: Pillow's names of what the file may be.
    modes: Pillow's names of what its pixels may be; None: `use` looks at them.

  Raises:
    Unreadable: naming the path, for whatever a decoder raises, and for what is too large.
  """
  try:
    Image.init()  # a build of Pillow may lack some
    known = [kind for kind in formats if kind in Image.OPEN]
    with Image.open(path if file is None else file, formats=known) as image:
      pixels = image.width * image.height
      if pixels > LARGEST_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels are more than {LARGEST_PIXELS}")
      if modes is not None and image.mode not in modes:
        raise ValueError(f"its pixels are of Pillow's mode {image.mode}, not bytes")
      with _one_at_a_time if pixels > MANY_PIXELS else contextlib.nullcontext():
        return use(image)
  except Exception as error:  # decoders raise a dozen kinds, struct.error and TypeError among them
    what = " ".join(str(error).split()) or type(error).__name__
    if file is not None and isinstance(error, Image.UnidentifiedImageError):
      what = "cannot identify its kind"
    raise Unreadable(f"Cannot read the image {path}: {what}") from None


def look(path: AnyPath, file: BinaryIO, mode: str = "RGB") -> None:
  """Looks at an image file without decoding it: its header, its size, whether its end is there.

  What does not say where it ends, or has something behind its end, is decoded.

  Args:
    path: of the file, or what an error calls it.
    file: open, from its beginning; it may be read from anywhere afterwards.
    mode: that it is going to be read in.

  Raises:
    Unreadable: naming the path, if it is not going to be readable.
  """
  first = file.read(ENDS)
  size = file.seek(0, io.SEEK_END)
  file.seek(max(size - ENDS, 0))
  last = file.read(ENDS)
  file.seek(0)

  def use(image: Image.Image) -> None:
    is_whole = IS_WHOLE.get(image.format or "")
    if is_whole is None or not is_whole(first, last, size):
      image.convert(mode)

  opened(path, use, file)


def orientation(image: Image.Image) -> int:
  """The EXIF orientation, 2 to 8, of a picture that is to be turned before it is seen; else 1."""
  try:
    value = image.getexif().get(ExifTags.Base.Orientation, AS_STORED)
    return value if value in UPRIGHT else AS_STORED
  except Exception:  # malformed metadata; the pixels are as good as without
    return AS_STORED


def upright(image: Image.Image) -> Image.Image:
  """The picture as it is to be seen.

  `ImageOps.exif_transpose` would write the other metadata anew, and fail where one is malformed.
  """
  image.load()  # a TIFF file is turned here
  turn = UPRIGHT.get(orientation(image))
  return image if turn is None else image.transpose(turn)


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
