"""Options and devices that the tests of the pipeline share."""

import io
import math
import re
import shutil

import numpy as np
import pytest
import short_backbone

from nadv2_tf.options import (
  FinetuneOptions,
  NetworkOptions,
  RunOptions,
  SearchOptions,
  TrainOptions,
)
from nadv2_tf.options.search import optimizer_options
from nadv2_tf.pipeline.aim import device as run_device
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.spec import NetworkSpec

TRAIN = TrainOptions(
  epochs=2,
  full_epochs=1,
  batch_size=32,
  learning_rate=3e-3,
  label_smoothing=0.1,
  ema=0.5,
  subnetworks_per_batch=4,
  own_kernels=True,
  execution="sliced",
  strategy="one",
  soft_targets=0.5,
  cut_subnetworks=1,
)
FINETUNE = FinetuneOptions(1, 2e-3, "full", finetune_distillation=0.5, finetune_holdout=True)


@pytest.fixture
def folder(tmp_path):
  """A run's folder, just opened."""
  return RunFolder(tmp_path / "run").open()


def _search_options(metric="latency_ms", **changes):
  values = {"tighten": 0, "initial_reduction": 0.2}
  values |= changes
  settings = {name: values.pop(name) for name in optimizer_options() if name in values}
  return SearchOptions(metric=metric, optimizer_settings=settings, **values)


@pytest.fixture
def options():
  """Function (metric, **changes) -> `SearchOptions`, for a target of half the latency here."""
  return _search_options


@pytest.fixture(scope="session")
def search_options():
  """The same, for fixtures that serve a whole file."""
  return _search_options


@pytest.fixture(scope="session")
def bands(tmp_path_factory):
  """Three classes told apart by which third of the image is bright."""
  rng = np.random.default_rng(0)
  arrays = {}
  for part, count in (("train", 320), ("test", 60)):
    labels = rng.integers(0, 3, count)
    images = rng.integers(0, 80, (count, 32, 32, 1))
    for image, label in zip(images, labels, strict=True):
      image[10 * label : 10 * label + 10] += 150
    arrays |= {f"x_{part}": images.astype(np.uint8), f"y_{part}": labels}
  path = tmp_path_factory.mktemp("data") / "bands.npz"
  np.savez(path, **arrays)
  return f"npz:{path}"


@pytest.fixture(autouse=True)
def short_mobilenet():
  """The space of the backbone that whole runs here are of, which is known while a test runs."""
  with short_backbone.registered():
    yield short_backbone.space()


@pytest.fixture(scope="session")
def run_small(bands):
  """Function (folder, metric, **changes) -> what a whole run on `bands` prints."""

  def run_in(folder, metric="macs", references=True, **changes):
    # Imports Keras, which the other tests of this folder can do without.
    from nadv2_tf.pipeline.run import run

    stream = io.StringIO()
    small = {"target": "60%", "samples_per_iteration": 4, "layers_per_sample": 8, "tighten": 2}
    # Tests run on machines as busy as they come, and the space is small.
    small |= {"initial_reduction": 0.15, "on_unsteady": "mark", "attempts": 1}
    search = _search_options(metric, **small | changes)
    with short_backbone.registered():
      network = NetworkOptions(short_backbone.NAME, 32, bands, 64, 0)
      options = RunOptions(network, TRAIN, search, FINETUNE, references=references)
      run(folder, options, Progress(stream))
    return stream.getvalue()

  return run_in


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory, run_small):
  """A finished run of one target, and what it printed."""
  folder = tmp_path_factory.mktemp("runs") / "run"
  return folder, run_small(folder)


@pytest.fixture(scope="session")
def trained(finished_run):
  """Function (folder) -> that folder, with the full and the super-network of `finished_run`."""

  def copy_to(path):
    finished = RunFolder(finished_run[0])
    folder = RunFolder(path)
    folder.path.mkdir()
    for path_of in (finished.super_weights, finished.keras("full"), finished.spec("full")):
      shutil.copy(path_of, folder.path)
    settings = {group: finished.settings()[group] for group in ("network", "train", "finetune")}
    folder.write_json(folder.settings_file, settings)
    full = {"full": finished.network_metrics("full")}
    folder.update_metrics(networks=full, seconds=finished.metrics().seconds)
    return path

  return copy_to


def _milliseconds(content):
  """0.01 ms for each filter of a network's first layer; 4e-3 ms a channel of a piece, and 0.5."""
  if content.startswith(b"{"):
    return 0.01 * NetworkSpec.from_json(content.decode()).blocks[0].filters
  channels = re.findall(rb"(?:in_channels|kept)=(\d+)", content)
  return 0.5 + 4e-3 * sum(map(int, channels))


@pytest.fixture
def plug_in(monkeypatch, make_device):
  """Function (most_files, milliseconds) -> a fake device, which is opened whatever is asked for.

  Files that are only timed are not built: their bytes say what they are.
  """
  from nadv2_tf.benchmarks.tables import measurement as latency_table
  from nadv2_tf.benchmarks.tables import meter

  monkeypatch.setattr(latency_table, "piece_file", lambda piece: repr(piece).encode())
  for module in (latency_table, meter):
    monkeypatch.setattr(module, "network_file", lambda spec: spec.to_json().encode())

  def plug(most_files=math.inf, milliseconds=_milliseconds):
    device = make_device(milliseconds, most_files)
    device.opened = []
    monkeypatch.setattr(
      run_device, "open_device", lambda *given: device.opened.append(given) or device
    )
    return device

  return plug
