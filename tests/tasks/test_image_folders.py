"""`folder:DIR`: what arrives from good folders, and one clear line for bad ones."""

import numpy as np
import pytest
from PIL import Image

from nadv2_tf.tasks import images, sources

RED, GREEN, BLUE = (250, 10, 10), (10, 250, 10), (10, 10, 250)


def _write(path, colour, size=(12, 12)):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.new("RGB", size, colour).save(path)
  return path


@pytest.fixture
def folder(tmp_path):
  """A folder of two classes, PNG and JPEG."""
  root = tmp_path / "data"
  _write(root / "train" / "cat" / "1.png", RED)
  _write(root / "train" / "cat" / "2.jpg", RED)
  _write(root / "train" / "ant" / "1.JPEG", GREEN)
  _write(root / "test" / "cat" / "1.png", RED)
  _write(root / "test" / "ant" / "1.png", GREEN)
  return root


def _load(root):
  return sources.load(f"folder:{root}", 8)


def test_folder_names_its_classes(folder):
  (folder / "train" / "cat" / ".DS_Store").write_text("hidden files are no images")
  (folder / "train" / "notes.txt").write_text("only folders are classes")
  loaded = _load(folder)
  assert loaded.class_names == ("ant", "cat")
  assert loaded.train.labels.tolist() == [0, 1, 1]
  assert loaded.test.labels.tolist() == [0, 1]
  assert loaded.train.images.shape == (3, 8, 8, 3) and loaded.train.images.dtype == np.uint8
  expected = np.array([GREEN, RED, RED])[:, None, None]
  # JPEG rounds colours: it stores brightness and two colour differences as integers.
  np.testing.assert_allclose(loaded.train.images, np.broadcast_to(expected, (3, 8, 8, 3)), atol=4)
  np.testing.assert_array_equal(loaded.test.images[1], np.broadcast_to(RED, (8, 8, 3)))


@pytest.mark.parametrize("upright", [False, True])
def test_folder_crops_the_middle_of_non_square_images(folder, upright):
  # 10 columns of red, 10 of blue, 10 of green: the middle is blue.
  pixels = np.repeat(np.array([RED, BLUE, GREEN], np.uint8), 10, axis=0)[None].repeat(10, axis=0)
  picture = pixels.transpose(1, 0, 2) if upright else pixels
  Image.fromarray(picture).save(folder / "test" / "cat" / "1.png")
  cropped = _load(folder).test.images[1]
  # A pixel of the smaller picture looks 1.25 pixels far, so the outermost see the neighbours.
  np.testing.assert_array_equal(cropped[1:7, 1:7], np.broadcast_to(BLUE, (6, 6, 3)))
  assert (cropped.argmax(axis=-1) == 2).all()


def test_folder_reads_grey_and_palette_images_as_colours(folder):
  Image.new("L", (9, 9), 77).save(folder / "test" / "ant" / "1.png")
  Image.new("RGB", (9, 9), BLUE).convert("P", palette=Image.Palette.ADAPTIVE).save(
    folder / "test" / "cat" / "1.png"
  )
  grey, blue = _load(folder).test.images
  assert (grey == 77).all() and (blue == BLUE).all()


def test_folder_without_parts_is_named(tmp_path, folder):
  with pytest.raises(ValueError, match=f"{tmp_path / 'train'} is not a folder.*DIR/train and DIR"):
    _load(tmp_path)
  (folder / "test").rename(tmp_path / "elsewhere")
  with pytest.raises(ValueError, match=f"{folder / 'test'} is not a folder"):
    _load(folder)


def test_folder_without_classes_or_images_is_named(tmp_path):
  for part in ("train", "test"):
    (tmp_path / part).mkdir()
  with pytest.raises(ValueError, match=f"{tmp_path / 'train'} has 0 class folders; at least 2"):
    _load(tmp_path)
  (tmp_path / "train" / "cat").mkdir()
  with pytest.raises(ValueError, match=f"{tmp_path / 'train'} has 1 class folders; at least 2"):
    _load(tmp_path)
  (tmp_path / "train" / "ant").mkdir()
  with pytest.raises(ValueError, match=f"{tmp_path / 'train'} has no images"):
    _load(tmp_path)


def test_folder_with_a_class_only_in_test_is_refused(folder):
  path = _write(folder / "test" / "dog" / "1.png", BLUE)
  with pytest.raises(ValueError, match=f"{path.parent} is a class that .*its classes: ant, cat"):
    _load(folder)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", "half"])
def test_folder_names_the_image_that_cannot_be_read(folder, content):
  path = folder / "train" / "cat" / "2.jpg"
  path.write_bytes(path.read_bytes()[:-100] if content == "half" else content)
  with pytest.raises(ValueError, match=f"Cannot read the image {path}: ") as error:
    _load(folder)
  assert "\n" not in str(error.value)


def test_folder_refuses_images_of_16_bits(folder):
  path = folder / "test" / "cat" / "1.png"
  Image.fromarray(np.full((9, 9), 30_000, np.uint16)).save(path)
  with pytest.raises(ValueError, match=f"Cannot read the image {path}: .* mode I"):
    _load(folder)


def test_folder_refuses_huge_images_before_decoding(folder, monkeypatch):
  path = _write(folder / "test" / "ant" / "1.png", GREEN, (20, 10))
  monkeypatch.setattr(images, "LARGEST_PIXELS", 200)
  _load(folder)
  monkeypatch.setattr(images, "LARGEST_PIXELS", 199)
  with pytest.raises(ValueError, match=f"{path}: 20 x 10 pixels are more than 199"):
    _load(folder)


def test_folder_refuses_more_than_memory_holds(folder, monkeypatch):
  limit = 3 * 8 * 8 * 3  # three training images
  monkeypatch.setattr(images, "LARGEST_BYTES", limit)
  _load(folder)
  monkeypatch.setattr(images, "LARGEST_BYTES", limit - 1)
  with pytest.raises(ValueError, match=f"--data=folder:{folder}: 3 images of 8x8x3 need"):
    _load(folder)
