"""litert-benchmark of ai-edge-litert as what times files here: its JSON, its refusals, a run of it.

How near its numbers are to those of the other runner no test says: that hangs on the machine.
"""

import json
import pathlib
import sys

import pytest
from result_messages import litert_json

from nadv2_tf.benchmarks.timing import litert_benchmark
from nadv2_tf.benchmarks.timing.devices import open_device
from nadv2_tf.benchmarks.timing.errors import (
  BinaryError,
  DeviceError,
  NothingMeasured,
  TimingError,
)
from nadv2_tf.benchmarks.timing.records import Repeat
from nadv2_tf.options import TimingSettings


@pytest.fixture
def written(tmp_path):
  def write(content):
    path = tmp_path / "result.json"
    path.write_bytes(content)
    return path

  return write


@pytest.fixture(scope="module")
def network(tmp_path_factory):
  """A file of about a millisecond: what takes less than 0.005 the tool rounds to nothing."""
  from nadv2_tf.benchmarks.tables.networks import network_file
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.blocks import Conv, Head

  path = tmp_path_factory.mktemp("files") / "network.tflite"
  spec = NetworkSpec("wide", (64, 64, 3), (Conv(64, 3), Conv(32, 3), Head(2)))
  path.write_bytes(network_file(spec))
  return path


def test_its_json_is_read(written):
  repeat = litert_benchmark.read_json(written(litert_json()), TimingSettings(), 50)
  assert (repeat.value_ms, repeat.p95_ms, repeat.runs) == (0.33, 0.45, 50)
  assert repeat.statistic == "median" and repeat.notes == ()
  assert (repeat.median_ms, repeat.smallest_ms, repeat.doubt) == (0.33, 0.3, "")
  # 0.005 of 0.33 ms is 1.5 %, of 0.12 ms 4.2 %.
  short = litert_json(min_ms=0.1, p5_ms=0.11, median_ms=0.12)
  repeat = litert_benchmark.read_json(written(short), TimingSettings(), 50)
  assert repeat.notes == ("litert-benchmark rounds to 0.01 ms, up to 4.2% of this latency",)


def test_a_small_file_whose_numbers_are_rounded_is_not_in_doubt_by_that(written):
  """0.01 and 0.02 ms may be 0.0149 and 0.0151; 0.3 and 0.45 are half again apart."""
  small = {"min_ms": 0.01, "p5_ms": 0.01, "median_ms": 0.02}
  assert not litert_benchmark.read_json(written(litert_json(**small)), TimingSettings(), 50).doubt
  slowed = written(litert_json(min_ms=0.2, p5_ms=0.2))
  doubt = "its median lies 57% above its smallest run"
  assert litert_benchmark.read_json(slowed, TimingSettings(), 50).doubt == doubt


def test_no_table_is_measured_by_a_clock_that_rounds_layers_away(tiny_space, tmp_path):
  from nadv2_tf.benchmarks.tables.measurement import TableMeasurement
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.aim.metric import metric_of

  says = "litert-benchmark of .* rounds to 0.01 ms, .* Leave --host_runner out"
  with pytest.raises(DeviceError, match=says):
    TableMeasurement(
      tiny_space, open_device("host", host_runner="litert"), TimingSettings(), tmp_path / "a.csv"
    )
  assert not list(tmp_path.iterdir())
  for metric in ("latency_ms", "macs"):  # of others only finished networks are timed
    options = SearchOptions(metric=metric, target="50%", host_runner="litert")
    if metric == "macs":
      metric_of(options).check()
    else:
      with pytest.raises(DeviceError, match=says):
        metric_of(options).check()


def test_a_json_file_that_is_cut_off_is_refused(written):
  content = litert_json()
  for end in range(len(content)):
    with pytest.raises(NothingMeasured, match="cannot be used"):
      litert_benchmark.read_json(written(content[:end]), TimingSettings(), 50)


@pytest.mark.parametrize(
  ("changes", "says"),
  [
    ({"runs": 49}, "num_runs is '49' and not 50"),
    ({"threads": 2}, "num_threads is '2' and not 1"),
    ({"accelerators": ("GPU", "CPU")}, "accelerators is"),
    ({"median_ms": 0.0}, "are"),
    ({"median_ms": 0.5}, "the numbers"),  # above p95
    ({"median_ms": None}, "its median_ms is 'None'"),
    ({"median_ms": True}, "its median_ms is 'True'"),
    ({"median_ms": "0.33"}, "its median_ms is '0.33'"),
    ({"max_ms": float("inf")}, "its max_ms is inf"),
    ({"min_ms": -0.1}, "its min_ms is -0.1"),
  ],
)
def test_what_is_no_answer_to_what_was_asked_is_refused(written, changes, says):
  with pytest.raises(NothingMeasured, match=says):
    litert_benchmark.read_json(written(litert_json(**changes)), TimingSettings(), 50)


@pytest.mark.parametrize("content", [b"[]", b'{"latency": 3}', b"\xff", b"[" * 9999])
def test_what_is_no_such_json_is_refused(written, content):
  with pytest.raises(NothingMeasured, match="cannot be used"):
    litert_benchmark.read_json(written(content), TimingSettings(), 50)


@pytest.mark.parametrize(
  ("status", "output", "kind", "says"),
  [
    (1, "No module named 'ai_edge_litert.tools'", BinaryError, "install a newer ai-edge-litert"),
    (1, "ERROR Model is not fully accelerated but ...", NothingMeasured, "does not run all"),
    (1, "RuntimeError: x", TimingError, "exit status 1"),
    (0, "", TimingError, "exit status 0"),  # and it wrote nothing
  ],
)
def test_a_tool_that_fails_is_told(tmp_path, status, output, kind, says):
  arguments = (tmp_path / "none.json", status, "the command", output, TimingSettings(), 50)
  with pytest.raises(TimingError, match=says) as raised:
    litert_benchmark.read(*arguments)
  assert type(raised.value) is kind and "command: the command" in str(raised.value)


def test_it_is_asked_for_as_many_runs_as_the_seconds_take():
  settings = TimingSettings(runs=20, seconds=0.5)
  assert litert_benchmark.next_runs(settings, None) == 20
  assert litert_benchmark.next_runs(settings, Repeat(0.2, None, 20, "median")) == 2500
  assert litert_benchmark.next_runs(settings, Repeat(50.0, None, 20, "median")) == 20


def test_the_installed_one_times_a_file(network):
  settings = TimingSettings(repeats=2, runs=30, warmup_runs=3, seconds=0.01, attempts=1)
  with open_device("host", host_runner="litert") as device:
    (timing,) = device.time_files([network], settings)
  assert timing.runtime.startswith("litert-benchmark of ai-edge-litert ")
  assert timing.statistic == "median" and timing.runs >= 30
  assert timing.repeats_ms and all(value > 0 for value in timing.repeats_ms)


def test_a_delegate_that_it_lacks_is_refused(network):
  device = open_device("host", host_runner="litert")
  with pytest.raises(DeviceError, match="host runner litert has no delegate 'none': choose cpu or"):
    device.measure([network], TimingSettings(delegate="none"))


def test_its_command_is_that_of_the_package():
  command = litert_benchmark.command("a.tflite", TimingSettings(delegate="gpu"), 7, "r.json")
  assert command[:3] == [sys.executable, "-m", litert_benchmark.MODULE]
  assert {"--num_runs=7", "--result_json=r.json", "--use_gpu"} <= set(command)
  assert json.loads(litert_json())["latency"]["num_runs"] == 50
  assert pathlib.Path(sys.executable).is_file()
