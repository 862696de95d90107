"""From --metric and --target to a meter and a number."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nadv2_tf.flags.groups import SearchOptions

from nadv2_tf.pipeline import metering
from nadv2_tf.pipeline.folder import RunFolder
from nadv2_tf.resources import COUNTS
from nadv2_tf.resources.counts import MacsMeter
from nadv2_tf.resources.latency_table import LatencyTable, Piece
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head

LARGEST = 400.0


@pytest.mark.parametrize(
  ("text", "expected"),
  [
    ("30", 30),
    ("0.5", 0.5),
    (".5", 0.5),
    ("12.", 12),
    ("1e-3", 0.001),
    ("225e6", 225e6),
    ("225E+6", 225e6),
    ("225M", 225e6),
    ("2.5 M", 2.5e6),
    ("3k", 3000),
    ("3K", 3000),
    ("1G", 1e9),
    (" 30 ", 30),
    ("50%", 200),  # of 400
    ("12.5 %", 50),
    ("100%", 400),
    ("150%", 600),
    ("1e1%", 40),
  ],
)
def test_target_is_a_number_or_a_share(text, expected):
  assert metering.parse_target(text, LARGEST) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
  "text",
  ["", "half", "0", "0%", "0.0M", "-5", "-5%", "+5", "5ms", "5%%", "5kM", "1,5", "1.2.3", "M", "%"]
  + ["nan", "inf", "1e", "1e999", "5m", "0x10", "1_000", "5 5", "."],
)
def test_other_targets_are_refused(text):
  with pytest.raises(ValueError, match="--target must be a number above 0, such as 30, 225e6") as e:
    metering.parse_target(text, LARGEST)
  assert str(e.value).endswith(f"got {text!r}.")


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.text(alphabet="0123456789.eE+-kKMG% ", max_size=8))
def test_any_text_is_a_positive_number_or_refused(text):
  try:
    assert metering.parse_target(text, LARGEST) > 0
  except ValueError as error:
    assert "--target" in str(error)


# A 4x4 image -> 3x3 convolution of stride 2 with 2 to 4 filters -> global pool -> 2 classes.
NETWORK = NetworkSpec("tiny", (4, 4, 1), (Conv(4, 3, 2), Head(2)))
ROWS = {
  Piece("conv", 4, 4, 1, 2, kernel=3, stride=2, activation="relu"): 1.0,
  Piece("conv", 4, 4, 1, 4, kernel=3, stride=2, activation="relu"): 3.0,
  Piece("pool", 2, 2, 2, 2): 0.1,
  Piece("pool", 2, 2, 4, 4): 0.2,
  Piece("conv", 1, 1, 2, 2, kernel=1, activation="linear"): 0.01,
  Piece("conv", 1, 1, 4, 2, kernel=1, activation="linear"): 0.02,
}


@pytest.fixture(scope="module")
def space():
  made = space_of(NETWORK, 2)
  assert [decision.choices for decision in made.decisions] == [(2, 4)]
  return made


def test_range_of_counted_macs(space):
  meter = MacsMeter()
  # Filters n: 2x2 places x 9 taps x n, and n x 2 classes: 36 n + 2 n.
  assert metering.largest_resource(meter, space) == 38 * 4
  assert metering.describe_range(meter, space) == "smallest network 76 MACs, largest 152 MACs"


def test_range_of_a_latency_table(space):
  meter = LatencyTable(ROWS)
  assert metering.largest_resource(meter, space) == pytest.approx(3.22, abs=1e-9)
  assert metering.describe_range(meter, space) == "smallest network 1.11 ms, largest 3.22 ms"


def test_largest_network_is_taken_as_measured(space):
  meter = LatencyTable(ROWS, {"largest_ms": "3.5"})
  assert metering.largest_resource(meter, space) == 3.5
  assert metering.describe_range(meter, space) == "smallest network 1.11 ms, largest 3.5 ms"


def test_no_limits(space):
  assert metering.parse_limits("", space) == metering.parse_limits("  ", space) == ()


@pytest.mark.parametrize(
  ("text", "expected"),
  [
    ("parameters<=20", [("parameters", 20)]),
    (" parameters <= 2e1 ", [("parameters", 20)]),
    ("macs<=1k,parameters<=20", [("MACs", 1000), ("parameters", 20)]),
    ("parameters<=20, macs<=50%", [("parameters", 20), ("MACs", 76)]),  # 38 n MACs, n = 4
  ],
)
def test_limits_are_meters_with_numbers(space, text, expected):
  limits = metering.parse_limits(text, space)
  assert [(meter.unit, limit) for meter, limit in limits] == expected
  for meter, _ in limits:
    assert meter.measure(space.largest()) in (152, NETWORK.parameters())


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("parameters", "each of macs, parameters at most once .* got 'parameters'"),
    ("parameters=5", "such as parameters<=2e6, .* got 'parameters=5'"),
    ("energy<=5", "each of macs, parameters .* got 'energy<=5'"),
    ("latency_ms<=5", "each of macs, parameters .* got 'latency_ms<=5'"),
    ("macs<=5,macs<=6", "at most once .* got 'macs<=6'"),
    ("macs<=5,", "commas between them; got ''"),
    (",", "got ''"),
    ("<=5", "got '<=5'"),
    ("macs<=0", "number above 0 after macs<=, such as 2e6 or 2M, or a share .* got '0'"),
    ("macs<=", "number above 0 after macs<=, .* got ''"),
    ("macs<=5<=6", "number above 0 after macs<=, .* got '5<=6'"),
    ("macs<=-5", "number above 0 after macs<=, .* got '-5'"),
  ],
)
def test_other_limits_are_refused(space, text, message):
  with pytest.raises(ValueError, match=f"--limits must be .*{message}"):
    metering.parse_limits(text, space)


def _options(metric):
  return SearchOptions(metric, "50%", "host", 1, 24, 10, 0.05, 0.98)


@pytest.mark.parametrize("metric", list(COUNTS))
def test_counted_metric_needs_no_table(metric, space, tmp_path):
  meter = metering.make_meter(_options(metric), space, RunFolder(tmp_path), progress=None)
  assert type(meter) is COUNTS[metric] and list(tmp_path.iterdir()) == []


def test_table_of_the_folder_is_used(space, tmp_path):
  table = LatencyTable(ROWS, {"largest_ms": 3.5, "num_threads": 1})
  (tmp_path / "latency_table.csv").write_text(table.to_csv())
  meter = metering.make_meter(_options("latency_ms"), space, RunFolder(tmp_path), progress=None)
  assert meter.rows == ROWS and metering.largest_resource(meter, space) == 3.5


def test_missing_table_is_measured_once(space, tmp_path, monkeypatch):
  from nadv2_tf.benchmarks import latency_table

  from nadv2_tf.pipeline.progress import Progress

  calls = []

  def measure_table(measured_space, num_threads, report):
    calls.append((measured_space, num_threads))
    report(1, 1)
    return LatencyTable(ROWS, {"num_threads": num_threads})

  monkeypatch.setattr(latency_table, "measure_table", measure_table)
  for _ in range(2):
    meter = metering.make_meter(_options("latency_ms"), space, RunFolder(tmp_path), Progress())
    assert meter.rows == ROWS
  assert calls == [(space, 1)]


def test_table_for_other_threads_is_measured_anew(space, tmp_path, monkeypatch):
  from nadv2_tf.benchmarks import latency_table

  from nadv2_tf.pipeline.progress import Progress

  (tmp_path / "latency_table.csv").write_text(LatencyTable(ROWS, {"num_threads": 4}).to_csv())
  fresh = LatencyTable({piece: 2 * value for piece, value in ROWS.items()}, {"num_threads": 1})
  monkeypatch.setattr(latency_table, "measure_table", lambda *arguments: fresh)
  meter = metering.make_meter(_options("latency_ms"), space, RunFolder(tmp_path), Progress())
  assert meter.rows == fresh.rows
