"""From flags to a search problem: several targets, limits, and meters of the user's own."""

import io
import json
import sys
import textwrap

import pytest

from nadv2_tf.pipeline.aim import amounts
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.stages import search as search_stage
from nadv2_tf.pipeline.stages.search import make_problem
from nadv2_tf.search import (
  MultiLayerCoordinateDescent,
  UnmetNeed,
  UnreachableTarget,
  minimize,
)
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head

# A 4x4 image -> 3x3 convolution of stride 2 with n = 2 or 4 filters -> global pool -> 2 classes:
# 36 n + 2 n MACs, 9 n + 2 n + 2 n + 2 parameters, 4 (9 n + n + 2 n + 2) bytes.
SPACE = space_of(NetworkSpec("tiny", (4, 4, 1), (Conv(4, 3, 2), Head(2))), 2)


@pytest.fixture
def make(folder, options):
  """Function (metric, **changes) -> the problem and what was printed."""

  def made(metric, **changes):
    stream = io.StringIO()
    given = options(metric, initial_reduction=0.5, **changes)
    return make_problem(given, SPACE, folder, Progress(stream)), stream.getvalue().splitlines()

  return made


# --- targets


@pytest.mark.parametrize(
  ("text", "expected"),
  [
    ("30", [(30, "30")]),
    ("30,20,10", [(30, "30"), (20, "20"), (10, "10")]),
    (" 10, 30 ,20", [(30, "30"), (20, "20"), (10, "10")]),
    ("50%,70%,30%", [(280, "70%"), (200, "50%"), (120, "30%")]),  # of 400
    ("0.1k,50%", [(200, "50%"), (100, "0.1k")]),
  ],
)
def test_targets_in_any_order_the_largest_first(text, expected):
  targets = amounts.parse_targets(text, 400.0)
  assert [(pytest.approx(value), part) for value, part in targets] == expected


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("30,", "--target must be a number above 0, .* got ''"),
    (",", "--target must be a number above 0, .* got ''"),
    ("30,fast", "--target must be a number above 0, .* got 'fast'"),
    ("30;20", "--target must be a number above 0, .* got '30;20'"),
    ("30,30", "--target must name each target once; '30' is '30' again"),
    ("50%,0.2k", "--target must name each target once; '0.2k' is '50%' again"),
  ],
)
def test_other_targets_are_refused(text, message):
  with pytest.raises(ValueError, match=message):
    amounts.parse_targets(text, 400.0)


def test_a_pipeline_on_an_fpga_is_no_sum_over_blocks(make):
  # Before anything is trained: the problem is made first.
  with pytest.raises(UnmetNeed, match=r"integer_program needs a metric that adds up .*FpgaMeter"):
    make("fpga_ms", fpga="zu3eg", search_optimizer="integer_program", target="100%")
  assert make("fpga_ms", fpga="zu3eg", target="100%")[0].meter.unit == "ms"


def test_several_targets_are_one_problem(make, folder):
  problem, lines = make("macs", target="80,100%,140")
  assert problem.targets == (152, 140, 80)
  assert lines == [
    "smallest network 76 MACs, middle 152 MACs, largest 152 MACs, targets 152, 140, 80 MACs"
  ]
  assert folder.metrics().to_json()["targets"] == [
    {"folder": "target_100pct", "target": 152.0},
    {"folder": "target_140", "target": 140.0},
    {"folder": "target_80", "target": 80.0},
  ]


def test_a_single_target_leaves_no_list(make, folder):
  problem, _ = make("macs", target="80")
  assert problem.targets == (80,) and folder.metrics().to_json() == {}


def test_the_smallest_of_several_targets_must_be_met(make, folder):
  message = "target of 75 MACs cannot be met: the smallest network of 'tiny' has 76 MACs"
  with pytest.raises(UnreachableTarget, match=message):
    make("macs", target="100,75")
  assert folder.found_folders() == [folder]


# --- limits


def test_bytes_are_a_metric(make):
  problem, lines = make("size_bytes", target="200")
  # 4 (12 n + 2)
  assert lines == [
    "smallest network 104 bytes, middle 200 bytes, largest 200 bytes, target 200 bytes"
  ]
  assert problem.meter.unit == "bytes"


def test_limits_are_told_beside_the_target(make):
  problem, lines = make("macs", target="152", limit="parameters<=40,size_bytes<=60%")
  assert lines[1:] == [
    "smallest network 28 parameters, middle 54 parameters, largest 54 parameters, limit 40 "
    "parameters",
    "smallest network 104 bytes, middle 200 bytes, largest 200 bytes, limit 120 bytes",
  ]
  assert [limit for _, limit in problem.limits] == [40, 120]

  class Any:
    def accuracy(self, specs):
      return [0.5] * len(specs)

  result = minimize(problem, MultiLayerCoordinateDescent(4, 10, 0.5), Any())
  assert result.spec.blocks[0].filters == 2  # the target alone would have left 4


@pytest.mark.parametrize(
  ("limit", "message"),
  [
    (
      "parameters<=27",
      "limit of 27 parameters cannot be met: the smallest network of 'tiny' has 28",
    ),
    ("size_bytes<=50%", "limit of 100 bytes cannot be met: the smallest network .* has 104 bytes"),
    ("energy<=5", "--limit must be such as parameters<=2e6"),
  ],
)
def test_a_limit_that_no_network_meets_is_refused(make, folder, limit, message):
  with pytest.raises(ValueError, match=message):
    make("macs", target="152", limit=limit)
  assert folder.metrics().to_json() == {}


def test_a_limit_is_refused_before_a_table_is_measured(folder, options, plug_in):
  device = plug_in()
  given = options(limit="parameters<=27")
  with pytest.raises(UnreachableTarget, match="limit of 27 parameters"):
    make_problem(given, SPACE, folder, Progress(io.StringIO()))
  assert len(device.contents) == 3  # the range alone


# --- a meter of the user's own

MODULE = """
  class Energy:
    unit, is_exact = "mJ", True
    asked = []

    def measure(self, spec):
      self.asked.append(spec)
      return 0.5 * spec.blocks[0].filters

  class Wattmeter(Energy):
    is_exact = False

  class Broken(Energy):
    def measure(self, spec):
      return None
"""


@pytest.fixture
def meters(tmp_path, monkeypatch):
  (tmp_path / "own_meters.py").write_text(textwrap.dedent(MODULE))
  monkeypatch.syspath_prepend(tmp_path)
  yield
  sys.modules.pop("own_meters", None)


def test_a_meter_of_ones_own_is_a_metric(make, meters):
  problem, lines = make("own_meters:Energy", target="50%")
  assert lines == ["smallest network 1 mJ, middle 2 mJ, largest 2 mJ, target 1 mJ"]
  assert problem.meter.unit == "mJ" and problem.target == 1
  with pytest.raises(UnreachableTarget, match="target of 0.9 mJ cannot be met"):
    make("own_meters:Energy", target="0.9")


def test_a_meter_that_is_not_exact_measures_each_network_once(make, meters, folder):
  problem, _ = make("own_meters:Wattmeter", target="1")
  asked = sys.modules["own_meters"].Wattmeter.asked
  assert len(asked) == 2  # the smallest, and the largest, which is the middle one as well

  class Any:
    def accuracy(self, specs):
      return [0.5] * len(specs)

  minimize(problem, MultiLayerCoordinateDescent(4, 10, 0.5), Any(), folder.journal)
  lines = [json.loads(line) for line in folder.journal.read_text().splitlines()]
  measured = [line["value"] for line in lines if line["type"] == "measurement"]
  assert sorted(measured) == [1, 2] and len(asked) == 2
  # A later command knows what stands in the folder.
  again, told = make("own_meters:Wattmeter", target="1")
  assert len(asked) == 2 and told[0].startswith("smallest network 1 mJ")
  minimize(again, MultiLayerCoordinateDescent(4, 10, 0.5), Any(), folder.journal)
  assert len(asked) == 2


@pytest.mark.parametrize(
  ("name", "message"),
  [
    ("own_meters:Broken", "measure must return a finite number of at least 0 mJ, got None"),
    ("own_meters:Power", "'own_meters' has no class 'Power'"),
    ("no_meters:Power", "module 'no_meters' cannot be imported"),
  ],
)
def test_a_meter_that_is_none_is_refused(make, meters, name, message):
  with pytest.raises(ValueError, match=message):
    make(name)


def test_folders_are_told_by_metrics(folder):
  assert folder.found_folders() == [folder]
  folder.update_metrics(targets=[{"folder": "target_3", "target": 3.0}])
  (there,) = folder.found_folders()
  assert there.path == folder.path / "target_3"
  search_stage._name_folders(folder, [(3.0, "3")])
  assert folder.found_folders() == [folder]
  search_stage._name_folders(folder, [(3.0, "50 %"), (2.0, "2 M")])
  names = [there.path.name for there in folder.found_folders()]
  assert names == ["target_50pct", "target_2M"]


@pytest.mark.parametrize(("target", "told"), [("150%", 1), ("100%", 0), ("1e9,60%", 1)])
def test_a_target_that_asks_for_nothing_is_told(make, target, told):
  _, lines = make("macs", target=target)
  assert sum("is within --target=" in line for line in lines) == told
