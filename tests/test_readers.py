"""Whatever bytes a file has: every reader gives a value or one clear error, and runs no code.

Each reader is fed damaged forms of a file that it reads: bytes changed, cut off, numbers and words
exchanged, parts of archives changed under a right checksum.
"""

import io
import json
import pickle
import re
import signal
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nadv2_tf.benchmarks import benchmark_model
from nadv2_tf.benchmarks.errors import TimingError
from nadv2_tf.benchmarks.partial_table import PartialTable
from PIL import Image

from nadv2_tf import backbones
from nadv2_tf.pipeline.folder import RunFolder
from nadv2_tf.pipeline.options import FinetuneOptions
from nadv2_tf.programs.count import load_network
from nadv2_tf.resources import MacsMeter
from nadv2_tf.resources.block_table import BlockTable
from nadv2_tf.resources.latency_table import COLUMNS, LatencyTable
from nadv2_tf.search import MultiLayerCoordinateDescent, Problem, journal, minimize
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head
from nadv2_tf.tasks import images
from nadv2_tf.tasks.sources import npz, registry

#: seconds for all examples of one reader; far more than they take
LONGEST = 300
OUTPUT = """Running benchmark for at least 1 iterations and at least 0.1 seconds but terminate if
count=5 first=900 curr=700 min=690 max=900 avg=750 std=80
Running benchmark for at least 50 iterations and at least 0.2 seconds but terminate if
count=50 first=700 curr=710 min=690 max=720 avg=705 std=5
Inference timings in us: Init: 100, First inference: 900, Warmup (avg): 750, Inference (avg): 705
"""
HEADER = {"space": "toy", "threads": 1}


def _png(kind="PNG"):
  content = io.BytesIO()
  Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(content, kind)
  return content.getvalue()


def _npz():
  content = io.BytesIO()
  x = np.zeros((4, 8, 8), np.uint8)
  np.savez(content, x_train=x, y_train=np.arange(4), x_test=x, y_test=np.arange(4))
  return content.getvalue()


def _checkpoint(folder):
  from nadv2_tf.training import checkpoint_file

  path = folder / "sample.npz"
  arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(7)}
  checkpoint_file.write(path, checkpoint_file.Checkpoint(3, arrays, {"steps": 5}), {"seed": 1})
  return path.read_bytes()


def _network():
  import keras

  return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu", name="one")])


def _saved(folder, name):
  path = folder / name
  model = _network()
  (model.save if name.endswith(".keras") else model.save_weights)(path)
  return path.read_bytes()


def _described(folder):
  """A TFLite file with metadata and labels."""
  from nadv2_tf.export import metadata, to_tflite

  content = to_tflite(_network(), folder / "sample.tflite").read_bytes()
  return metadata.described(content, metadata.Description("tiny", labels=("ant", "bee", "cow")))


def _read_metadata(path):
  from nadv2_tf.export import metadata

  return metadata.read(path.read_bytes()), metadata.read_labels(path.read_bytes())


def _read_checkpoint(path):
  from nadv2_tf.training import checkpoint_file

  return checkpoint_file.read(path)


def _read_keras(path):
  from nadv2_tf.training.network_files import load_keras

  return load_keras(path)


def _read_weights(path):
  from nadv2_tf.training.network_files import load_weights

  load_weights(_network(), path)


def _read_run(path):
  folder = RunFolder(path.parent)
  folder.check(finetune=FinetuneOptions(1.0, 0.1))
  return folder.options("finetune", FinetuneOptions)


class _Scores:
  """An evaluator that needs no training."""

  def accuracy(self, specs):
    return [1 / (1 + spec.macs()) for spec in specs]


def _search(path):
  """A search that goes on from a journal."""
  blocks = (Conv(8, 3, 2), DepthwiseSeparable(8, 8, 5), Head(4, 8))
  space = space_of(NetworkSpec("toy", (8, 8, 1), blocks), 4)
  target = MacsMeter().measure(space.largest()) / 2
  problem = Problem(space, space.largest(), MacsMeter(), target)
  return minimize(problem, MultiLayerCoordinateDescent(2, 2, 0.2), _Scores(), path)


def _journal(folder):
  _search(folder / "sample.jsonl")
  return (folder / "sample.jsonl").read_bytes()


def _read_folder(path):
  """As the first image of a data set."""
  return registry.load(f"folder:{path.parent}", 8)


def _folder_of(path):
  for part in ("train", "test"):
    for name in ("ant", "bee"):
      place = path.parent / part / name
      place.mkdir(parents=True, exist_ok=True)
      (place / "1.png").write_bytes(_png())
  (path.parent / "train" / "ant" / "2.png").write_bytes(path.read_bytes())
  return _read_folder(path)


def _read_output(path):
  content = path.read_bytes()
  return benchmark_model.read(content, b"", 0, ["benchmark_model"], "xnnpack")


LINE = '{"type":"sample","iteration":1,"widths":[1,2],"accuracy":0.5,"resource":10.0}\n'
TABLE = f"# scale: 1.5\n{','.join(COLUMNS)}\npool,2,2,4,4,0,0,0,,0.1\n"
#: name of the file -> (bytes that can be read, or a function of a folder; reader; examples)
READERS = {
  "spec.json": (
    lambda _: backbones.network("mobilenet_v1").to_json().encode(),
    lambda path: load_network(str(path)),
    100,
  ),
  "table.csv": (lambda _: TABLE.encode(), LatencyTable.from_csv, 150),
  "blocks.json": (
    lambda _: json.dumps({"0": {"0": 1.0, "3": 2.0}, "1": {"1": 2.5}}).encode(),
    BlockTable.from_json,
    150,
  ),
  "search.jsonl": (lambda _: LINE.encode() * 3, journal.read, 150),
  "resumed.jsonl": (_journal, _search, 60),
  "partial.jsonl": (
    lambda _: json.dumps(HEADER).encode() + b'\n[["a"],1.0]\n',
    lambda path: PartialTable(path, HEADER),
    150,
  ),
  "run.json": (
    lambda _: (
      b'{"finetune": {"finetune_epochs": 1.0, "finetune_learning_rate": 0.1, '
      b'"transfer": "direct", "transfer_epochs": 2.0, '
      b'"finetune_augmentation": null, "finetune_stochastic_depth": null, '
      b'"finetune_distillation": 0, "finetune_holdout": false, "finetune_batch_size": null}}'
    ),
    _read_run,
    150,
  ),
  "metrics.json": (
    lambda _: b'{"networks": {"found": {"macs": 1}}, "seconds": {}}',
    lambda path: RunFolder(path.parent).network_metrics("found"),
    100,
  ),
  "data.npz": (lambda _: _npz(), lambda path: npz.read(path, lambda array: array), 100),
  "image.png": (lambda _: _png(), lambda path: images.read_image(path, 8), 100),
  "image.jpg": (lambda _: _png("JPEG"), lambda path: images.read_image(path, 8), 100),
  "image.gif": (lambda _: _png("GIF"), lambda path: images.read_image(path, 8), 60),
  "photo": (lambda _: _png(), _folder_of, 20),
  "output.txt": (lambda _: OUTPUT.encode(), _read_output, 150),
  "step.npz": (_checkpoint, _read_checkpoint, 150),
  "network.keras": (lambda folder: _saved(folder, "sample.keras"), _read_keras, 40),
  "network.tflite": (_described, _read_metadata, 300),
  "a.weights.h5": (lambda folder: _saved(folder, "sample.weights.h5"), _read_weights, 40),
}
WORDS = [
  b"-1", b"0", b"1e999", b"NaN", b"9" * 30, b"1.5", b"null", b"true", b"[]", b"{}", b'""', b'"x"',
  b"\n", b"[" * 2000, b",", b"\xff", b"\0", b"inf",
]  # fmt: skip
WORD = re.compile(rb'"[^"]*"|[\w.+-]+|\W')


@st.composite
def damaged(draw, content):
  """A damaged form of `content`."""
  way = draw(st.sampled_from(["bytes", "words", "cut", "other"]))
  if way == "other":
    return draw(st.binary(max_size=100))
  if way == "cut":
    return content[: draw(st.integers(0, len(content)))]
  if way == "words" and zipfile.is_zipfile(io.BytesIO(content)):
    return _with_damaged_part(draw, content)
  if way == "words":
    words = WORD.findall(content) or [b""]
    for _ in range(draw(st.integers(1, 3))):
      words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(WORDS))
    return b"".join(words)
  changed = bytearray(content)
  for _ in range(draw(st.integers(1, 4)) if changed else 0):
    changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
  return bytes(changed)


def _with_damaged_part(draw, content):
  """An archive with one part changed, and the checksum that fits it."""
  changed = io.BytesIO()
  with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(changed, "w") as new:
    chosen = draw(st.sampled_from(old.namelist()))
    for name in old.namelist():
      part = old.read(name)
      new.writestr(name, draw(damaged(part)) if name == chosen else part)
  return changed.getvalue()


@pytest.fixture
def no_hang():
  def too_long(*unused):
    raise AssertionError(f"a reader took more than {LONGEST} seconds")

  before = signal.signal(signal.SIGALRM, too_long)
  signal.alarm(LONGEST)
  yield
  signal.alarm(0)
  signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", sorted(READERS))
def test_any_bytes_give_a_value_or_a_clear_error(tmp_path, no_hang, name):
  make, read, examples = READERS[name]
  sample, path = make(tmp_path), tmp_path / "here" / name
  path.parent.mkdir()
  path.write_bytes(sample)
  read(path)  # undamaged, it is read

  @settings(
    max_examples=examples,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
  )
  @given(damaged(sample))
  def check(content):
    path.write_bytes(content)
    try:
      read(path)
    except (ValueError, OSError, TimingError) as error:
      assert str(error).strip()

  check()


# --- what would run code, or fill the memory


class _Bomb:
  """Pickled, it would make a file where it is read."""

  def __init__(self, path):
    self._path = path

  def __reduce__(self):
    return open, (str(self._path), "w")


def test_pickled_arrays_are_refused(tmp_path):
  mark, path = tmp_path / "mark", tmp_path / "data.npz"
  np.savez(path, x_train=np.array([_Bomb(mark)], object), **dict.fromkeys(npz.ARRAYS[1:], 1))
  with pytest.raises(ValueError, match="Cannot read the archive .*allow_pickle=False"):
    npz.read(path, lambda array: array)
  readers = {"c.npz": _read_checkpoint, "n.keras": _read_keras, "w.weights.h5": _read_weights}
  for name, read in readers.items():
    (tmp_path / name).write_bytes(pickle.dumps(_Bomb(mark)))
    with pytest.raises(ValueError, match=name):
      read(tmp_path / name)
  assert not mark.exists()
  with pytest.raises(Exception, match=".*"):
    pickle.loads(pickle.dumps(_Bomb(mark / "below")))  # the bomb itself does go off


def test_a_keras_file_with_code_in_it_is_refused(tmp_path):
  import keras

  path = tmp_path / "code.keras"
  function = keras.layers.Lambda(lambda x: x * 2, output_shape=(4,))
  keras.Sequential([keras.Input((4,)), function]).save(path)
  with pytest.raises(ValueError, match=r"code\.keras cannot be read as a Keras model: .*Lambda"):
    _read_keras(path)


def test_a_keras_file_of_a_huge_network_is_refused(tmp_path):
  path = tmp_path / "huge.keras"
  content = _saved(tmp_path, "sample.keras")
  with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(path, "w") as new:
    for name in old.namelist():
      part = old.read(name)
      new.writestr(name, part.replace(b'"units": 3', b'"units": 300000000000'))
  with pytest.raises(ValueError, match="config.json has the number 300000000000"):
    _read_keras(path)


def test_an_archive_that_unpacks_to_more_than_the_memory_is_refused(tmp_path):
  path = tmp_path / "bomb.npz"
  with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("x_train.npy", b"\0" * 1000)
  content = bytearray(path.read_bytes())
  place = content.rindex(b"x_train.npy") - 46 + 24  # the size in the central directory
  content[place : place + 4] = (0xFFFFFFF0).to_bytes(4, "little")
  content *= 1
  path.write_bytes(content)
  with pytest.raises(ValueError, match=r"Cannot read the archive .*bomb\.npz"):
    npz.read(path, lambda array: array)


def test_an_image_of_too_many_pixels_is_refused_unread(tmp_path):
  path = tmp_path / "bomb.png"
  content = bytearray(_png())
  content[16:24] = (100_000).to_bytes(4, "big") * 2
  content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
  path.write_bytes(content)
  with pytest.raises(ValueError, match=r"bomb\.png: .*(pixels|decompression bomb)"):
    images.read_image(path, 8)


def test_an_image_that_is_a_program_is_refused(tmp_path):
  path = tmp_path / "page.png"
  path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
  with pytest.raises(ValueError, match=r"page\.png: cannot identify image file"):
    images.read_image(path, 8)


@pytest.mark.parametrize("name", ["spec.json", "table.csv", "blocks.json"])
def test_a_file_without_an_end_is_refused(tmp_path, name):
  path = tmp_path / name
  path.symlink_to("/dev/zero")
  with pytest.raises(ValueError, match="is no ordinary file"):
    READERS[name][1](path)
