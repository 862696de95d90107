"""From --metric and --device to a `Metric`, and what each of the five answers."""

import dataclasses
import inspect
import io
import pathlib
import re
import sys
import textwrap

import pytest
from fpga_files import write_fpga
from metric_files import NETWORK, ROWS, write_predictor, write_tables

from nadv2_tf import pipeline
from nadv2_tf.pipeline.aim import device as run_device
from nadv2_tf.pipeline.aim.confirmation import Confirmation
from nadv2_tf.pipeline.aim.counted import Counted, OwnMeter
from nadv2_tf.pipeline.aim.metric import Metric, metric_of
from nadv2_tf.pipeline.aim.of_table import OfTable
from nadv2_tf.pipeline.aim.on_device import OnDevice, device_table
from nadv2_tf.pipeline.aim.on_fpga import OnFpga
from nadv2_tf.pipeline.aim.ranges import describe_range, middle
from nadv2_tf.pipeline.aim.rounds import Attempt
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.resources import COUNTS
from nadv2_tf.search import Found, Problem
from nadv2_tf.spec import NetworkSpec, SearchSpace, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual
from nadv2_tf.spec.space import Decision


@pytest.fixture(scope="module")
def space():
  made = space_of(NETWORK, 2)
  assert [decision.choices for decision in made.decisions] == [(2, 4)]
  return made


def cost(options, space, folder):
  return metric_of(options).costs(space, folder)


def test_range_of_counted_macs(space, folder, options):
  # Filters n: 2x2 places x 9 taps x n, and n x 2 classes: 36 n + 2 n. The middle of 2 and 4 is 4.
  values = cost(options("macs"), space, folder)
  assert values == {"smallest": 76, "middle": 152, "largest": 152}
  assert folder.metrics().to_json() == {}
  assert describe_range(values, "MACs") == (
    "smallest network 76 MACs, middle 152 MACs, largest 152 MACs"
  )


def test_the_middle_network_has_the_middle_choices(tiny_space):
  assert tiny_space.encode(middle(tiny_space)) == (8, 8, 8, 4, 5)
  assert [d.choices for d in tiny_space.decisions][0] == (4, 8)
  assert [d.choices for d in tiny_space.decisions][1] == (0, 8, 16)


def test_range_of_a_table_file_needs_no_device(space, folder, tmp_path, monkeypatch, options):
  monkeypatch.setattr(run_device, "open_device", None)
  ours, _ = write_tables(tmp_path)
  given = options(device=f"table:{ours}")
  values = cost(given, space, folder)
  assert values == pytest.approx({"smallest": 1.11, "middle": 3.22, "largest": 3.22}, abs=1e-9)
  meter = metric_of(given).meter(space, folder)
  assert meter.rows == ROWS and not folder.latency_table.exists()
  assert not metric_of(given).is_timed and metric_of(options()).is_timed
  assert not metric_of(options("macs")).is_timed


def test_a_published_table_is_read_by_its_ending(folder, tmp_path, options):
  blocks = (Conv(8, 3), InvertedResidual(24, 48, 8), Head(2))
  network = NetworkSpec("n", (4, 4, 1), blocks)
  made = SearchSpace(network, (Decision("width", "expansion", (1,), (24, 48)),))
  made = dataclasses.replace(made, network=network.with_block(1, expansion=48))
  _, published = write_tables(tmp_path)
  values = cost(options(device=f"table:{published}"), made, folder)
  assert values == {"smallest": 1.5, "middle": 2.5, "largest": 2.5}


@pytest.mark.parametrize("name", ["table:none.csv", "table:none.json", "table:", "predictor:x"])
def test_a_missing_table_is_named(space, folder, name, options):
  metric = metric_of(options(device=name))
  for use in (metric.check, lambda: metric.meter(space, folder)):
    with pytest.raises(ValueError, match=f"--device={name}: there is no file"):
      use()


@pytest.mark.parametrize("metric", list(COUNTS))
def test_a_counted_metric_needs_no_table(metric, space, folder, options):
  assert type(metric_of(options(metric)).meter(space, folder)) is COUNTS[metric]


def test_latency_on_a_device_has_no_meter_before_its_table(space, folder, options):
  with pytest.raises(ValueError, match=r"latency_table\.csv is missing; nadv2-search makes it"):
    metric_of(options()).meter(space, folder)


def test_other_devices_are_refused(space, folder, options):
  progress = Progress()
  for use in (cost, lambda *given: device_table(*given, progress)):
    with pytest.raises(ValueError, match="--device must be host, adb or adb:SERIAL.*got 'phone'"):
      use(options(device="phone"), space, folder)


# --- what each of the five answers

MODULE = """
  class Energy:
    unit, is_exact, asked = "mJ", False, 0

    def measure(self, spec):
      Energy.asked += 1
      return 0.5 * spec.blocks[0].filters + Energy.asked / 1000
"""
QUESTIONS = [name for name in vars(Metric) if not name.startswith("_")]


@dataclasses.dataclass(frozen=True)
class Case:
  """A `Metric`: how it is asked for, and what it must say of itself."""

  kind: type
  name: str
  unit: str
  device: str = "host"
  has_device: bool = True

  def __str__(self):
    return f"{self.kind.__name__} {self.name} {self.device}"


CASES = (
  Case(Counted, "macs", "MACs"),
  Case(Counted, "size_bytes", "bytes", "table:none", has_device=False),
  Case(OwnMeter, "aim_meters:Energy", "mJ"),
  Case(OwnMeter, "aim_meters:Energy", "mJ", "table:none", has_device=False),
  Case(OnFpga, "fpga_ms", "ms"),
  Case(OfTable, "latency_ms", "ms", "table:{}", has_device=False),
  Case(OfTable, "latency_ms", "ms", "predictor:{}", has_device=False),
  Case(OnDevice, "latency_ms", "ms"),
)


@pytest.fixture(params=CASES, ids=str)
def asked(request, tmp_path, monkeypatch, plug_in, options):
  """(`Case`, its `Metric`, the device)."""
  case, device = request.param, plug_in()
  (tmp_path / "aim_meters.py").write_text(textwrap.dedent(MODULE))
  monkeypatch.syspath_prepend(tmp_path)
  kind = case.device.partition(":")[0]
  path = write_predictor(tmp_path) if kind == "predictor" else write_tables(tmp_path)[0]
  fpga = {"fpga": str(write_fpga(tmp_path))} if case.kind is OnFpga else {}
  yield case, metric_of(options(case.name, device=case.device.format(path), **fpga)), device
  sys.modules.pop("aim_meters", None)


@pytest.mark.parametrize("kind", [Counted, OwnMeter, OnFpga, OfTable, OnDevice])
def test_every_question_is_answered_by_its_own_words(kind):
  assert len(QUESTIONS) == 13
  fields = {field.name for field in dataclasses.fields(kind)}
  for name in QUESTIONS:
    assert name in fields or hasattr(kind, name), name
    question = inspect.getattr_static(Metric, name)
    if not isinstance(question, property):
      own = inspect.signature(getattr(kind, name)).parameters
      assert list(own) == list(inspect.signature(question).parameters), name


def test_what_a_metric_says_of_itself(asked):
  case, metric, device = asked
  assert type(metric) is case.kind
  assert (metric.name, metric.unit) == (case.name, case.unit)
  assert (metric.is_timed, metric.has_device) == (case.kind is OnDevice, case.has_device)
  assert (metric.count is None) == (case.kind is not Counted)
  assert metric.check() is None
  # A device is tried before anything is trained, whatever is searched for.
  assert bool(device.opened) == case.has_device and device.contents == []


def test_a_metric_from_its_range_to_its_scaled_network(asked, space, folder):
  case, metric, device = asked
  progress, largest = Progress(io.StringIO()), space.largest()
  costs = metric.costs(space, folder)
  assert list(costs) == ["smallest", "middle", "largest"]
  assert 0 < costs["smallest"] < costs["middle"] <= costs["largest"]
  timed = len(device.contents)
  assert metric.costs(space, folder) == costs and len(device.contents) == timed
  assert bool(folder.metrics().to_json()) == (case.kind in (OwnMeter, OnDevice))
  # Only a device has something to measure before there is a meter, and once.
  assert metric.prepare(space, folder, progress) == metric.is_timed
  assert not metric.prepare(space, folder, progress)
  meter = metric.meter(space, folder)
  assert meter.unit == metric.unit and meter.measure(largest) > 0
  if not metric.is_timed:
    assert meter.measure(largest) == costs["largest"]
  problem = Problem(space, largest, meter, meter.measure(largest))
  confirmation = metric.confirmation(folder, problem, progress)
  assert isinstance(confirmation, Confirmation) if metric.is_timed else confirmation is None
  found = Found(problem.target, largest, problem.target, 0.5)
  told = {None: metric.measured(Attempt(1, 1.0, found)), 7.0: None}
  told[7.0] = metric.measured(Attempt(1, 1.0, found, 7.0))
  own_word = {None: problem.target, 7.0: problem.target}
  assert (
    told
    == {
      Counted: own_word,
      OwnMeter: own_word,
      OnFpga: {None: None, 7.0: None},
      OfTable: {None: None, 7.0: None},
      OnDevice: {None: None, 7.0: 7.0},
    }[case.kind]
  )
  figures = metric.figures(largest, problem)
  assert figures == ({"resource": problem.target} if case.kind in (OwnMeter, OnFpga) else {})
  scaled, doubt = metric.equally_fast(problem, largest)
  assert scaled.blocks == largest.blocks and doubt == ""
  assert (len(device.contents) > 0) == metric.is_timed


@pytest.mark.parametrize("asked", [CASES[2]], ids=str, indirect=True)
def test_a_meter_of_ones_own_is_asked_once_for_a_folder(asked, space, folder):
  _, metric, _ = asked
  costs = metric.costs(space, folder)
  meter = dataclasses.replace(metric).meter(space, folder)  # as of a later command
  assert meter.measure(space.smallest()) == costs["smallest"] and not meter.is_exact
  assert sys.modules["aim_meters"].Energy.asked == 2  # the middle network of two is the largest


def test_no_stage_decides_again_what_is_searched_for():
  again = re.compile(r"(options|search)\.metric\b|\bLATENCY\b|TABLE_DEVICE|device\.startswith")
  home = pathlib.Path(pipeline.__file__).parent
  texts = {path: path.read_text(encoding="utf-8") for path in home.rglob("*.py")}
  deciding = {path.relative_to(home).as_posix() for path in texts if again.search(texts[path])}
  # The two that are LATENCY name themselves so.
  assert deciding == {"aim/metric.py", "aim/of_table.py", "aim/on_device.py"}
