"""Options and devices that the tests of the pipeline share."""

import math
import re

import pytest

from nadv2_tf.pipeline import metering
from nadv2_tf.pipeline.folder import RunFolder
from nadv2_tf.pipeline.options import SearchOptions
from nadv2_tf.spec import NetworkSpec


@pytest.fixture
def folder(tmp_path):
  """A run's folder, just opened."""
  return RunFolder(tmp_path / "run").open()


def _search_options(metric="latency_ms", **changes):
  values = {
    "target": "50%",
    "device": "host",
    "benchmark_binary": None,
    "benchmark_url": None,
    "num_threads": 1,
    "cpu_mask": None,
    "delegate": "xnnpack",
    "limit": "",
    "confirm_every": 5,
    "tighten": 0,
    "search_optimizer": "mcd",
    "samples_per_iteration": 24,
    "layers_per_sample": 10,
    "initial_reduction": 0.2,
    "reduction_decay": 0.98,
    "samples": None,
    "generations": None,
  }
  return SearchOptions(metric=metric, **values | changes)


@pytest.fixture
def options():
  """Function (metric, **changes) -> `SearchOptions`, for a target of half the latency here."""
  return _search_options


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
  from nadv2_tf.benchmarks import latency_table, meter

  monkeypatch.setattr(latency_table, "piece_file", lambda piece: repr(piece).encode())
  for module in (latency_table, meter):
    monkeypatch.setattr(module, "network_file", lambda spec: spec.to_json().encode())

  def plug(most_files=math.inf, milliseconds=_milliseconds):
    device = make_device(milliseconds, most_files)
    device.opened = []
    monkeypatch.setattr(
      metering, "open_device", lambda *given: device.opened.append(given) or device
    )
    return device

  return plug
