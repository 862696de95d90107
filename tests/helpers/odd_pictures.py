"""Picture files as cameras, archives and accidents leave them, written byte by byte."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, PngImagePlugin

#: EXIF tags: one whose value does not fit its type, and the orientation
BITS, ORIENTATION = 0x0100, 0x0112
SHORT, LONG = 3, 4


def pixels(height=30, width=40, seed=0):
  """A picture that no turning leaves as it is: smooth, so that JPEG keeps it."""
  corners = np.random.default_rng(seed).integers(0, 256, (2, 2, 3), np.uint8)
  picture = Image.fromarray(corners).resize((width, height), Image.Resampling.BILINEAR)
  return np.asarray(picture)


def exif(orientation, malformed=False):
  """EXIF data: the orientation, and a value that no writer can write again."""
  entries = [struct.pack("<HHII", ORIENTATION, SHORT, 1, orientation)]
  if malformed:  # a negative number where only others can be, as cameras' editors leave it
    entries.insert(0, struct.pack("<HHIi", BITS, 8, 1, -5))
  table = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
  return b"Exif\0\0II*\0" + struct.pack("<I", 8) + table


def encoded(kind, array, **options):
  """The bytes of a picture file."""
  content = io.BytesIO()
  Image.fromarray(array).save(content, kind, **options)
  return content.getvalue()


def with_exif(kind, array, orientation, malformed=False):
  """A JPEG, PNG or WebP file that carries an orientation."""
  data = exif(orientation, malformed)
  lossless = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}.get(kind, {})
  return encoded(kind, array, exif=data if kind != "PNG" else data[6:], **lossless)


def with_chunk(png, kind, data):
  """A PNG file with one more chunk behind its header."""
  body = kind + data
  chunk = struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
  return png[:33] + chunk + png[33:]


def with_profile(array, size):
  """A PNG file with a colour profile of so many bytes."""
  profile = zlib.compress(b"p" * size)
  return with_chunk(encoded("PNG", array), b"iCCP", b"profile\0\0" + profile)


def with_text(array, size):
  """A PNG file with a compressed text of so many bytes, as image generators write their recipe."""
  info = PngImagePlugin.PngInfo()
  info.add_text("recipe", "a" * size, zip=True)
  return encoded("PNG", array, pnginfo=info)


def broken_inside(array):
  """A PNG file whose header and end are good and whose pixels are not."""
  content = bytearray(encoded("PNG", array))
  at = content.index(b"IDAT") + 8
  content[at : at + 16] = bytes(16)
  return bytes(content)
