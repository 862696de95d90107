"""Measuring a table: what it covers and says, and going on after a kill."""

import dataclasses
import itertools
import json
import math
import re

import pytest

from nadv2_tf.benchmarks.tables import measurement as latency_table
from nadv2_tf.benchmarks.tables.measurement import TableMeasurement
from nadv2_tf.benchmarks.tables.pieces import COPIES
from nadv2_tf.benchmarks.tables.plan import planned_pieces
from nadv2_tf.benchmarks.timing.batch import REFERENCE
from nadv2_tf.benchmarks.timing.device import Device
from nadv2_tf.benchmarks.timing.devices import open_device
from nadv2_tf.benchmarks.timing.errors import DeviceLost, TableError
from nadv2_tf.benchmarks.timing.placement import Placement
from nadv2_tf.benchmarks.timing.records import Identity, Repeat
from nadv2_tf.options import TimingSettings
from nadv2_tf.programs.latency_table import describe_placement
from nadv2_tf.resources.latency_table import LatencyTable, table_doubt
from nadv2_tf.resources.pieces import pieces
from nadv2_tf.spec import NetworkSpec

SETTINGS = TimingSettings(num_threads=2, cpu_mask="3", delegate="none", attempts=1)


@pytest.fixture
def cheap_files(monkeypatch):
  """Files whose bytes say what they would time."""
  monkeypatch.setattr(latency_table, "piece_file", lambda piece: repr(piece).encode())
  monkeypatch.setattr(latency_table, "network_file", lambda spec: spec.to_json().encode())


def milliseconds(content):
  """A network costs 1e-4 ms a MAC; a piece four copies of 1e-3 ms a channel, and the call."""
  if content.startswith(b"{"):
    return 1e-4 * NetworkSpec.from_json(content.decode()).macs() + 0.01
  if content == b"None":
    return 0.5
  channels = re.findall(r"(?:in_channels|kept)=(\d+)", content.decode())
  return 0.5 + 4e-3 * sum(map(int, channels))


def test_a_measured_table_covers_the_space_and_comes_back_from_its_file(
  tmp_path, tiny_space, monkeypatch
):
  """Real files, timed for real."""
  monkeypatch.setattr(latency_table, "CALIBRATION_NETWORKS", 4)
  seen, path = [], tmp_path / "table.csv"
  with open_device("host") as device:
    measurement = TableMeasurement(
      tiny_space, device, TimingSettings(attempts=1), path, report=lambda *told: seen.append(told)
    )
    table = measurement.measure(check_networks=3)
    identity = device.identity
  assert list(table.rows) == planned_pieces(tiny_space)
  assert seen[-1] == (len(table.rows) + 4 + 3,) * 2
  assert [done for done, _ in seen] == sorted(done for done, _ in seen)

  path.write_text(table.to_csv())
  again = LatencyTable.from_csv(path)
  for row in itertools.product(*(decision.choices for decision in tiny_space.decisions)):
    spec = tiny_space.decode(row)
    assert again.measure(spec) == pytest.approx(table.measure(spec), rel=1e-5)
    assert 0 <= table.measure(spec) < math.inf
  assert again.measure(tiny_space.largest()) > 0

  facts = again.facts
  assert facts["backbone"] == "tiny" and facts["input_shape"] == "8x8x1"
  assert (facts["device"], facts["runtime"]) == (identity.device, identity.runtime)
  assert (facts["num_threads"], facts["cpu_mask"], facts["delegate"]) == ("1", "-", "cpu")
  assert re.fullmatch(r"\d{4}-\d\d-\d\d", facts["date"]) and facts["rows"] == str(len(table.rows))
  assert float(facts["largest_ms"]) > 0
  assert facts["check_networks"] == "3"
  for name in ("error_median", "error_p90", "error_max", "spearman"):
    assert math.isfinite(float(facts[f"check_{name}"]))


def test_rows_are_a_quarter_of_the_file_without_the_call(tiny_space, make_device, cheap_files):
  device = make_device(milliseconds)
  table = TableMeasurement(tiny_space, device, SETTINGS).measure(check_networks=0)
  for piece, value in table.rows.items():
    assert value == pytest.approx(1e-3 * (piece.in_channels + piece.kept), rel=1e-9)
  assert not any(name.startswith("check_") for name in table.facts)
  assert table.facts["largest_ms"] == f"{1e-4 * tiny_space.largest().macs() + 0.01:.6g}"
  pieces, networks = device.settings[0], device.settings[-1]
  for settings in (pieces, networks):
    assert (settings.num_threads, settings.cpu_mask, settings.delegate) == (2, "3", "none")
  assert (pieces.repeats, networks.repeats) == (3, 5)


def test_a_row_is_never_negative(tiny_space, make_device, cheap_files):
  device = make_device(lambda content: 1.0 if content == b"None" else 0.9)
  wanted = planned_pieces(tiny_space)[:3]
  assert TableMeasurement(tiny_space, device, SETTINGS).pieces(wanted) == [0, 0, 0]


class Busy(Device):
  """A machine that is slow for some pieces, and becomes slower as a whole.

  Files cost as their layers do, so that a table predicts networks.

  Args:
    busy: function (files so far, content) -> whether others work during all repeats but the first.
    speed: function (calls so far) -> factor of all that is timed, the reference as well.
  """

  identity = Identity("Example Machine", "x86_64", None, "runtime 1")

  def __init__(self, busy=lambda count, content: False, speed=lambda call: 1.0):
    self._busy, self._speed = busy, speed
    self.calls, self.count, self.networks = 0, 0, 0

  def measure(self, paths, settings):
    taken = []
    for path in paths:
      content = path.read_bytes()
      value = self._milliseconds(path) * self._speed(self.calls)
      is_busy = content.startswith(b"Piece") and self._busy(self.count, content)
      self.count += path != REFERENCE
      self.networks += content.startswith(b"{")
      factors = (1.0, 30.0, 30.0) if is_busy else (1.0, 1.0, 1.0)
      taken.append([Repeat(value * factor, value, 9, "median") for factor in factors])
    self.calls += 1
    return taken

  def _milliseconds(self, path):
    content = path.read_bytes()
    if path == REFERENCE:
      return 0.1
    if content.startswith(b"{"):
      spec = NetworkSpec.from_json(content.decode())
      layers = itertools.chain.from_iterable(spec.layers())
      return sum(
        1e-3 * (1 + piece.kept + piece.in_channels) for layer in layers for piece in pieces(layer)
      )
    return 0.5 + _of_piece(content)


def _of_piece(content):
  channels = list(map(int, re.findall(r"(?:in_channels|kept)=(\d+)", content.decode())))
  return COPIES * 1e-3 * (1 + sum(channels)) if channels else 0.0


def table_of(space, device, **changes):
  settings = dataclasses.replace(SETTINGS, **{"attempts": 3, "on_unsteady": "fail"} | changes)
  return TableMeasurement(space, device, settings).measure(check_networks=8)


def test_a_machine_that_is_quiet_takes_one_attempt(tiny_space, cheap_files):
  table = table_of(tiny_space, Busy())
  assert float(table.facts["check_error_median"]) < 0.1 and "attempts" not in table.facts
  assert table.facts["reference_ms"] == "0.1"


def test_rows_that_were_disturbed_are_measured_again_and_no_others(tiny_space, cheap_files):
  quiet = Busy()
  expected = table_of(tiny_space, quiet)
  rows = len(expected.rows)
  # Six rows of the first batch, in all three attempts: then they are marked, and it is quiet.
  device = Busy(lambda count, _: 2 <= count < 8 or 25 <= count < 38)
  table = table_of(tiny_space, device)
  assert table.facts["attempts"] == 2 and table.rows == pytest.approx(expected.rows)
  assert float(table.facts["check_error_median"]) < 0.1
  # By the disturbed rows two networks may have one fastest form, which is timed once.
  assert 1.8 * quiet.networks <= device.networks <= 2 * quiet.networks
  assert device.count - quiet.count < quiet.networks + rows / 2 + 20


def test_a_table_that_stays_wrong_is_not_used(tiny_space, cheap_files, tmp_path):
  always = Busy(lambda _, content: b"depthwise" in content)
  settings = dataclasses.replace(SETTINGS, attempts=3, on_unsteady="fail")
  path = tmp_path / "table.csv"
  measurement = TableMeasurement(tiny_space, always, settings, path)
  with pytest.raises(TableError, match=r"off by \d+% .*best of 3 attempt.*--on_unsteady=mark"):
    measurement.measure(check_networks=8)
  assert list(tmp_path.iterdir()) == []  # the next command measures everything
  table = table_of(tiny_space, Busy(lambda _, content: b"depthwise" in content), on_unsteady="mark")
  assert table.facts["attempts"] == 3 and float(table.facts["check_error_median"]) > 0.1
  assert table_doubt(table.facts)


def test_a_table_is_held_together_by_the_reference(tiny_space, cheap_files):
  """The machine becomes slower by a third of its first speed with every batch."""
  expected = table_of(tiny_space, Busy())
  table = table_of(tiny_space, Busy(speed=lambda call: 1.0 + 0.3 * call))
  assert "attempts" not in table.facts
  for piece, value in expected.rows.items():
    assert table.rows[piece] == pytest.approx(value, rel=1e-6)
  largest = tiny_space.largest()
  assert table.measure(largest) == pytest.approx(expected.measure(largest), rel=1e-3)


class Restless(Busy):
  """A machine on which repeats of networks, but the first, take longer.

  Args:
    scatter: function (networks so far) -> factor of them.
  """

  def __init__(self, scatter):
    super().__init__()
    self._scatter = scatter

  def measure(self, paths, settings):
    before = self.networks
    taken = super().measure(paths, settings)
    if self.networks > before:
      for index, repeats in enumerate(taken[1:-1]):
        value = repeats[0].value_ms
        later = value * self._scatter(before + index)
        repeats[1:] = [Repeat(later, later, 9, "median")] * 2
    return taken


def test_networks_in_doubt_are_timed_again_when_all_had_their_turn(tiny_space, cheap_files):
  quiet = Busy()
  expected = table_of(tiny_space, quiet)
  # Three networks of the first batch take twice as long: all are timed three times.
  many = Restless(lambda count: 2.0 if count in (1, 3, 5) else 1.0)
  table = table_of(tiny_space, many)
  assert float(table.facts["check_error_max"]) < 1e-6
  for spec in (tiny_space.smallest(), tiny_space.largest()):
    assert table.measure(spec) == pytest.approx(expected.measure(spec), rel=1e-6)
  # One does: it alone is timed again, twice.
  one = Restless(lambda count: 2.0 if count == 3 else 1.0)
  assert table_of(tiny_space, one).measure(tiny_space.largest()) == pytest.approx(
    expected.measure(tiny_space.largest()), rel=1e-6
  )
  assert one.networks == quiet.networks + 2 < many.networks


def test_everything_again_is_as_fast_as_the_machine_is_by_then(tiny_space, cheap_files, tmp_path):
  """The first batch is slowed to double, the reference with it; some rows are wrong twice."""
  quiet = Busy()
  expected = table_of(tiny_space, quiet)
  path = tmp_path / "table.csv"

  def busy(_, content):  # until the networks were timed twice
    return b"depthwise" in content and device.networks < 1.5 * quiet.networks

  device = Busy(busy, lambda call: 1.0 if call else 2.0)
  settings = dataclasses.replace(SETTINGS, attempts=3, on_unsteady="fail")
  table = TableMeasurement(tiny_space, device, settings, path).measure(check_networks=8)
  assert table.facts["attempts"] == 3 and table.facts["reference_ms"] == "0.1"
  assert table.rows == pytest.approx(expected.rows)
  # The level is that of what is on disk, too.
  device = Busy()
  again = TableMeasurement(tiny_space, device, settings, path).measure(check_networks=8)
  assert device.count == 0 and again.rows == table.rows
  assert again.facts["reference_ms"] == "0.1"


def files_in(tmp_path):
  return sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("most_files", [0, 30, 51, 58])
def test_a_killed_measurement_goes_on(tmp_path, tiny_space, make_device, cheap_files, most_files):
  whole = make_device(milliseconds)
  expected = TableMeasurement(tiny_space, whole, SETTINGS).measure(check_networks=6)

  path = tmp_path / "table.csv"
  with pytest.raises(DeviceLost):
    device = make_device(milliseconds, most_files)
    TableMeasurement(tiny_space, device, SETTINGS, path).measure(check_networks=6)
  lines = (tmp_path / "table.csv.partial").read_text().splitlines()
  kept = {json.dumps(json.loads(line)[0]) for line in lines[1:]}
  # All batches that were done, in full: at most one of 24 pieces and a call is lost.
  assert most_files - 25 - 2 <= len(kept) <= most_files

  fresh = make_device(milliseconds)
  measurement = TableMeasurement(tiny_space, fresh, SETTINGS, path)
  table = measurement.measure(check_networks=6)
  assert table.rows == expected.rows and table.facts == expected.facts
  assert not kept & set(map(key_of, fresh.contents))
  calls = fresh.contents.count(b"None")
  assert len(fresh.contents) - calls == len(whole.contents) - whole.contents.count(b"None") - len(
    kept
  )
  assert files_in(tmp_path) == ["table.csv.partial"]
  measurement.finish()
  assert files_in(tmp_path) == []


def key_of(content):
  """The partial file's key of a cheap file."""
  if content.startswith(b"{"):
    return None
  values = re.findall(r"=([^,)]+)", content.decode())
  return json.dumps(["piece", *(json.loads(value.replace("'", '"')) for value in values)])


def test_a_finished_measurement_times_nothing_again(tmp_path, tiny_space, make_device, cheap_files):
  path = tmp_path / "table.csv"
  first = TableMeasurement(tiny_space, make_device(milliseconds), SETTINGS, path).measure(3)
  idle = make_device(milliseconds)
  told = []
  report = lambda *numbers: told.append(numbers)  # noqa: E731
  again = TableMeasurement(tiny_space, idle, SETTINGS, path, report=report).measure(3)
  assert idle.contents == [] and again.rows == first.rows and again.facts == first.facts
  assert told[-1][0] == told[-1][1]


def test_more_check_networks_time_only_those(tmp_path, tiny_space, make_device, cheap_files):
  path = tmp_path / "table.csv"
  TableMeasurement(tiny_space, make_device(milliseconds), SETTINGS, path).measure(0)
  more = make_device(milliseconds)
  TableMeasurement(tiny_space, more, SETTINGS, path).measure(4)
  assert 0 < len(more.contents) <= 4 and all(file.startswith(b"{") for file in more.contents)


@pytest.mark.parametrize(("taken", "words"), [(60, "executes only 60 of 62 nodes"), (62, "")])
def test_a_table_says_what_ran_where(tmp_path, tiny_space, make_device, cheap_files, taken, words):
  settings, path = dataclasses.replace(SETTINGS, delegate="gpu"), tmp_path / "table.csv"
  placement = Placement(62, {"LITERT_CL": taken}, 3)
  for _ in range(2):  # the second time from the partial file
    device = make_device(milliseconds, placement=placement)
    facts = TableMeasurement(tiny_space, device, settings, path).measure(0).facts
    assert (facts["nodes"], facts["delegate_nodes"], facts["partitions"]) == (62, taken, 3)
    assert words in describe_placement(facts) and bool(words) == bool(describe_placement(facts))


def test_a_device_that_does_not_tell_leaves_it_out(tiny_space, make_device, cheap_files):
  facts = TableMeasurement(tiny_space, make_device(milliseconds), SETTINGS).measure(0).facts
  assert "nodes" not in facts and describe_placement(facts) == ""
