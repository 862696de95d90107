"""Measuring a table: what it covers and says, and going on after a kill."""

import dataclasses
import itertools
import json
import math
import re

import pytest

from nadv2_tf.benchmarks.tables import measurement
from nadv2_tf.benchmarks.tables.measurement import TableMeasurement
from nadv2_tf.benchmarks.tables.plan import planned_pieces
from nadv2_tf.benchmarks.timing.devices import open_device
from nadv2_tf.benchmarks.timing.errors import DeviceLost
from nadv2_tf.benchmarks.timing.placement import Placement
from nadv2_tf.options import TimingSettings
from nadv2_tf.programs.latency_table import describe_placement
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.spec import NetworkSpec

SETTINGS = TimingSettings(num_threads=2, cpu_mask="3", delegate="none", attempts=1)


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
  monkeypatch.setattr(measurement, "CALIBRATION_NETWORKS", 4)
  seen, path = [], tmp_path / "table.csv"
  with open_device("host") as device:
    measuring = TableMeasurement(
      tiny_space, device, TimingSettings(attempts=1), path, report=lambda *told: seen.append(told)
    )
    table = measuring.measure(check_networks=3)
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
