"""Streamed examples are those in memory; what cannot be read is one clear line."""

import itertools
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from nadv2_tf.tasks import images, sources, stream
from nadv2_tf.tasks.augmentation import AUGMENTATIONS, Augmentation
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import batch_indices, split_holdout
from nadv2_tf.tasks.records import CachedRecords, TFRecords

SIZE, BATCH, SEED = 8, 4, 3
CLASSES = ("ant", "bee")
COUNTS = {"train": 7, "val": 3}  # of each class: 14 to train on, so 2 of an epoch fill no batch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """JPEG files of several sizes in ImageNet's layout."""
  root = tmp_path_factory.mktemp("pictures")
  rng = np.random.default_rng(0)
  for part, name in itertools.product(COUNTS, CLASSES):
    (root / part / name).mkdir(parents=True)
    for number in range(COUNTS[part]):
      pixels = rng.integers(0, 256, (*rng.integers(9, 30, 2), 3), np.uint8)
      Image.fromarray(pixels).save(root / part / name / f"{number}.JPEG")
  return root


@pytest.fixture
def both(folder):
  """(in memory, streamed) training examples."""
  return [sources.load(f"folder:{folder}", SIZE, how).train for how in ("memory", "stream")]


def _batches(examples, augmentation, steps, start=0):
  batches = examples.training_batches(BATCH, augmentation, SEED, start)
  return [(np.asarray(x), np.asarray(y)) for x, y in itertools.islice(batches, steps)]


def _assert_same(batches, expected):
  assert len(batches) == len(expected)
  for one, other in zip(batches, expected, strict=True):
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


def test_streamed_batches_are_those_in_memory(both):
  """To the bit, over two epochs; shifts are drawn for the batch and so are the same as well."""
  memory, streamed = (_batches(examples, Augmentation("shift", 2), 6) for examples in both)
  _assert_same(streamed, memory)
  inputs, labels = streamed[0]
  assert inputs.shape == (BATCH, SIZE, SIZE, 3) and inputs.dtype == np.float32
  assert labels.dtype == np.int64
  assert len({batch[0].tobytes() for batch in streamed}) == 6


def test_slow_files_keep_their_places(both, monkeypatch):
  expected = _batches(both[1], Augmentation("shift"), 4)
  read = type(both[1].records).read

  def slow_read(self, index):
    time.sleep(0.02 * (index % 2))
    return read(self, index)

  monkeypatch.setattr(type(both[1].records), "read", slow_read)
  monkeypatch.setattr(stream, "threads", lambda: 8)
  _assert_same(_batches(both[1], Augmentation("shift"), 4), expected)


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_a_stream_that_starts_at_a_step_goes_on_as_the_whole(both, kind):
  whole = _batches(both[1], Augmentation(kind), 5)
  for start in (2, 4):  # an epoch has 3 steps
    _assert_same(_batches(both[1], Augmentation(kind), 5 - start, start), whole[start:])
  others = both[1].training_batches(BATCH, Augmentation(kind), SEED + 1)
  assert not np.array_equal(next(others)[0], whole[0][0])


def test_rows_that_are_not_wanted_are_not_read(both, monkeypatch):
  expected, labels = _batches(both[1], Augmentation("shift", 0), 1)[0]
  reads = []
  read = type(both[1].records).read
  monkeypatch.setattr(
    type(both[1].records), "read", lambda self, index: reads.append(index) or read(self, index)
  )
  batches = both[1].training_batches(BATCH, Augmentation("shift", 0), SEED, rows=slice(1, 3))
  inputs, some_labels = map(np.asarray, next(batches))
  batches.close()
  np.testing.assert_array_equal(inputs[1:3], expected[1:3])
  np.testing.assert_array_equal(some_labels[1:3], labels[1:3])
  assert (inputs[[0, 3]] == -1).all() and (expected != -1).any()
  firsts = [batch_indices(14, BATCH, SEED, step)[row] for step in range(20) for row in (1, 2)]
  assert 2 <= len(reads) <= 40 and set(reads) <= set(firsts)


def test_streamed_examples_are_decoded_as_in_memory(both):
  memory, streamed = both
  assert len(streamed) == len(memory) == 14 and streamed.image_shape == memory.image_shape
  np.testing.assert_array_equal(streamed.labels, memory.labels)
  np.testing.assert_array_equal(streamed.inputs(), memory.inputs())
  chosen = [5, 0, 13]
  np.testing.assert_array_equal(streamed.take(chosen).images, memory.take(chosen).images)
  for one, other in zip(split_holdout(streamed, 4, 0), split_holdout(memory, 4, 0), strict=True):
    np.testing.assert_array_equal(one.decoded().images, other.images)
    np.testing.assert_array_equal(one.labels, other.labels)
  assert streamed.digest() == streamed.take(slice(None)).digest()
  assert streamed.digest() != streamed.take(slice(1, None)).digest()


def test_holdout_is_in_memory_and_the_rest_is_streamed(folder):
  data = Classification(f"folder:{folder}", SIZE, 4, 0, how="stream").datasets()
  memory = Classification(f"folder:{folder}", SIZE, 4, 0).datasets()
  assert type(data.holdout) is type(memory.holdout)
  np.testing.assert_array_equal(data.holdout.images, memory.holdout.images)
  for part in ("train", "test"):
    assert type(getattr(data, part)) is not type(getattr(memory, part))
    np.testing.assert_array_equal(getattr(data, part).images, getattr(memory, part).images)


@pytest.mark.parametrize("part", ["train", "test"])
def test_auto_streams_what_memory_does_not_hold(folder, monkeypatch, part):
  source = f"folder:{folder}"
  limit = 14 * SIZE * SIZE * 3
  monkeypatch.setattr(images, "LARGEST_BYTES", limit)
  in_memory = sources.load(source, SIZE, "auto")
  assert hasattr(in_memory.train, "images") and not hasattr(in_memory.train, "records")
  cropped = sources.load(source, SIZE, "auto", whole_pictures=True)
  monkeypatch.setattr(images, "LARGEST_BYTES", limit - 1)
  for loaded in (cropped, sources.load(source, SIZE, "auto")):
    assert hasattr(getattr(loaded, part), "records")
  with pytest.raises(ValueError, match="14 images of 8x8x3 need .* --input=stream"):
    sources.load(source, SIZE, "memory")


@pytest.mark.parametrize(
  ("source", "how"), [("demo", "stream"), ("npz:x", "stream"), ("demo", "x")]
)
def test_what_cannot_be_streamed_is_named(source, how):
  with pytest.raises(
    ValueError, match=f"--input must be one of .* got '{how}' with --data={source}"
  ):
    sources.load(source, SIZE, how)


@pytest.mark.parametrize("content", [b"", b"no image", "half", None])
def test_a_picture_that_cannot_be_decoded_is_one_line(tmp_path, content):
  for part, name in itertools.product(("train", "test"), CLASSES):
    (tmp_path / part / name).mkdir(parents=True)
    for number in range(4):
      Image.new("RGB", (9, 9)).save(tmp_path / part / name / f"{number}.jpg")
  examples = sources.load(f"folder:{tmp_path}", SIZE, "stream").train
  path = tmp_path / "train" / "bee" / "2.jpg"
  if content is None:
    path.unlink()
  else:
    path.write_bytes(path.read_bytes()[:-60] if content == "half" else content)
  for read in (lambda: _batches(examples, Augmentation(), 2), examples.decoded):
    with pytest.raises(ValueError, match=f"^Cannot read the image {path}: ") as error:
      read()
    assert "\n" not in str(error.value) and "BytesIO" not in str(error.value)


def test_a_stream_that_is_left_open_does_not_keep_python_from_ending(folder):
  program = f"""
import time
from nadv2_tf.tasks import sources, stream
from nadv2_tf.tasks.augmentation import Augmentation
stream.threads = lambda: 8
examples = sources.load("folder:{folder}", 8, "stream").train
read = type(examples.records).read
type(examples.records).read = lambda self, index: time.sleep(0.02) or read(self, index)
batches = examples.training_batches(4, Augmentation(), 0)
next(batches)
print("left open")
"""
  done = subprocess.run(
    [sys.executable, "-c", program], capture_output=True, text=True, timeout=90, check=False
  )
  assert (done.returncode, done.stdout) == (0, "left open\n"), done.stderr


def test_cache_holds_what_fits(both):
  class Counting:
    source, reads = "x", 0
    name = label = look = knows_labels = None

    def read(self, index):
      self.reads += 1
      return bytes(10), index

  counting = Counting()
  cached = CachedRecords(counting, 25)
  for _ in range(3):
    assert [cached.read(np.int64(index))[1] for index in range(4)] == [0, 1, 2, 3]
  assert counting.reads == 2 + 3 * 2  # two of ten bytes are kept, the others read each time


# --- TFRecord files


@pytest.fixture
def tfds(tmp_path, monkeypatch):
  """A data set that TFDS itself wrote, of several files; PNG, which every decoder reads alike."""
  import tensorflow_datasets

  utils = tensorflow_datasets.core.utils.gcs_utils
  monkeypatch.setattr(utils, "gcs_dataset_info_files", lambda *unused: [])
  monkeypatch.setattr(utils, "is_dataset_on_gcs", lambda *unused: False)
  features = tensorflow_datasets.features
  rng = np.random.default_rng(1)

  class TinyPictures(tensorflow_datasets.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tensorflow_datasets.core.Version("1.0.0")

    def _info(self):
      kinds = {
        "image": features.Image(encoding_format="png"),
        "label": features.ClassLabel(names=["ant", "bee", "cat"]),
        "file_name": features.Text(),
      }
      return tensorflow_datasets.core.DatasetInfo(
        builder=self, features=features.FeaturesDict(kinds)
      )

    def _split_generators(self, unused_downloads):
      return {"train": self._generate_examples(21), "validation": self._generate_examples(5)}

    def _generate_examples(self, count):
      for index in range(count):
        pixels = rng.integers(0, 256, (*rng.integers(9, 20, 2), 3), np.uint8)
        yield index, {"image": pixels, "label": index % 3, "file_name": str(index)}

  builder = TinyPictures(data_dir=tmp_path)
  config = tensorflow_datasets.download.DownloadConfig(num_shards=3)
  builder.download_and_prepare(download_config=config)
  monkeypatch.setattr(tensorflow_datasets, "builder", lambda name: builder)
  return builder


def test_tfds_is_streamed_as_it_is_read(tfds):
  memory, streamed = (sources.load("tfds:tiny", SIZE, how) for how in ("memory", "stream"))
  assert len(tfds.info.splits["train"].filepaths) == 3
  assert streamed.class_names == memory.class_names
  for part in ("train", "test"):
    one, other = getattr(streamed, part), getattr(memory, part)
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.labels, other.labels)
  batches = [_batches(loaded.train, Augmentation(), 6) for loaded in (streamed, memory)]
  _assert_same(*batches)


def test_a_cut_tfrecord_file_is_named(tfds):
  path = tfds.info.splits["train"].filepaths[1]
  content = path.read_bytes()
  path.write_bytes(content[:-5])
  with pytest.raises(ValueError, match=f"TFRecord file {path}: the file ends within the record"):
    sources.load("tfds:tiny", SIZE, "stream")
  path.write_bytes(b"")
  with pytest.raises(ValueError, match="files of 'train' hold 14 examples, and TFDS counted 21"):
    sources.load("tfds:tiny", SIZE, "stream")


def test_a_damaged_record_is_named(tfds):
  path = tfds.info.splits["train"].filepaths[0]
  content = bytearray(path.read_bytes())
  at = content.index(b"IDAT")
  content[at + 8 : at + 40] = bytes(32)
  path.write_bytes(content)
  examples = sources.load("tfds:tiny", SIZE, "stream").train
  with pytest.raises(ValueError, match=f"^Cannot read the image in {path} at byte 0: "):
    _batches(examples, Augmentation(), 5)


def test_a_label_outside_the_classes_is_refused(tfds):
  records = TFRecords("x", tfds.info.splits["train"].filepaths, 2)
  with pytest.raises(ValueError, match="has the label 2, which is outside the 2 classes"):
    [records.read(index) for index in range(21)]
