"""What was measured on a busy device is refused, or used and told: tables, and whole networks."""

import dataclasses
import io

import pytest
from filter_meter import WIDE, Filters
from form_tables import NETWORK, table
from metric_files import write_predictor

from nadv2_tf.benchmarks.timing.errors import TableError
from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.pipeline.aim.ranges import range_doubts
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.report.doubts import doubt_lines
from nadv2_tf.pipeline.report.figures import overview
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages import references
from nadv2_tf.pipeline.stages.search import Landing, make_problem
from nadv2_tf.resources.latency_table import LatencyTable, table_doubt
from nadv2_tf.resources.predictor import LatencyPredictor
from nadv2_tf.search import Problem, UnreachableTarget
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head

ROWS, SPACE = table(bypass=0.0).rows, space_of(NETWORK, 2)
TINY = space_of(NetworkSpec("tiny", (4, 4, 1), (Conv(4, 3, 2), Head(2))), 2)


@pytest.fixture
def busy_with(plug_in):
  """Function (filters) -> a fake device, too busy for networks with so many in their first layer.

  Its list `busy_with` may change.
  """

  def made(*filters):
    device = plug_in()
    measure, device.busy_with = device.measure, list(filters)

    def doubted(content):
      is_network = content.startswith(b"{")
      return (
        is_network and NetworkSpec.from_json(content.decode()).blocks[0].filters in device.busy_with
      )

    def measured(paths, settings):
      return [
        [
          dataclasses.replace(one, doubt="it is busy" if doubted(path.read_bytes()) else "")
          for one in repeats
        ]
        for path, repeats in zip(paths, measure(paths, settings), strict=True)
      ]

    device.measure = measured
    return device

  return made


def test_a_tables_own_doubt_is_refused_or_told(folder, tmp_path, options):
  path, stream = tmp_path / "wrong.csv", io.StringIO()
  facts = {"check_networks": "30", "check_error_median": "0.5213"}
  path.write_text(LatencyTable(ROWS, facts).to_csv())
  with pytest.raises(ValueError, match=r"wrong.csv: The latency table is off by 52% .*mark"):
    metric_of(options(device=f"table:{path}")).check()
  metric = metric_of(options(device=f"table:{path}", on_unsteady="mark"))
  metric.check()
  assert metric.prepare(SPACE, folder, Progress(stream)) is False
  assert "The latency table is off by 52% (median of 30 whole networks)" in stream.getvalue()
  assert folder.metrics().table_doubt == table_doubt(facts)
  # Another table for the same folder, which holds.
  path.write_text(LatencyTable(ROWS, facts | {"check_error_median": "0.05"}).to_csv())
  metric_of(options(device=f"table:{path}")).prepare(SPACE, folder, Progress(stream))
  assert folder.metrics().table_doubt == ""
  path.write_text(LatencyTable(ROWS, facts).to_csv().replace("0.5213", "much"))
  with pytest.raises(ValueError, match="wrong.csv: check_error_median must be a number.*'much'"):
    metric_of(options(device=f"table:{path}")).check()


def test_a_runs_own_wrong_table_is_refused_or_told(tmp_path, plug_in, options):
  """Networks of an odd number of filters take four times what those of an even number do."""

  quiet = plug_in()._milliseconds

  def milliseconds(content):
    is_network = content.startswith(b"{")
    filters = NetworkSpec.from_json(content.decode()).blocks[0].filters if is_network else 0
    return quiet(content) * (4 if filters % 2 else 1)

  plug_in(milliseconds=milliseconds)
  refused, stream = RunFolder(tmp_path / "refused").open(), io.StringIO()
  with pytest.raises(TableError, match="The latency table is off by .*--on_unsteady=mark"):
    metric_of(options(attempts=1)).prepare(WIDE, refused, Progress(stream))
  assert not refused.latency_table.exists() and refused.metrics().table_doubt == ""
  folder, marked = RunFolder(tmp_path / "marked").open(), options(attempts=1, on_unsteady="mark")
  for is_new in (True, False):
    stream = io.StringIO()
    assert metric_of(marked).prepare(WIDE, folder, Progress(stream)) is is_new
    doubt = table_doubt(LatencyTable.from_csv(folder.latency_table).facts)
    assert doubt and folder.metrics().table_doubt == doubt
    assert f"{doubt} It is in {folder.latency_table}." in stream.getvalue()
    folder.update_metrics(table_doubt="")
  # What a marked run has left is held to what is asked for now.
  with pytest.raises(ValueError, match=r"latency_table.csv: The latency table is off by .*=mark"):
    metric_of(options(attempts=1)).prepare(WIDE, folder, Progress(stream))


def test_a_predictor_is_held_to_its_error_as_a_table_is(folder, tmp_path, options):
  path, stream = write_predictor(tmp_path), io.StringIO()
  predictor = LatencyPredictor.from_json(path)

  def metric_with(error, on_unsteady="fail"):
    predictor.facts = {"held_out_networks": "40", "held_out_error_median": error}
    path.write_text(predictor.to_json())
    return metric_of(options(device=f"predictor:{path}", on_unsteady=on_unsteady))

  wrong = r"predictor.json: The latency predictor is off by 23% \(median of 40 .*=mark"
  with pytest.raises(ValueError, match=wrong):
    metric_with("0.2345").check()
  metric = metric_with("0.2345", "mark")
  metric.check()
  assert metric.prepare(SPACE, folder, Progress(stream)) is False
  doubt = folder.metrics().table_doubt
  assert doubt.startswith("The latency predictor is off by 23%") and doubt in stream.getvalue()
  assert doubt_lines(overview(folder)) == [doubt]
  metric = metric_with("0.1")
  metric.check()
  metric.prepare(SPACE, folder, Progress(stream))
  assert folder.metrics().table_doubt == ""
  for error in ("much", "nan", "-1"):
    told = f"predictor.json: held_out_error_median must be a number of at least 0, got '{error}'"
    with pytest.raises(ValueError, match=told):
      metric_with(error, "mark").check()


@pytest.mark.parametrize(
  ("facts", "doubt"),
  [
    ({}, ""),
    ({"check_networks": "10", "check_error_median": "0.0208"}, ""),
    ({"check_networks": "10", "check_error_median": "0.1"}, ""),
    ({"check_networks": "10", "check_error_median": "0.11"}, "off by 11% (median of 10 whole net"),
    ({"check_networks": "9", "check_error_median": "0.8034"}, "off by 80% (median of 9 whole net"),
  ],
)
def test_a_table_that_predicts_badly_is_doubted(facts, doubt):
  found = table_doubt(facts)
  assert doubt in found and bool(found) == bool(doubt)


def test_an_unsteady_range_is_told_and_kept(folder, busy_with, options):
  device, stream = busy_with(2), io.StringIO()  # the smallest network takes 0.02 ms
  with pytest.raises(
    UnreachableTarget, match="has 0.02 ms. Its timing is unsteady: it is busy. The"
  ):
    make_problem(options(target="0.01"), TINY, folder, Progress(stream))
  assert "the timing of the smallest network is unsteady: it is busy" in stream.getvalue()
  assert range_doubts(folder) == {"smallest": "it is busy"}
  # Nothing was built on it, so the same command times it again.
  before = len(device.contents)
  make_problem(options(target="0.03", on_unsteady="mark"), TINY, folder, Progress(stream))
  assert folder.latency_table.exists() and len(device.contents) > before
  assert doubt_lines(overview(folder)) == [
    "The device was too busy to time the smallest network before the search, whose latency is "
    "uncertain: it is busy."
  ]
  # The table was: another value would send a resumed search elsewhere.
  before, device.busy_with = len(device.contents), []
  make_problem(options(target="0.03", on_unsteady="mark"), TINY, folder, Progress(stream))
  assert len(device.contents) == before and range_doubts(folder)


def test_an_unsteady_range_is_measured_again_before_the_table(folder, busy_with, options):
  device, metric = busy_with(2, 4), metric_of(options())
  metric.costs(TINY, folder)
  assert set(range_doubts(folder)) == {"smallest", "middle", "largest"}
  device.busy_with = []
  metric.costs(TINY, folder)
  assert range_doubts(folder) == {} and doubt_lines(overview(folder)) == []
  timed = len(device.contents)
  metric.costs(TINY, folder)
  assert len(device.contents) == timed


def test_a_reference_that_was_chosen_by_unsteady_timings_is_told(folder, busy_with, options):
  busy_with(20)
  problem = Problem(WIDE, WIDE.largest(), Filters(), 0.2)
  found = WIDE.largest().with_block(0, filters=20)
  stream = io.StringIO()
  references.scaled(Landing(folder, found), problem, options(), Progress(stream))
  assert folder.metrics().uniform_doubt == "it is busy"
  assert "the timings that it was chosen by are unsteady: it is busy" in stream.getvalue()
  assert doubt_lines(overview(folder)) == [
    "The device was too busy to tell which uniformly scaled network is as fast as the found "
    "network: it is busy."
  ]
  folder.spec("uniform").unlink()
  busy_with(7)
  references.scaled(Landing(folder, found), problem, options(), Progress(stream))
  assert folder.metrics().uniform_doubt == ""
