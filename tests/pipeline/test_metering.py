"""From --metric, --device and --target to a meter and a number."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nadv2_tf.pipeline import metering
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.resources import COUNTS
from nadv2_tf.resources.latency_table import LatencyTable, Piece
from nadv2_tf.spec import NetworkSpec, SearchSpace, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual
from nadv2_tf.spec.space import Decision

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


def cost(options, space, folder):
  return metering.resource_range(options, space, folder, metering.ready_meter(options, space))


def test_range_of_counted_macs(space, folder, options):
  # Filters n: 2x2 places x 9 taps x n, and n x 2 classes: 36 n + 2 n. The middle of 2 and 4 is 4.
  values = cost(options("macs"), space, folder)
  assert values == {"smallest": 76, "middle": 152, "largest": 152}
  assert folder.metrics() == {}
  assert metering.describe_range(values, "MACs") == (
    "smallest network 76 MACs, middle 152 MACs, largest 152 MACs"
  )


def test_the_middle_network_has_the_middle_choices(tiny_space):
  assert tiny_space.encode(metering.middle(tiny_space)) == (8, 8, 8, 4, 5)
  assert [d.choices for d in tiny_space.decisions][0] == (4, 8)
  assert [d.choices for d in tiny_space.decisions][1] == (0, 8, 16)


def write_tables(folder):
  """The two kinds of tables, as files."""
  ours, published = folder / "ours.csv", folder / "published.json"
  ours.write_text(LatencyTable(ROWS, {"device": "adb: Phone One"}).to_csv())
  published.write_text('{"0": {"0": 1.5, "1": 2.5}}')
  return ours, published


def test_range_of_a_table_file_needs_no_device(space, folder, tmp_path, monkeypatch, options):
  monkeypatch.setattr(metering, "open_device", None)
  ours, _ = write_tables(tmp_path)
  given = options(device=f"table:{ours}")
  values = cost(given, space, folder)
  assert values == pytest.approx({"smallest": 1.11, "middle": 3.22, "largest": 3.22}, abs=1e-9)
  meter = metering.ready_meter(given, space)
  assert meter.rows == ROWS and not folder.latency_table.exists()
  assert not metering.is_timed(given) and metering.is_timed(options())
  assert not metering.is_timed(options("macs"))


def test_a_published_table_is_read_by_its_ending(folder, tmp_path, options):
  blocks = (Conv(8, 3), InvertedResidual(24, 48, 8), Head(2))
  network = NetworkSpec("n", (4, 4, 1), blocks)
  made = SearchSpace(network, (Decision("width", "expansion", (1,), (24, 48)),))
  made = dataclasses.replace(made, network=network.with_block(1, expansion=48))
  _, published = write_tables(tmp_path)
  values = cost(options(device=f"table:{published}"), made, folder)
  assert values == {"smallest": 1.5, "middle": 2.5, "largest": 2.5}


@pytest.mark.parametrize("name", ["none.csv", "none.json", ""])
def test_a_missing_table_is_named(space, tmp_path, name, options):
  with pytest.raises(ValueError, match=f"--device=table:{tmp_path}/{name}: there is no file"):
    metering.ready_meter(options(device=f"table:{tmp_path}/{name}"), space)


@pytest.mark.parametrize("metric", list(COUNTS))
def test_a_counted_metric_needs_no_table(metric, space, options):
  assert type(metering.ready_meter(options(metric), space)) is COUNTS[metric]


def test_latency_on_a_device_has_no_meter_before_its_table(space, options):
  assert metering.ready_meter(options(), space) is None


def test_other_devices_are_refused(space, folder, options):
  progress = Progress()
  for use in (cost, lambda *given: metering.device_table(*given, progress)):
    with pytest.raises(ValueError, match="--device must be host, adb or adb:SERIAL.*got 'phone'"):
      use(options(device="phone"), space, folder)


@pytest.mark.parametrize(
  ("facts", "doubt"),
  [
    ({}, ""),
    ({"check_networks": "10", "check_error_median": "0.0208"}, ""),
    ({"check_networks": "10", "check_error_median": "0.15"}, ""),
    ({"check_networks": "9", "check_error_median": "0.8034"}, "off by 80% (median of 9 whole net"),
  ],
)
def test_a_table_that_predicts_badly_is_doubted(facts, doubt):
  found = metering.table_doubt(facts)
  assert doubt in found and bool(found) == bool(doubt)
