"""The stages that ask a device: range and table before a search, timings after it."""

import io
import json

import pytest
from filter_meter import WIDE, Filters

from nadv2_tf.benchmarks.tables.plan import planned_pieces
from nadv2_tf.benchmarks.timing.errors import DeviceLost
from nadv2_tf.pipeline.aim import device as run_device
from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.pipeline.aim.on_device import CHECK_NETWORKS, device_table
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.run_folder.records import SearchedMetric
from nadv2_tf.pipeline.stages import export as export_stage
from nadv2_tf.pipeline.stages.search import make_problem
from nadv2_tf.search import Problem, UnreachableTarget
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head


@pytest.fixture(scope="module")
def space():
  """A 4x4 image -> 3x3 convolution of stride 2 with 2 or 4 filters -> global pool -> 2 classes."""
  return space_of(NetworkSpec("tiny", (4, 4, 1), (Conv(4, 3, 2), Head(2))), 2)


def test_a_devices_range_is_measured_once(space, folder, plug_in, options):
  device = plug_in()
  for _ in range(2):
    values = metric_of(options()).costs(space, folder)
    assert values == {"smallest": 0.02, "middle": 0.04, "largest": 0.04}
  assert len(device.contents) == 3
  assert device.opened[0] == ("host", None, None, "interpreter")
  assert folder.metrics().range_of("range").measured_with["device"] == device.identity.device


@pytest.mark.parametrize(
  "changes", [{"num_threads": 2}, {"cpu_mask": "3"}, {"delegate": "none"}], ids=str
)
def test_other_settings_measure_the_range_again(space, folder, plug_in, changes, options):
  device = plug_in()
  metric_of(options()).costs(space, folder)
  metric_of(options(**changes)).costs(space, folder)
  assert len(device.contents) == 6
  for name, value in changes.items():
    assert getattr(device.settings[1], name) == value != getattr(device.settings[0], name)


def test_a_devices_table_is_measured_once(space, folder, plug_in, options):
  device = plug_in()
  meter = device_table(options(), space, folder, Progress(io.StringIO()))
  assert meter.facts["check_networks"] == str(min(CHECK_NETWORKS, 2))
  measured = len(device.contents)
  assert measured > len(meter.rows)
  again = device_table(options(), space, folder, Progress(io.StringIO()))
  assert len(device.contents) == measured and again.to_csv() == meter.to_csv()
  assert sorted(path.name for path in folder.path.iterdir()) == ["latency_table.csv", "run.json"]


def test_a_killed_table_goes_on(space, folder, plug_in, options):
  rows = len(planned_pieces(space))
  plug_in(most_files=rows + 1)  # the pieces and a call
  with pytest.raises(DeviceLost):
    device_table(options(), space, folder, Progress(io.StringIO()))
  assert not folder.latency_table.exists()
  device = plug_in()
  meter = device_table(options(), space, folder, Progress(io.StringIO()))
  assert len(meter.rows) == rows
  assert device.contents and all(content.startswith(b"{") for content in device.contents)


def test_a_table_of_other_threads_is_refused(space, folder, plug_in, options):
  device = plug_in()
  progress = Progress(io.StringIO())
  first = device_table(options(), space, folder, progress)
  measured = len(device.contents)
  message = r"latency_table\.csv was measured with num_threads = 1, now it is 4"
  with pytest.raises(ValueError, match=message):
    device_table(options(num_threads=4), space, folder, progress)
  # The refused attempt leaves nothing behind that the right one would trip over.
  assert device_table(options(), space, folder, progress).rows == first.rows
  assert len(device.contents) == measured


def test_an_unreachable_target_stops_before_the_table(space, folder, plug_in, options):
  device, stream = plug_in(), io.StringIO()
  with pytest.raises(UnreachableTarget, match="0.01 ms cannot .* network of 'tiny' has 0.02"):
    make_problem(options(target="0.01"), space, folder, Progress(stream))
  assert len(device.contents) == 3
  assert not list(folder.path.glob("latency_table*"))
  assert stream.getvalue() == (
    "smallest network 0.02 ms, middle 0.04 ms, largest 0.04 ms, target 0.01 ms\n"
  )
  with pytest.raises(ValueError, match="--target must be a number"):
    make_problem(options(target="fast"), space, folder, Progress(stream))
  assert len(device.contents) == 3


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"device": "phone"}, "--device must be .* got 'phone'"),
    ({"cpu_mask": "big"}, "cpu_mask must be .* got 'big'"),
  ],
  ids=str,
)
def test_a_counted_search_refuses_what_it_cannot_time_with(
  space, folder, options, changes, message
):
  with pytest.raises(ValueError, match=message):
    make_problem(options("macs", **changes), space, folder, Progress(io.StringIO()))


def test_a_share_is_of_the_largest_network_as_measured(space, folder, plug_in, options):
  plug_in()
  problem = make_problem(options(target="75%"), space, folder, Progress(io.StringIO()))
  assert problem.target == pytest.approx(0.03, abs=1e-12)
  assert problem.start == space.largest() and problem.meter.unit == "ms"
  assert folder.metrics().seconds["table"] >= 0


# --- after the search


def test_networks_are_timed_in_turns_and_recorded(folder, plug_in, options):
  device = plug_in(milliseconds=len)
  folder.update_metrics(networks={"found": {"macs": 7, "seconds": {"train": 2.0}}, "full": {}})
  for name, size in (("found", 3), ("full", 5)):
    folder.tflite(name).write_bytes(bytes(size))
  stream = io.StringIO()
  given = options(num_threads=2, delegate="none")
  timings = export_stage.time_networks(
    [(folder, "found"), (folder, "full")], given, Progress(stream)
  )
  networks = folder.metrics().networks
  assert [networks[name].latency_ms for name in ("found", "full")] == [3, 5]
  assert networks["found"].macs == 7 and set(networks["found"].seconds) == {"train", "time"}
  record = networks["found"].timing
  assert record == json.loads(json.dumps(vars(timings[0])))
  assert (record["num_threads"], record["delegate"]) == (2, "none")
  assert len(device.settings) == 1 and stream.getvalue() == ""


def test_an_unsteady_timing_is_told(folder, plug_in, options):
  from nadv2_tf.benchmarks.timing.records import Repeat

  device, stream = plug_in(), io.StringIO()
  device.measure = lambda paths, settings: [
    [Repeat(value, value, 9, "median") for value in (1.0, 1.0, 1.5)] for _ in paths
  ]
  folder.tflite("found").write_bytes(b"network")
  export_stage.time_networks([(folder, "found")], options(), Progress(stream))
  assert (
    f"timing of found in {folder.path} is unsteady: its repeats lie 50.0% apart"
    in stream.getvalue()
  )
  assert not folder.metrics().networks["found"].timing["steady"]


def test_a_network_that_is_not_exported_is_named(folder, plug_in, options):
  plug_in()
  with pytest.raises(ValueError, match=r"found\.tflite is missing; nadv2-export makes it"):
    export_stage.time_networks([(folder, "found")], options(), Progress(io.StringIO()))


def test_a_table_times_nothing(folder, monkeypatch, options):
  monkeypatch.setattr(run_device, "open_device", None)
  stream = io.StringIO()
  given = options(device="table:pixel1.json")
  assert export_stage.time_networks([(folder, "found")], given, Progress(stream)) == []
  assert "not timed: --device=table:pixel1.json is no device" in stream.getvalue()
  assert folder.metrics().to_json() == {}


@pytest.mark.parametrize(("found_ms", "filters"), [(0.4, 40), (0.1, 10), (0.2, 20), (0.203, 20)])
def test_the_uniform_network_is_as_fast_as_measured(plug_in, options, found_ms, filters):
  """The meter predicts 0.2 ms for a found network, whatever it really takes."""

  def milliseconds(content):
    spec = NetworkSpec.from_json(content.decode())
    return found_ms if spec.name == "found" else 0.01 * spec.blocks[0].filters

  device = plug_in(milliseconds=milliseconds)
  found = NetworkSpec("found", (4, 4, 1), (Conv(20, 3, 2), Head(2)))
  problem = Problem(WIDE, WIDE.largest(), Filters(), 0.2)
  uniform, _ = metric_of(options()).equally_fast(problem, found)
  assert uniform.blocks[0].filters == filters
  # One round where the prediction was within 2 %, else a second one.
  assert len(device.settings) == (1 if abs(found_ms - 0.2) < 0.004 else 2)


def test_the_uniform_network_of_a_table_is_as_fast_as_predicted(monkeypatch, options):
  monkeypatch.setattr(run_device, "open_device", None)
  found = WIDE.largest().with_block(0, filters=20)
  problem = Problem(WIDE, WIDE.largest(), Filters(), 0.2)
  for given in (options(device="table:t.csv"), options("macs")):
    uniform, _ = metric_of(given).equally_fast(problem, found)
    assert uniform.blocks[0].filters == 20


def test_a_run_without_a_device_is_summarised(folder, options):
  found = {"macs": 9, "seconds": {"time": 1.0}, "latency_ms": 0.5, "test_accuracy": 0.75}
  metric = SearchedMetric("latency_ms", "ms", 0.5, 0.4, None)
  folder.update_metrics(networks={"found": found}, metric=metric)
  export_stage.summarise(folder, metric_of(options(device="table:t.csv")))
  assert folder.metrics().metric.measured is None
  export_stage.summarise(folder, metric_of(options()))
  metrics = folder.metrics()
  assert metrics.metric == metric.updated(measured=0.5)
  # A share is of the largest network as it was timed beside the found one.
  share = metric.updated(share=0.6, measured=0.45)
  folder.update_metrics(metric=share)
  export_stage.summarise(folder, metric_of(options()))
  assert folder.metrics().metric == share
  export_stage.summarise(folder, metric_of(options()), 0.8)
  assert folder.metrics().metric == share.updated(measured=0.5, target=0.6 * 0.8)
  assert (metrics.macs, metrics.test_accuracy, metrics.latency_ms) == (9, 0.75, 0.5)
