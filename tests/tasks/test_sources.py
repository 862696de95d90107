"""Data sources: what arrives from good ones, and one clear line for bad ones."""

import importlib.resources
import io
import pathlib
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from nadv2_tf.tasks import images, sources
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.sources import npz

# --- any source


@pytest.mark.parametrize("source", ["", "imagenet", "demo:x", "npz", "npz:", "folder:", "ftp:x"])
def test_unknown_form_lists_the_known_ones(source):
  with pytest.raises(ValueError, match="demo, tfds:NAME, folder:DIR or npz:FILE, got") as error:
    sources.load(source, 8)
  assert repr(source) in str(error.value)


# --- demo


@pytest.fixture(scope="module")
def demo_arrays():
  file = importlib.resources.files("nadv2_tf.data").joinpath("fashion_mnist_subset.npz")
  with importlib.resources.as_file(file) as path:
    assert path.stat().st_size <= 6e6
    with np.load(path) as archive:
      return dict(archive)


def test_demo_pads_its_images_to_32(demo_arrays):
  loaded = sources.load("demo", 32)
  assert len(loaded.class_names) == 10
  for part, examples, count in (("train", loaded.train, 10_000), ("test", loaded.test, 3_500)):
    assert examples.images.shape == (count, 32, 32, 1) and examples.images.dtype == np.uint8
    np.testing.assert_array_equal(
      examples.images[:, 2:30, 2:30, 0], demo_arrays[f"x_{part}"].reshape(count, 28, 28)
    )
    border = examples.images.copy()
    border[:, 2:30, 2:30] = 0
    assert not border.any()
    np.testing.assert_array_equal(examples.labels, demo_arrays[f"y_{part}"].ravel())
    # Drawn at random from equal classes: about a tenth each.
    assert np.abs(np.bincount(examples.labels, minlength=10) / count - 0.1).max() < 0.02


def test_demo_is_scaled_to_smaller_sizes(demo_arrays):
  loaded = sources.load("demo", 14)
  assert loaded.test.images.shape == (3_500, 14, 14, 1)
  # Each new pixel is a mean over old ones, so the picture keeps its mean but for its border.
  means = loaded.test.images.mean(axis=(1, 2, 3))
  whole = demo_arrays["x_test"].reshape(3_500, -1).mean(axis=1)
  assert np.abs(means - whole).max() < 5  # of 255


def test_classification_cuts_the_demo():
  data = Classification("demo", 32, holdout=1000, seed=0).datasets()
  assert [len(data.train), len(data.holdout), len(data.test)] == [9_000, 1_000, 3_500]


# --- resizing


def test_crop_takes_the_middle():
  wide = np.zeros((1, 2, 6, 1), np.uint8)
  wide[0, :, :, 0] = [[1, 2, 3, 4, 5, 6], [11, 12, 13, 14, 15, 16]]
  np.testing.assert_array_equal(images.resize(wide, 2)[0, :, :, 0], [[3, 4], [13, 14]])
  high = wide.transpose(0, 2, 1, 3)
  np.testing.assert_array_equal(images.resize(high, 2)[0, :, :, 0], [[3, 13], [4, 14]])


@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_keeps_flat_colours(channels):
  flat = np.full((2, 5, 9, channels), (10, 20, 30)[:channels], np.uint8)
  resized = images.resize(flat, 4)
  assert resized.shape == (2, 4, 4, channels)
  assert (resized == np.array((10, 20, 30)[:channels])).all()


def test_a_long_strip_needs_no_memory_for_what_is_cropped():
  # Scaled before it is cropped it would be 64 x 64,000,000 pixels, or 4 GB.
  strip = np.zeros((1, 1, 1_000_000, 1), np.uint8)
  assert images.resize(strip, 64).shape == (1, 64, 64, 1)


# --- npz


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


# --- folder


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


# --- tfds

PICTURES = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3), np.uint8)
LABELS = [0, 1, 2, 2, 1, 0, 1]
COUNTS = {"train": (0, 4), "test": (4, 7)}


@pytest.fixture
def tfds(tmp_path, monkeypatch):
  """TensorFlow Datasets with a folder of its own, and no network."""
  import tensorflow_datasets

  monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
  monkeypatch.setattr(tensorflow_datasets.core.utils.gcs_utils, "gcs_dataset_info_files", _no_files)
  monkeypatch.setattr(tensorflow_datasets.core.utils.gcs_utils, "is_dataset_on_gcs", _is_absent)
  return tensorflow_datasets


def _no_files(*unused):
  return []


def _is_absent(*unused):
  return False


def _builder_of(tfds, data_dir, features, splits):
  """A builder of numbered examples, with `features` of image and label by name."""

  class TinyPictures(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
      return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, unused_downloads):
      return {split: self._generate_examples(*COUNTS[part]) for split, part in splits.items()}

    def _generate_examples(self, start=0, stop=0):
      for index in range(start, stop):
        values = {"image": PICTURES[index], "label": LABELS[index], "number": index}
        yield index, {name: values[name] for name in features}

  return TinyPictures(data_dir=data_dir)


@pytest.fixture
def load_tiny(tfds, tmp_path, monkeypatch):
  """Function (features, splits) -> the `Source` of a tiny data set, through real TFDS files."""

  def load(features, splits=None):
    splits = splits or {"train": "train", "test": "test"}

    def builder(name):
      assert name == "tiny_pictures"
      return _builder_of(tfds, tmp_path / "tfds", features, splits)

    monkeypatch.setattr(tfds, "builder", builder)
    return sources.load("tfds:tiny_pictures", 8)

  return load


def _features(tfds):
  return {
    "image": tfds.features.Image(shape=(8, 8, 3), encoding_format="png"),
    "label": tfds.features.ClassLabel(names=["ant", "bee", "cat"]),
  }


def _in_order(examples):
  """Indices into PICTURES; TFDS shuffles when it writes."""
  return [
    next(index for index, picture in enumerate(PICTURES) if (picture == image).all())
    for image in examples.images
  ]


@pytest.mark.parametrize("test_split", ["test", "validation"])
def test_tfds_images_arrive_with_their_labels(tfds, load_tiny, test_split):
  loaded = load_tiny(_features(tfds), {"train": "train", test_split: "test"})
  assert loaded.class_names == ("ant", "bee", "cat")
  for part, examples in (("train", loaded.train), ("test", loaded.test)):
    indices = _in_order(examples)
    assert sorted(indices) == list(range(*COUNTS[part]))
    assert examples.labels.tolist() == [LABELS[index] for index in indices]
    assert examples.images.dtype == np.uint8 and examples.labels.dtype == np.int64


def test_tfds_error_names_the_missing_feature(tfds, load_tiny):
  features = {"image": _features(tfds)["image"], "number": np.int64}
  with pytest.raises(ValueError, match="tfds:tiny_pictures has the features image, number; .*'lab"):
    load_tiny(features)


def test_tfds_error_names_a_label_that_is_no_class(tfds, load_tiny):
  with pytest.raises(ValueError, match="'label' must be of the type ClassLabel"):
    load_tiny(_features(tfds) | {"label": np.int64})


def test_tfds_error_names_the_missing_split(tfds, load_tiny):
  with pytest.raises(ValueError, match="tfds:tiny_pictures has the splits train; 'train' and"):
    load_tiny(_features(tfds), {"train": "train"})


def test_tfds_refuses_more_than_memory_holds(tfds, load_tiny, monkeypatch):
  monkeypatch.setattr(images, "LARGEST_BYTES", 4 * 8 * 8 * 3 - 1)
  with pytest.raises(ValueError, match="--data=tfds:tiny_pictures: 4 images of 8x8x3 need"):
    load_tiny(_features(tfds))


def test_tfds_unknown_name_is_one_line(tfds):
  with pytest.raises(ValueError, match="--data=tfds:no_such_pictures: .*cannot be had") as error:
    sources.load("tfds:no_such_pictures", 8)
  assert "\n" not in str(error.value)
