"""Decoding and resizing of images with Pillow; what cannot be read is named."""

import numpy as np
from PIL import Image, ImageOps

#: larger images are refused before they are decoded (a decompression bomb is not a photograph)
LARGEST_PIXELS = 100_000_000
#: what photographs come in; others, such as EPS, Pillow hands to programs that it finds
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF")
#: decoded data sets are kept in memory
LARGEST_BYTES = 8 * 2**30


def read_image(path, image_size):
  """An image file as uint8 [image_size, image_size, 3]: scaled, centre crop.

  Raises:
    ValueError: naming the path, if it is no readable image or too large.
  """
  try:
    Image.init()  # a build of Pillow may lack some
    with Image.open(path, formats=[kind for kind in FORMATS if kind in Image.OPEN]) as image:
      width, height = image.size
      if width * height > LARGEST_PIXELS:
        raise ValueError(f"{width} x {height} pixels are more than {LARGEST_PIXELS}")
      if image.mode.startswith(("I", "F")):  # Pillow would turn what is above 255 to white
        raise ValueError(f"its pixels are of Pillow's mode {image.mode}, not bytes")
      image.load()
      return _square(ImageOps.exif_transpose(image).convert("RGB"), image_size)
  except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
    raise ValueError(f"Cannot read the image {path}: {error}") from None


def _square(image, size):
  # Cropped first: a scaled strip of 1 x 1,000,000 pixels would fill the memory.
  side = min(image.size)
  left, top = (image.width - side) // 2, (image.height - side) // 2
  box = (left, top, left + side, top + side)
  return np.asarray(image.resize((size, size), Image.BILINEAR, box))


def resize(images, size):
  """uint8 [examples, height, width, channels] as squares of `size`, scaled and centre cropped."""
  if images.shape[1:3] == (size, size):
    return images
  if not len(images):
    return np.zeros((0, size, size, images.shape[-1]), images.dtype)
  resized = []
  for image in images:
    planes = [
      _square(Image.fromarray(image[:, :, channel]), size) for channel in range(image.shape[-1])
    ]
    resized.append(np.stack(planes, axis=-1))
  return np.stack(resized)


def pad(images, size):
  """Zeros around the images up to `size`."""
  before = (size - images.shape[1]) // 2
  after = size - images.shape[1] - before
  return np.pad(images, ((0, 0), (before, after), (before, after), (0, 0)))


def check_memory(count, image_size, channels, source):
  """Raises ValueError if the decoded data set would not fit the limit."""
  needed = count * image_size**2 * channels
  if needed > LARGEST_BYTES:
    raise ValueError(
      f"--data={source}: {count} images of {image_size}x{image_size}x{channels} need "
      f"{needed / 2**30:.1f} GiB decoded; at most {LARGEST_BYTES / 2**30:.0f} GiB are kept in "
      "memory. Choose a smaller --image_size or a part of the data."
    )
