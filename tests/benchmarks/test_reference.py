"""The small network that rides along with every batch, and what is made of it."""

import dataclasses

import pytest
from benchmark_output import litert_block, printed
from result_messages import litert_json

from nadv2_tf.benchmarks.tables.networks import network_file
from nadv2_tf.benchmarks.timing import device, litert_benchmark, undisturbed
from nadv2_tf.benchmarks.timing.batch import DRIFT_WAIT, REFERENCE, Ride
from nadv2_tf.benchmarks.timing.device import Device
from nadv2_tf.benchmarks.timing.devices import open_device
from nadv2_tf.benchmarks.timing.errors import NothingMeasured, Unsteady
from nadv2_tf.benchmarks.timing.records import Identity, Repeat
from nadv2_tf.options import TimingSettings
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head

#: what benchmarks/timing/reference.tflite is: REFERENCE.write_bytes(network_file(NETWORK))
NETWORK = NetworkSpec(
  "reference",
  (96, 96, 3),
  (
    Conv(16, 3, 2, "relu6"),
    DepthwiseSeparable(16, 24, 3, 1, "relu6"),
    DepthwiseSeparable(24, 32, 3, 2, "relu6"),
    DepthwiseSeparable(32, 32, 3, 1, "relu6"),
    DepthwiseSeparable(32, 48, 3, 2, "relu6"),
    DepthwiseSeparable(48, 48, 3, 1, "relu6"),
    Head(10),
  ),
)


class Machine(Device):
  """Files take as many milliseconds as they have bytes, times the machine's own speed: `slowness`
  has a factor for each file that is timed, the last one stays."""

  identity = Identity("Example Machine", "x86_64", None, "runtime 1")
  statistic = "median"

  def __init__(self, *slowness):
    self._slowness = list(slowness)
    self.asked = []

  def measure(self, paths, settings):
    taken = [[] for _ in paths]
    for _ in range(settings.repeats):
      for path, repeats in zip(paths, taken, strict=True):
        factor = self._slowness[0]
        self._slowness = self._slowness[1:] or self._slowness
        self.asked.append(path.name)
        value = factor * (10.0 if path == REFERENCE else path.stat().st_size)
        repeats.append(Repeat(value, value, settings.runs, self.statistic))
    return taken


class Host(Machine):
  identity = Identity("host: Example", "x86_64", None, "runtime 1")
  statistic = undisturbed.STATISTIC


@pytest.fixture
def files(tmp_path):
  paths = [tmp_path / "a.tflite", tmp_path / "b.tflite"]
  for path, size in zip(paths, (100, 200), strict=True):
    path.write_bytes(bytes(size))
  return paths


@pytest.fixture
def waits(monkeypatch):
  """Seconds that were waited for, which pass at once."""
  waited = []
  monkeypatch.setattr(device.time, "sleep", waited.append)
  return waited


def test_the_reference_is_the_network_that_it_says():
  assert REFERENCE.read_bytes() == network_file(NETWORK)


def test_every_turn_begins_and_ends_with_the_reference(files, waits):
  machine = Machine(1.0)
  first, second = machine.time_files(files, TimingSettings(repeats=2))
  turn = ["reference.tflite", "a.tflite", "b.tflite", "reference.tflite"]
  assert machine.asked == turn * 2 and waits == []
  assert (first.latency_ms, second.latency_ms) == (100, 200)
  assert (first.reference_ms, first.drift, first.steady) == (10, 0, True)


def test_drift_is_that_between_turns_or_between_begins_and_ends():
  # Turns of 1.1, 1.1 and 1.1; begins at 1.0, ends at 1.2: 0.2 / 1.1.
  ride = Ride((1.0, 1.0, 1.0), (1.2, 1.2, 1.2), 1.1)
  assert ride.drift == pytest.approx(0.2 / 1.1)
  # Turns of 1.0, 1.0 and 2.0; begins and ends are at 1.0.
  assert Ride((1.0, 1.0, 2.0), (1.0, 1.0, 2.0), 1.0).drift == pytest.approx(1.0)
  # One reading of six by which a turn is 5 % off.
  assert Ride((1.0, 1.1, 1.0), (1.0, 1.0, 1.0), 1.0).drift == pytest.approx(0.05)


def test_a_machine_that_doubles_for_a_while_is_waited_for(files, waits):
  """The files agree with each other: the load began after the first reading and outlasts them."""
  machine = Machine(1.0, *[2.0] * 11, 1.0)
  first, second = machine.time_files(files, TimingSettings(repeats=3))
  assert (first.latency_ms, second.latency_ms) == (100, 200)
  assert first.steady and second.steady and waits == [DRIFT_WAIT]
  assert len(machine.asked) == 2 * 3 * 4
  assert "taken 2 times, because at first" in first.notes[0] and "drifted" in second.notes[0]


def test_a_drift_that_the_files_do_not_show_themselves_is_seen(files, waits):
  # One repeat has no spread; between begin and end of it the machine became a third slower.
  machine = Machine(1.0, 1.0, 1.0, 1.4, 1.4)
  (first, _) = machine.time_files(files, TimingSettings(repeats=1))
  assert first.latency_ms == pytest.approx(140) and first.reference_ms == pytest.approx(14)
  assert waits == [DRIFT_WAIT] and first.steady


def test_waiting_ends(files, waits):
  settings = TimingSettings(repeats=1, attempts=3)
  always = [1.0 + 0.2 * step for step in range(13)]
  first, second = Machine(*always).time_files(files, settings)
  assert waits == [DRIFT_WAIT, 2 * DRIFT_WAIT]
  # From 2.6 to 3.2 in the last attempt, the flattest: 0.6 / 2.9.
  assert not first.steady and first.drift == pytest.approx(0.6 / 2.9)
  assert first.doubt == (
    "the reference network beside it drifted by 20.7%, more than the 10.0% allowed"
  )
  with pytest.raises(Unsteady, match="reference network beside it drifted"):
    Machine(*always).time_files(files, TimingSettings(repeats=1, attempts=3, on_unsteady="fail"))


def test_a_machine_that_is_slower_than_it_was_is_waited_for(files, waits):
  """As steady as ever, for the whole batch: files and reference agree with themselves."""
  Host(1.0).time_files(files[:1])
  machine = Host(*[1.6] * 12, 1.0)
  first, second = machine.time_files(files, TimingSettings(repeats=3))
  assert (first.latency_ms, second.latency_ms) == (100, 200)
  assert first.steady and second.steady and waits == [DRIFT_WAIT]
  assert first.notes == (
    "taken 2 times, because at first the reference network beside it took 16 ms, and 10 ms at "
    "another time: all was slower by 60%",
  )


def test_files_in_no_doubt_are_taken_again_if_the_machine_was_slower_then(files, waits):
  # Only b is in doubt; beside its second attempt the reference is as quick as it never was before.
  machine = Host(*[1.6] * 6, 5.0, *[1.6] * 5, 1.0)
  first, second = machine.time_files(files, TimingSettings(repeats=3))
  turns = [machine.asked[:12], machine.asked[12:21], machine.asked[21:]]
  assert [turn.count("a.tflite") for turn in turns] == [3, 0, 3]
  assert [turn.count("b.tflite") for turn in turns] == [3, 3, 0]
  assert (first.latency_ms, second.latency_ms, first.steady) == (100, 200, True)


def test_a_machine_that_stays_slower_is_in_doubt(files, waits):
  Host(1.0).time_files(files[:1])
  slow = TimingSettings(repeats=3, attempts=2)
  (timing,) = Host(1.6).time_files(files[:1], slow)
  assert not timing.steady and timing.doubt.endswith("all was slower by 60%")
  with pytest.raises(Unsteady, match="all was slower by 60%"):
    Host(1.6).time_files(files[:1], dataclasses.replace(slow, on_unsteady="fail"))
  # What is brought to one speed, or was never timed so before, is in none.
  (scaled,) = Host(1.6).time_files(files[:1], slow, is_scaled=True)
  (other,) = Host(1.6).time_files(files[:1], dataclasses.replace(slow, num_threads=2))
  assert scaled.steady and scaled.reference_ms == 16 and other.steady
  # A phone is slower when it is warm, and says so itself.
  Machine(1.0).time_files(files[:1])
  assert Machine(1.6).time_files(files[:1], slow)[0].steady


def test_only_files_in_doubt_are_taken_again_and_with_the_reference(files, waits):
  # Only the second of three readings of b is far off; the machine is not.
  machine = Machine(*[1.0] * 6, 3.0, 1.0)
  machine.time_files(files, TimingSettings(repeats=3))
  assert machine.asked[12:] == ["reference.tflite", "b.tflite", "reference.tflite"] * 3
  assert waits == []


@pytest.fixture
def npu(tmp_path):
  """A stand-in here for LiteRT's benchmark_model, with an NPU that takes all of a file, and nothing
  of the reference; `calls` beside it has its arguments."""
  path, said = tmp_path / "benchmark_model", tmp_path / "said"
  said.write_text(printed(summary="") + litert_block())
  line = "Replacing 9 out of 9 node(s) with delegate ({}) node, yielding 1 partitions"
  path.write_text(
    f'#!/bin/sh\n# use_npu\necho "$@" >>"{tmp_path}/calls"\ncase $1 in\n'
    f"  */{REFERENCE.name}) echo '{line.format('TfLiteXNNPackDelegate')}' ;;\n"
    f"  *) echo '{line.format('DispatchDelegate')}' ;;\nesac\ncat '{said}'\n"
  )
  path.chmod(0o755)
  return path


@pytest.mark.parametrize("is_full", [False, True])
def test_a_reference_that_the_delegate_does_not_take_is_no_refusal(files, npu, is_full):
  settings = TimingSettings(delegate="npu", require_full_delegation=is_full, repeats=1)
  with open_device("host", npu) as host:
    (timing,) = host.time_files(files[:1], settings)
  assert (timing.nodes, timing.delegate_nodes, timing.notes) == (9, 9, ())
  assert timing.reference_ms == 0.312 and timing.drift == 0
  calls = (npu.parent / "calls").read_text().splitlines()
  assert ["full_delegation" in call for call in calls] == [False, is_full, False]


def test_who_times_the_same_network_is_told_all_of_it(npu):
  with (
    open_device("host", npu) as host,
    pytest.raises(NothingMeasured, match="with the delegate n"),
  ):
    host.time_files([REFERENCE], TimingSettings(delegate="npu", repeats=1))


def test_litert_benchmark_may_leave_the_reference_to_the_processor(tmp_path):
  gpu, result = TimingSettings(delegate="gpu"), tmp_path / "result.json"
  flags = [
    litert_benchmark.command("a", gpu, 50, result, is_reference=ref) for ref in (False, True)
  ]
  assert ["--require_full_delegation" in each for each in flags] == [True, False]
  assert all("--use_gpu" in each for each in flags)
  result.write_bytes(litert_json(accelerators=("GPU", "CPU"), min_ms=0.1, p5_ms=0.1, median_ms=0.1))
  with pytest.raises(NothingMeasured, match="accelerators is"):
    litert_benchmark.read_json(result, gpu, 50)
  repeat = litert_benchmark.read_json(result, gpu, 50, is_reference=True)
  assert (repeat.value_ms, repeat.notes) == (0.1, ())
