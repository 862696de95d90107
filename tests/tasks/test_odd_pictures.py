"""Pictures as users have them: what is read, and one line with the name for what is not."""

import io

import numpy as np
import odd_pictures
import pytest
from odd_pictures import broken_inside, encoded, pixels, with_exif, with_profile, with_text
from PIL import Image

from nadv2_tf.tasks import images

KINDS = ("JPEG", "PNG", "WEBP")


def _written(folder, content, name="picture"):
  path = folder / name
  path.write_bytes(content)
  return path


def _read(path):
  return np.asarray(images.read_picture(path))


# --- metadata


@pytest.mark.parametrize("malformed", [False, True])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_turned_upright_even_with_malformed_exif(
  tmp_path, kind, orientation, malformed
):
  """EXIF: 3 is upside down, of 6 the stored left is the top, of 8 the stored right."""
  stored = pixels()
  turned = {1: stored, 3: stored[::-1, ::-1], 6: np.rot90(stored, -1), 8: np.rot90(stored)}
  found = _read(_written(tmp_path, with_exif(kind, stored, orientation, malformed)))
  # JPEG keeps smooth pictures to a few steps; the others keep them.
  np.testing.assert_allclose(found.astype(int), turned[orientation], atol=12 * (kind == "JPEG"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
  "data", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0"]
)
def test_exif_that_says_nothing_turns_nothing(tmp_path, kind, data):
  content = encoded(kind, pixels(), exif=data if kind != "PNG" else data[6:] or b"II")
  assert _read(_written(tmp_path, content)).shape == (30, 40, 3)


@pytest.mark.parametrize("value", [0, 9, 65_535])
def test_an_orientation_that_is_none_turns_nothing(tmp_path, value):
  assert _read(_written(tmp_path, with_exif("JPEG", pixels(), value))).shape == (30, 40, 3)


def test_a_tiff_is_turned_once(tmp_path):
  """Pillow turns it when it decodes it."""
  content = io.BytesIO()
  Image.fromarray(pixels()).save(content, "TIFF", tiffinfo={odd_pictures.ORIENTATION: 6})
  found = _read(_written(tmp_path, content.getvalue()))
  np.testing.assert_array_equal(found, np.rot90(pixels(), -1))


@pytest.mark.parametrize(
  "error", [TypeError("no type"), MemoryError(), KeyError("tag"), EOFError()]
)
def test_whatever_a_decoder_raises_is_one_line_with_the_name(tmp_path, monkeypatch, error):
  path = _written(tmp_path, encoded("PNG", pixels()))

  def fail(self):
    raise error

  monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load_prepare", fail)
  with pytest.raises(images.Unreadable, match=rf"^Cannot read the image {path}: \S") as told:
    images.read_picture(path)
  assert "\n" not in str(told.value)


# --- size


@pytest.mark.parametrize("make", [with_profile, with_text])
def test_a_png_with_megabytes_of_metadata_is_read_up_to_a_limit(tmp_path, make):
  for size in (1_100_000, images.LARGEST_TEXT - 1000):
    np.testing.assert_array_equal(_read(_written(tmp_path, make(pixels(), size))), pixels())
  path = _written(tmp_path, make(pixels(), images.LARGEST_TEXT + 1000))
  with pytest.raises(images.Unreadable, match=f"Cannot read the image {path}: .*too large"):
    images.read_picture(path)


@pytest.mark.parametrize(("width", "height"), [(12_000, 9_000), (16_320, 12_240)])
def test_photographs_of_phones_are_within_the_limit(width, height):
  """108 and 200 megapixels; Pillow's own limit gives neither an error nor a warning."""
  assert width * height < images.LARGEST_PIXELS <= Image.MAX_IMAGE_PIXELS


@pytest.mark.slow
def test_a_photograph_of_108_megapixels_is_read(tmp_path, recwarn):
  path = tmp_path / "large.png"
  Image.new("L", (12_000, 9_000), 77).save(path, compress_level=1)
  assert (images.read_image(path, 8) == 77).all()
  assert not recwarn


@pytest.mark.parametrize("orientation", [1, 6])
def test_very_large_pictures_are_kept_at_half_their_size(tmp_path, monkeypatch, orientation):
  path = _written(tmp_path, with_exif("PNG", pixels(32, 48), orientation))
  whole = images.read_picture(path)
  monkeypatch.setattr(images, "KEPT_PIXELS", 32 * 48 - 1)
  half = images.read_picture(path)
  assert [2 * side for side in half.size] == list(whole.size)
  # The square that a network sees is the same: smooth pictures lose nothing.
  expected = images.square(whole, 8).astype(int)
  np.testing.assert_allclose(images.square(half, 8), expected, atol=3)


def test_large_pictures_are_decoded_one_at_a_time(tmp_path, monkeypatch):
  monkeypatch.setattr(images, "MANY_PIXELS", 100)
  path = _written(tmp_path, encoded("PNG", pixels()))
  held = images.opened(path, lambda image: images._one_at_a_time.locked())
  small = _written(tmp_path, encoded("PNG", pixels(10, 10)), "small")
  assert held and not images.opened(small, lambda image: images._one_at_a_time.locked())


# --- the look before a training


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000"])
def test_a_look_passes_what_is_whole_and_names_what_is_cut_off(tmp_path, kind):
  content = encoded(kind, pixels())
  images.look("whole", io.BytesIO(content))
  # Of a JPEG or WebP file that Pillow would fill up, the end is missed as well.
  with pytest.raises(images.Unreadable, match="^Cannot read the image cut off: "):
    images.look("cut off", io.BytesIO(content[: len(content) // 2]))


def test_a_look_reads_no_pixels_of_what_is_whole(monkeypatch):
  broken = broken_inside(pixels())
  images.look("looks good", io.BytesIO(broken))
  with pytest.raises(images.Unreadable, match="^Cannot read the image looks good: "):
    images.read_picture("looks good", broken)
  # With something behind its end it is decoded, and found.
  with pytest.raises(images.Unreadable, match="^Cannot read the image tail: "):
    images.look("tail", io.BytesIO(broken + b"more"))
  images.look("tail", io.BytesIO(encoded("JPEG", pixels()) + b"what a phone writes behind it"))


@pytest.mark.parametrize("array", [np.zeros((9, 9), np.uint16), np.zeros((9, 9), np.float32)])
def test_a_look_refuses_pixels_that_are_no_bytes(array):
  kind = "PNG" if array.dtype == np.uint16 else "TIFF"
  with pytest.raises(images.Unreadable, match="its pixels are of Pillow's mode"):
    images.look("deep", io.BytesIO(encoded(kind, array)))


def test_a_look_refuses_what_is_too_large_without_decoding(monkeypatch):
  monkeypatch.setattr(images, "LARGEST_PIXELS", 1199)
  with pytest.raises(images.Unreadable, match="40 x 30 pixels are more than 1199"):
    images.look("large", io.BytesIO(encoded("PNG", pixels())))
