"""`npz:FILE`: what arrives from good archives, and one clear line for bad ones."""

import io
import pathlib
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nadv2_tf.tasks import images, sources
from nadv2_tf.tasks.sources import npz


def _arrays(**changes):
  rng = np.random.default_rng(0)
  arrays = {
    "x_train": rng.integers(0, 256, (6, 8, 8), np.uint8),
    "y_train": np.array([0, 1, 2, 0, 1, 2]),
    "x_test": rng.integers(0, 256, (3, 8, 8), np.uint8),
    "y_test": np.array([2, 1, 0]),
  } | changes
  return {name: array for name, array in arrays.items() if array is not None}


@pytest.fixture
def save(tmp_path):
  """Function (**changed arrays) -> path of an archive; None leaves an array out."""

  def save_archive(**changes):
    path = tmp_path / "data.npz"
    np.savez(path, **_arrays(**changes))
    return path

  return save_archive


@pytest.mark.parametrize(
  "changes",
  [
    {},
    {"x_train": _arrays()["x_train"][..., None], "x_test": _arrays()["x_test"][..., None]},
    {"y_train": np.array([[0], [1], [2], [0], [1], [2]], np.uint8)},
  ],
)
def test_npz_arrives_unchanged(save, changes):
  loaded = sources.load(f"npz:{save(**changes)}", 8)
  expected = _arrays()
  for part, examples in (("train", loaded.train), ("test", loaded.test)):
    np.testing.assert_array_equal(examples.images[..., 0], expected[f"x_{part}"])
    np.testing.assert_array_equal(examples.labels, expected[f"y_{part}"])
    assert examples.images.dtype == np.uint8 and examples.labels.dtype == np.int64
  assert loaded.class_names == ("0", "1", "2")


def test_npz_says_how_many_classes_there_are(save):
  for count, classes in ((5, 5), (2, 3)):
    loaded = sources.load(f"npz:{save(class_count=np.int64(count))}", 8)
    assert len(loaded.class_names) == classes
  for count in (np.array([5, 5]), np.float32(5), np.int64(-1), np.int64(10**9)):
    with pytest.raises(ValueError, match="data.npz: class_count must be"):
      sources.load(f"npz:{save(class_count=count)}", 8)


def test_npz_is_scaled(save):
  colours = {"x_train": np.full((6, 8, 10, 3), 7, np.uint8), "x_test": np.ones((3, 6, 6, 3), "u1")}
  loaded = sources.load(f"npz:{save(**colours)}", 4)
  assert loaded.train.images.shape == (6, 4, 4, 3) and (loaded.train.images == 7).all()
  assert loaded.test.images.shape == (3, 4, 4, 3) and (loaded.test.images == 1).all()


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"y_test": None}, "no array 'y_test'; needed: x_train, y_train, x_test, y_test"),
    ({"x_train": np.zeros((6, 8, 8), np.float32)}, r"x_train must be uint8 .* got float32"),
    ({"x_test": np.zeros((3, 64), np.uint8)}, r"x_test must be .* got uint8 \[3, 64\]"),
    ({"x_test": np.zeros((3, 8, 8, 4), np.uint8)}, r"x_test must be .* got uint8 \[3, 8, 8, 4\]"),
    ({"x_test": np.zeros((3, 8, 0), np.uint8)}, r"x_test must be .* got uint8 \[3, 8, 0, 1\]"),
    ({"x_test": np.uint8(3)}, r"x_test must be .* got uint8 \[\]"),
    ({"y_train": np.arange(5)}, r"y_train must be one integer for each of the 6 .* int64 \[5\]"),
    ({"y_test": np.eye(3, dtype=np.int64)}, r"y_test must be one integer .* int64 \[3, 3\]"),
    ({"y_test": np.zeros(3)}, r"y_test must be one integer .* float64 \[3\]"),
    ({"y_train": np.array([0, 1, 2, -1, 1, 2])}, "training image 3 has the label -1"),
    ({"y_test": np.array([0, 3, 1])}, r"test image 1 has the label 3, .* 3 classes .*\(0 to 2\)"),
    ({"y_train": np.zeros(6, int)}, "has 1 class .*at least 2 are needed"),
    ({"x_train": np.zeros((0, 9, 9), np.uint8), "y_train": np.zeros(0, int)}, "has 0 class"),
    ({"x_test": np.zeros((0, 9, 9), np.uint8), "y_test": np.zeros(0, int)}, "no test images"),
    ({"x_test": np.zeros((3, 8, 8, 3), np.uint8)}, r"training images of 1 channel.* images of 3;"),
  ],
)
def test_npz_error_names_the_array(save, changes, message):
  with pytest.raises(ValueError, match=message) as error:
    sources.load(f"npz:{save(**changes)}", 8)
  assert "data.npz" in str(error.value) and "\n" not in str(error.value)


def test_npz_of_too_many_classes_is_refused(save, monkeypatch):
  """Every class has a name: those of a label such as 10**12 would fill the memory."""
  assert npz.LARGEST_CLASSES == 65536  # a Head has no more
  path = save(y_train=np.array([0, 1, 2, 0, 1, 4]))
  monkeypatch.setattr(npz, "LARGEST_CLASSES", 5)
  assert len(sources.load(f"npz:{path}", 8).class_names) == 5
  monkeypatch.setattr(npz, "LARGEST_CLASSES", 4)
  with pytest.raises(ValueError, match=f"{path}: .* at most 4 classes .* has the label 4"):
    sources.load(f"npz:{path}", 8)


class _Bomb:
  """Creates a file when it is unpickled."""

  def __init__(self, path):
    self._path = path

  def __reduce__(self):
    return pathlib.Path.touch, (self._path,)


def test_npz_with_pickled_objects_is_refused(save, tmp_path):
  trace = tmp_path / "code_was_run"
  labels = np.array([_Bomb(trace)] * 6, dtype=object)
  with pytest.raises(ValueError, match=r"data\.npz.*allow_pickle"):
    sources.load(f"npz:{save(y_train=labels)}", 8)
  assert not trace.exists()


def test_npz_that_is_missing_or_no_archive_is_named(tmp_path):
  text = tmp_path / "text.npz"
  text.write_text("no archive")
  for path in (tmp_path / "nowhere.npz", text, tmp_path):
    with pytest.raises(ValueError, match=f"Cannot read the archive {path}"):
      sources.load(f"npz:{path}", 8)


def test_npz_too_large_when_unpacked_is_refused(save, monkeypatch):
  path = save()
  with zipfile.ZipFile(path) as archive:
    unpacked = sum(entry.file_size for entry in archive.infolist())
  monkeypatch.setattr(images, "LARGEST_BYTES", unpacked)
  sources.load(f"npz:{path}", 8)
  monkeypatch.setattr(images, "LARGEST_BYTES", unpacked - 1)
  with pytest.raises(ValueError, match=f"{path}: it unpacks to {unpacked} bytes, more than"):
    sources.load(f"npz:{path}", 8)


def test_npz_too_large_when_scaled_is_refused(save):
  # 6 images of 50,000 x 50,000 are 15e9 bytes, or 14.0 GiB.
  with pytest.raises(ValueError, match=r"6 images of 50000x50000x1 need 14\.0 GiB .*--image_size"):
    sources.load(f"npz:{save()}", 50_000)


def _bytes(compressed):
  content = io.BytesIO()
  (np.savez_compressed if compressed else np.savez)(content, **_arrays())
  return content.getvalue()


def _with_members(content):
  text = io.BytesIO()
  with zipfile.ZipFile(text, "w") as archive:
    for name in npz.ARRAYS:
      archive.writestr(f"{name}.npy", content)
  return text.getvalue()


ARCHIVES = (_bytes(compressed=True), _bytes(compressed=False))


@st.composite
def damaged_archives(draw):
  content = bytearray(draw(st.sampled_from(ARCHIVES)))
  for _ in range(draw(st.integers(1, 3))):
    content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
  return bytes(content)


@settings(
  max_examples=300,
  deadline=None,
  derandomize=True,
  database=None,
  suppress_health_check=[HealthCheck.function_scoped_fixture],  # the file is written anew
)
@given(st.binary(max_size=200) | st.binary(max_size=200).map(_with_members) | damaged_archives())
@example(_with_members(b"not an array"))
@example(_with_members(b"\x93NUMPY\x01\x00\x02\x00{(\n"))
@example(ARCHIVES[0][:-30])
def test_npz_of_any_bytes_is_read_or_refused(tmp_path, content):
  path = tmp_path / "any.npz"
  path.write_bytes(content)
  try:
    loaded = sources.load(f"npz:{path}", 8)
  except ValueError as error:
    assert str(path) in str(error)
  else:  # damage that the format does not notice, or none
    assert loaded.train.images.shape[1:] == (8, 8, 1)


def test_npz_with_damaged_data_is_refused(tmp_path):
  """Of 20 places in the compressed images, most end in an error of zlib."""
  path = tmp_path / "any.npz"
  refused = 0
  for place in range(100, 300, 10):
    content = bytearray(ARCHIVES[0])
    content[place] ^= 0xFF
    path.write_bytes(content)
    try:
      npz.read(path, lambda array: array)
    except ValueError:
      refused += 1
  assert refused == 20  # the archive has a checksum


def test_images_that_are_nearly_black_are_told(tmp_path):
  """Scaled to 0..1 for another program, and then made bytes."""
  x, y = np.full((4, 8, 8), 200, np.uint8), np.array([0, 1, 0, 1])
  np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x // 200, y_test=y)
  (note,) = sources.load(f"npz:{tmp_path / 'a.npz'}", 8).notes
  assert (
    note
    == f"{tmp_path / 'a.npz'}: x_test has no value above 1; images are read as bytes from 0 to 255"
  )
