"""The small network that rides along with every batch, and what is made of it."""

import pytest

from nadv2_tf.benchmarks.tables.networks import network_file
from nadv2_tf.benchmarks.timing import device
from nadv2_tf.benchmarks.timing.batch import DRIFT_WAIT, REFERENCE, Ride
from nadv2_tf.benchmarks.timing.device import Device, Identity, Repeat
from nadv2_tf.benchmarks.timing.errors import Unsteady
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
        repeats.append(Repeat(value, value, settings.runs, "median"))
    return taken


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
  ride = Ride((1.0, 1.0, 1.0), (1.2, 1.2, 1.2))
  assert ride.drift == pytest.approx(0.2 / 1.1) and ride.median_ms == pytest.approx(1.1)
  # Turns of 1.0, 1.0 and 2.0; begins and ends are at 1.0.
  assert Ride((1.0, 1.0, 2.0), (1.0, 1.0, 2.0)).drift == pytest.approx(1.0)
  # One reading of six by which a turn is 5 % off.
  assert Ride((1.0, 1.1, 1.0), (1.0, 1.0, 1.0)).drift == pytest.approx(0.05)


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


def test_only_files_in_doubt_are_taken_again_and_with_the_reference(files, waits):
  # Only the second of three readings of b is far off; the machine is not.
  machine = Machine(*[1.0] * 6, 3.0, 1.0)
  machine.time_files(files, TimingSettings(repeats=3))
  assert machine.asked[12:] == ["reference.tflite", "b.tflite", "reference.tflite"] * 3
  assert waits == []
