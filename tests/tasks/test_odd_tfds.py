"""`tfds:NAME` as users have it: test parts without labels, chosen parts, the pixels of files."""

import io
import itertools

import numpy as np
import pytest
from odd_pictures import broken_inside, encoded, pixels, with_exif
from PIL import Image

from nadv2_tf.tasks import sources
from nadv2_tf.tasks.cut import Cut
from nadv2_tf.tasks.depth import map_format
from nadv2_tf.tasks.depth import sources as depth_sources
from nadv2_tf.tasks.sources import tfds as tfds_source

SIZE = 16
HOW = ("memory", "stream")
CLASSES = ("ant", "bee")


@pytest.fixture
def prepare(tmp_path, monkeypatch):
  """Function (splits, ...) -> nothing: `tfds:odd` is then {split: [(file's bytes, label)]}.

  Real files that TFDS wrote; an image's feature is made of `image`.
  """
  tfds = pytest.importorskip("tensorflow_datasets")
  utils = tfds.core.utils.gcs_utils
  monkeypatch.setattr(utils, "gcs_dataset_info_files", lambda *unused: [])
  monkeypatch.setattr(utils, "is_dataset_on_gcs", lambda *unused: False)

  def make(splits, file_format=None, names=CLASSES, **image):
    class Odd(tfds.core.GeneratorBasedBuilder, skip_registration=True):
      VERSION = tfds.core.Version("1.0.0")

      def _info(self):
        kinds = {
          "image": tfds.features.Image(**image),
          "label": tfds.features.ClassLabel(names=list(names)),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(kinds))

      def _split_generators(self, unused_downloads):
        return {name: self._generate_examples(name) for name in splits}

      def _generate_examples(self, split=""):
        for index, (content, label) in enumerate(splits[split]):
          picture = io.BytesIO(content) if isinstance(content, bytes) else content
          yield index, {"image": picture, "label": label}

    builder = Odd(data_dir=tmp_path / "tfds", file_format=file_format)
    builder.download_and_prepare()
    monkeypatch.setattr(tfds, "builder", lambda name: builder)

  return make


def _load(how="memory", **cut):
  return sources.load("tfds:odd", SIZE, how, cut=Cut(**cut))


def _part(labels, first=0):
  return [(encoded("PNG", pixels(20, 24, first + n)), label) for n, label in enumerate(labels)]


# --- the test part


@pytest.mark.parametrize("how", HOW)
def test_a_test_part_without_labels_is_told_and_validation_taken(prepare, how):
  prepare({"train": _part([0, 1] * 3), "validation": _part([1, 0], 50), "test": _part([-1] * 3)})
  loaded = _load(how)
  assert loaded.notes == (
    "--data=tfds:odd: test has no labelled examples; the test part is validation",
  )
  assert sorted(loaded.test.labels) == [0, 1]
  np.testing.assert_array_equal(loaded.test.images, _load(how, split="validation").test.images)
  with pytest.raises(
    ValueError, match="test has no labelled examples, and cannot be the test part. --test_sp"
  ):
    _load(how, split="test")


@pytest.mark.parametrize("how", HOW)
def test_test_split_chooses_any_split_but_train(prepare, how):
  prepare({"train": _part([0, 1] * 3), "test": _part([0, 1]), "extra": _part([1])})
  assert len(_load(how).test) == 2 and len(_load(how, split="extra").test) == 1
  with pytest.raises(ValueError, match="--test_split must be .* extra, test; got 'train'"):
    _load(how, split="train")


@pytest.mark.parametrize("splits", [{"test": [-1]}, {"test": [-1], "val": [-1, -1]}])
def test_without_a_test_part_that_has_labels_it_is_refused(prepare, splits):
  prepare({"train": _part([0, 1]), **{name: _part(labels) for name, labels in splits.items()}})
  with pytest.raises(
    ValueError, match=f"tfds:odd: {' and '.join(splits)} has no labelled examples"
  ):
    _load()


def test_a_single_split_is_cut_alike_in_memory_and_streamed(prepare):
  prepare({"train": _part([0, 1] * 10)})
  one, other = (_load(how) for how in HOW)
  assert (len(one.train), len(one.test)) == (16, 4) and one.notes == other.notes
  assert "has no test part: 4 of its 20 images" in one.notes[0]
  for part in ("train", "test"):
    np.testing.assert_array_equal(getattr(one, part).images, getattr(other, part).images)
    np.testing.assert_array_equal(getattr(one, part).labels, getattr(other, part).labels)
  assert len(_load("stream", share=0.5).test) == 10


def test_a_class_without_training_images_is_told(prepare):
  """Its name stands in the data set, whose user cannot leave it out."""
  prepare({"train": _part([0, 2]), "test": _part([0, 2])}, names=("ant", "bee", "cat"))
  told = "--data=tfds:odd: 1 of 3 classes have no training images: bee"
  assert _load().notes == (told,)


@pytest.mark.parametrize("how", HOW)
def test_a_label_among_others_that_is_none_is_named(prepare, how):
  prepare({"train": _part([0, 1]), "test": _part([0, 1, -1])})
  with pytest.raises(ValueError, match=r"The image in .* has the label -1, which is outside the 2"):
    _load(how).test.decoded()


# --- pixels


def _files():
  """{name: (file's bytes, class)}: kinds on which decoders differ, or that are to be turned."""
  grey = np.asarray(Image.fromarray(pixels(20, 24)).convert("L"))
  clear = np.dstack([pixels(20, 24), np.full((20, 24), 100, np.uint8)])
  return {
    "ant/a.jpg": (encoded("JPEG", pixels(31, 45, 1), quality=60), 0),
    "ant/b.jpg": (with_exif("JPEG", pixels(30, 40, 2), 6, malformed=True), 0),
    "ant/c.png": (encoded("PNG", pixels(20, 24, 3)), 0),
    "bee/a.png": (encoded("PNG", grey), 1),
    "bee/b.png": (encoded("PNG", clear), 1),
    "bee/c.jpg": (encoded("JPEG", pixels(50, 16, 4), quality=30, subsampling=2), 1),
  }


def _by_content(examples):
  return sorted((image.tobytes(), int(label)) for image, label in zip(
    examples.images, examples.labels, strict=True))  # fmt: skip


def test_memory_stream_folder_and_tfds_give_equal_pixels(prepare, tmp_path):
  files = _files()
  for part, (name, (content, _)) in itertools.product(("train", "test"), files.items()):
    path = tmp_path / "data" / part / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
  prepare({part: list(files.values()) for part in ("train", "test")})
  loaded = [
    sources.load(source, SIZE, how)
    for source in (f"folder:{tmp_path / 'data'}", "tfds:odd")
    for how in HOW
  ]
  for part in ("train", "test"):
    found = [_by_content(getattr(one, part)) for one in loaded]
    assert len(found[0]) == 6 and found == [found[0]] * 4


def test_archives_give_the_pixels_of_files(tmp_path):
  x = np.stack([pixels(20, 24, number) for number in range(4)])
  np.savez(tmp_path / "a.npz", x_train=x, y_train=[0, 1, 0, 1], x_test=x, y_test=[0, 1, 0, 1])
  for part, number in itertools.product(("train", "test"), range(4)):
    path = tmp_path / part / CLASSES[number % 2] / f"{number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded("PNG", x[number]))
  one, other = (
    sources.load(source, SIZE) for source in (f"npz:{tmp_path}/a.npz", f"folder:{tmp_path}")
  )
  assert _by_content(one.train) == _by_content(other.train)


def test_other_formats_than_tfrecord_give_the_same_in_memory(prepare, monkeypatch):
  prepare({part: list(_files().values()) for part in ("train", "test")})
  expected = _by_content(_load().train)
  # Of the other formats none is read without a package of its own; TFDS gives all alike.
  monkeypatch.setattr(tfds_source, "RECORDS", "another")
  assert _by_content(_load().train) == expected
  with pytest.raises(ValueError, match="is stored as tfrecord; only another can be streamed"):
    _load("stream")


@pytest.mark.parametrize("how", HOW)
def test_images_with_transparency_are_colours(prepare, how):
  clear = np.dstack([pixels(20, 24), np.full((20, 24), 100, np.uint8)])
  part = [(encoded("PNG", clear), 0), (encoded("PNG", clear), 1)]
  prepare({"train": part, "test": part}, shape=(None, None, 4))
  assert _load(how).train.images.shape == (2, SIZE, SIZE, 3)


def test_images_of_16_bits_are_refused(prepare):
  part = [(np.zeros((8, 8, 1), np.uint16), 0), (np.zeros((8, 8, 1), np.uint16), 1)]
  prepare({"train": part, "test": part}, shape=(8, 8, 1), dtype=np.uint16)
  with pytest.raises(ValueError, match="tfds:odd: 'image' must be of bytes, it is of .*uint16"):
    _load()


@pytest.mark.parametrize("how", HOW)
def test_a_broken_picture_is_named(prepare, how):
  prepare({"train": [*_part([0]), (broken_inside(pixels(20, 24)), 1)], "test": _part([0, 1])})
  with pytest.raises(ValueError, match=r"^Cannot read the image in .*tfrecord.* at byte \d+: "):
    _load(how).train.decoded()


def test_a_depth_pair_is_unturned_and_has_the_pixels_of_a_folder(tmp_path, monkeypatch):
  tfds = pytest.importorskip("tensorflow_datasets")
  depth = np.linspace(1, 5, 48 * 64, dtype=np.float32).reshape(48, 64)
  content = with_exif("JPEG", pixels(48, 64), 3)

  class Pairs(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
      kinds = {
        "image": tfds.features.Image(encoding_format="jpeg"),
        "depth": tfds.features.Tensor(shape=(48, 64), dtype=np.float32),
      }
      return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(kinds))

    def _split_generators(self, unused_downloads):
      return {name: self._generate_examples() for name in ("train", "val")}

    def _generate_examples(self):
      yield 0, {"image": io.BytesIO(content), "depth": depth}

  utils = tfds.core.utils.gcs_utils
  monkeypatch.setattr(utils, "gcs_dataset_info_files", lambda *unused: [])
  monkeypatch.setattr(utils, "is_dataset_on_gcs", lambda *unused: False)
  monkeypatch.setattr(tfds, "builder", lambda name: Pairs(data_dir=tmp_path / "tfds"))
  for name in "ab":
    for half, suffix in (("rgb", "jpg"), ("depth", "png")):
      (tmp_path / "pairs" / half).mkdir(parents=True, exist_ok=True)
      path = tmp_path / "pairs" / half / f"{name}.{suffix}"
      if half == "rgb":
        path.write_bytes(content)
      else:
        Image.fromarray(np.rint(depth * 1000).astype(np.uint16)).save(path)
  one, other = (
    depth_sources.load(source, SIZE, map_format.MapFormat())
    for source in ("tfds:pairs", f"folder:{tmp_path / 'pairs'}")
  )
  np.testing.assert_array_equal(one.train.images, other.train.images)
  # The folder's maps are rounded to millimetres.
  np.testing.assert_allclose(one.test.labels, other.test.labels, atol=0.0006)
