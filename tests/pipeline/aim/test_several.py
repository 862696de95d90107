"""Several devices: a table for each, a limit for each but the first, a column for each."""

import dataclasses
import io
import types
from unittest import mock

import pytest

from nadv2_tf.benchmarks.timing.records import Repeat
from nadv2_tf.options.timing import device_names
from nadv2_tf.pipeline.aim import device as run_device
from nadv2_tf.pipeline.aim import several
from nadv2_tf.pipeline.aim.device import check_timing
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.report.figures import overview
from nadv2_tf.pipeline.report.tables import doubt_lines, text_table
from nadv2_tf.pipeline.stages import export as export_stage
from nadv2_tf.pipeline.stages.search import make_problem
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import Piece
from nadv2_tf.search import MultiLayerCoordinateDescent, minimize
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head


def write_table(folder, largest):
  """The table of the second device, of which the first layer is no matter."""
  rows = {Piece("pool", 2, 2, 4, 4, 0, 0, 0, ""): 0.1}
  facts = {"largest_ms": largest}
  folder.latency_table_of(1).write_text(LatencyTable(rows, facts).to_csv())


@pytest.fixture
def phones(plug_in, make_device, monkeypatch):
  """{name: a fake phone}; B takes three times what A does."""
  first = plug_in()
  milliseconds = first._milliseconds
  made = {
    "adb:A": first,
    "adb:B": make_device(lambda content: 3 * milliseconds(content)),
  }
  monkeypatch.setattr(run_device, "open_device", lambda name, *_: made[name])
  return made


def test_devices_are_named_with_commas():
  assert device_names("host") == ("host",)
  assert device_names("table:a,b.csv") == ("table:a,b.csv",)
  assert device_names("adb:A, adb:192.0.2.7:5555") == ("adb:A", "adb:192.0.2.7:5555")


@pytest.mark.parametrize("text", ["adb:A,adb:A", "adb:A,table:b.csv", "adb:A,predictor:b.json"])
def test_what_are_no_several_devices_is_refused(text):
  with pytest.raises(
    ValueError, match="must name each device once, and a table:FILE or predictor:FILE alone"
  ):
    device_names(text)


def test_every_device_is_checked_before_anything_is_measured(options):
  check_timing(options(device="host,adb:A"), has_device=True)
  with pytest.raises(ValueError, match="--device must be host, adb or adb:SERIAL, got 'phone'"):
    check_timing(options(device="host,phone"), has_device=True)


def test_several_targets_for_several_devices_are_refused(options):
  several.check_several(options(target="30,20"))
  with pytest.raises(ValueError, match="must be one target where --device names several"):
    several.check_several(options(target="30,20", device="adb:A,adb:B"))


@pytest.fixture(scope="module")
def space():
  """A convolution of 2 or 4 filters: 0.02 or 0.04 ms on A, 0.06 or 0.12 ms on B."""
  return space_of(NetworkSpec("tiny", (4, 4, 1), (Conv(4, 3, 2), Head(2))), 2)


@pytest.mark.parametrize(("target", "limit"), [("75%", 0.09), ("0.08", 0.08)])
def test_each_device_has_a_table_and_its_own_limit(space, folder, phones, options, target, limit):
  stream = io.StringIO()
  given = options(device="adb:A,adb:B", target=target)
  problem = make_problem(given, space, folder, Progress(stream))
  tables = [LatencyTable.from_csv(folder.latency_table_of(number)) for number in (0, 1)]
  assert sorted(path.name for path in folder.path.glob("latency_table*")) == [
    "latency_table.csv",
    "latency_table_2.csv",
  ]
  assert [float(table.facts["largest_ms"]) for table in tables] == pytest.approx([0.04, 0.12])
  # A share is one of its own largest network; milliseconds are the same everywhere.
  ((meter, found),) = problem.limits
  assert meter.rows == tables[1].rows and found == pytest.approx(limit)
  said = f"adb:B: the largest network takes 0.12 ms, the found one at most {limit:g} ms"
  assert said in stream.getvalue()


def test_the_doubts_about_all_tables_are_kept_and_told(space, folder, phones, options):
  settings = {"device": "adb:A,adb:B", "target": "75%"}
  make_problem(options(**settings), space, folder, Progress(io.StringIO()))

  def doubts(*errors, on_unsteady="mark"):
    """What a later command keeps, of tables with these errors, and what it prints."""
    given = options(**settings, on_unsteady=on_unsteady)
    for number, error in enumerate(errors):
      path = folder.latency_table_of(number)
      table = LatencyTable.from_csv(path)
      facts = table.facts | {"check_error_median": error, "check_networks": 10}
      path.write_text(LatencyTable(table.rows, facts).to_csv())
    stream = io.StringIO()
    make_problem(given, space, folder, Progress(stream))
    return folder.metrics().table_doubt, stream.getvalue()

  def sentence(name, error):
    return (
      f"{name}: The latency table is off by {error} (median of 10 whole networks): the device was "
      "too busy to tell."
    )

  first, second = sentence("adb:A", "52%"), sentence("adb:B", "30%")
  kept, said = doubts(0.52, 0.02)
  assert kept == first and f"{first} It is in {folder.latency_table}." in said
  assert text_table(overview(folder)).endswith(first)
  assert doubts(0.02, 0.3)[0] == second
  for _ in range(2):  # a command that goes on repeats nothing
    kept, said = doubts(0.52, 0.3)
    assert kept == f"{first} {second}" and first in said and second in said
  assert doubts(0.02, 0.02) == ("", mock.ANY)
  with pytest.raises(ValueError, match=r"latency_table_2.csv: The latency table is off by 30%"):
    doubts(0.02, 0.3, on_unsteady="fail")


def test_what_is_found_meets_the_target_on_all(space, folder, phones, options):
  # 0.08 ms limit nothing on A, where the largest takes 0.04; on B it takes 0.12.
  given = options(device="adb:A,adb:B", target="0.08")
  problem = make_problem(given, space, folder, Progress(io.StringIO()))
  accuracy = types.SimpleNamespace(accuracy=lambda specs: [spec.macs() * 1e-6 for spec in specs])
  found = minimize(problem, MultiLayerCoordinateDescent(4, 2, 0.2), accuracy).spec
  assert found.blocks == space.smallest().blocks
  alone = dataclasses.replace(problem, limits=())
  free = minimize(alone, MultiLayerCoordinateDescent(4, 2, 0.2), accuracy).spec
  assert free.blocks == space.largest().blocks


def test_all_are_timed_at_the_end_and_stand_in_the_table(folder, phones, options):
  phones["adb:A"]._milliseconds = len
  phones["adb:B"]._milliseconds = lambda content: 2 * len(content)
  write_table(folder, 5.0)
  for name, size in (("found", 3), ("full", 5)):
    folder.tflite(name).write_bytes(bytes(size))
  folder.update_metrics(networks={"found": {}, "full": {}})
  stream = io.StringIO()
  given = options(device="adb:A,adb:B", target="50%", delegate="none")
  networks = [(folder, "found"), (folder, "full")]
  export_stage.time_networks(networks, given, Progress(stream))
  found = folder.network_metrics("found")
  assert (found.latency_ms, found.devices["adb:B"].latency_ms) == (3, 6)
  # Half of the 10 ms that the full network takes beside it; it took 5 beside the table.
  assert found.devices["adb:B"].limit_ms == 5 and found.devices["adb:B"].timing["runs"]
  assert "adb:B: the found network takes 6 ms as measured, 20.0% above its limit" in (
    stream.getvalue()
  )
  assert folder.network_metrics("full").devices["adb:B"].latency_ms == 10
  text = text_table(overview(folder))
  header, *rows = text.splitlines()
  assert "latency" in header and "adb:B" in header
  assert "6.000 ms" in "".join(rows) and "10.000 ms" in "".join(rows)
  assert "adb:B: limit 5 ms, measured 6, 20.0% above it" in rows
  assert "busy" not in text + stream.getvalue()


@pytest.mark.parametrize(("target", "limit"), [("50%", 2.5), ("4", 4)])
def test_a_limit_is_of_the_table_where_the_full_network_is_not_timed(
  folder, phones, options, target, limit
):
  phones["adb:A"]._milliseconds = phones["adb:B"]._milliseconds = len
  folder.tflite("found").write_bytes(bytes(3))
  given = options(device="adb:A,adb:B", target=target, delegate="none")

  def limit_of_found():
    export_stage.time_networks([(folder, "found")], given, Progress(io.StringIO()))
    return folder.network_metrics("found").devices["adb:B"].limit_ms

  folder.update_metrics(networks={"found": {}})
  assert limit_of_found() is None  # another metric was searched for
  write_table(folder, 5.0)
  assert limit_of_found() == limit


def test_an_unsteady_timing_on_a_further_device_is_told(folder, phones, options):
  phones["adb:A"]._milliseconds = len
  phones["adb:B"].measure = lambda paths, settings: [
    [Repeat(value, value, 9, "median") for value in (1.0, 1.0, 1.5)] for _ in paths
  ]
  folder.tflite("found").write_bytes(bytes(3))
  folder.update_metrics(networks={"found": {}})
  stream = io.StringIO()
  given = options(device="adb:A,adb:B", target="50%", delegate="none")
  export_stage.time_networks([(folder, "found")], given, Progress(stream))
  told = "adb:B: the timing of found is unsteady: its repeats lie 50.0% apart"
  assert told in stream.getvalue()
  assert doubt_lines(overview(folder)) == [
    "adb:B was too busy to time the found network, whose latency is uncertain: its repeats lie "
    "50.0% apart, more than the 10.0% allowed."
  ]
