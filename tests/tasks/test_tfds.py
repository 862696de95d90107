"""`tfds:NAME`: what arrives from a data set built by hand, and one clear line for bad ones."""

import numpy as np
import pytest

from nadv2_tf.tasks import images, sources

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
  with pytest.raises(ValueError, match="tfds:tiny_pictures has the splits test; 'train' is needed"):
    load_tiny(_features(tfds), {"test": "test"})


def test_tfds_refuses_more_than_memory_holds(tfds, load_tiny, monkeypatch):
  monkeypatch.setattr(images, "LARGEST_BYTES", 4 * 8 * 8 * 3 - 1)
  with pytest.raises(ValueError, match="--data=tfds:tiny_pictures: 4 images of 8x8x3 need"):
    load_tiny(_features(tfds))


def test_tfds_unknown_name_is_one_line(tfds):
  with pytest.raises(ValueError, match="--data=tfds:no_such_pictures: .*cannot be had") as error:
    sources.load("tfds:no_such_pictures", 8)
  assert "\n" not in str(error.value)
