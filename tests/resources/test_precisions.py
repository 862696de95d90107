"""Two latency tables of one device: what blocks take in either precision, and what is refused."""

import re

import pytest

from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import Piece
from nadv2_tf.resources.precisions import PrecisionTables
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, Head

# A 4x4 image -> 3x3 convolution of stride 2 with 4 filters -> global pool -> 2 classes.
SPEC = NetworkSpec("tiny", (4, 4, 1), (Conv(4, 3, 2), Head(2)))
PIECES = (
  Piece("conv", 4, 4, 1, 4, kernel=3, stride=2, activation="relu"),
  Piece("pool", 2, 2, 4, 4),
  Piece("conv", 1, 1, 4, 2, kernel=1, activation="linear"),
)


@pytest.fixture
def tables(tmp_path):
  """Function (facts of the float table, facts of the int8 table) -> their paths."""

  def written(first=None, second=None):
    paths = []
    for name, values, facts in (
      ("float", (3.0, 0.2, 0.02), {"device": "phone"} | (first or {})),
      ("int8", (1.0, 0.3, 0.03), {"device": "phone", "precision": "int8"} | (second or {})),
    ):
      paths.append(tmp_path / f"{name}.csv")
      table = LatencyTable(dict(zip(PIECES, values, strict=True)), facts)
      paths[-1].write_text(table.to_csv())
    return paths

  return written


def test_milliseconds_of_blocks_by_hand(tables):
  found = PrecisionTables.from_csv(*tables()).block_milliseconds(SPEC)
  assert found[0] == pytest.approx((3.0, 0.22)) and found[1] == pytest.approx((1.0, 0.33))


def test_what_outgrows_the_cache_is_shared_out_by_weights(tables):
  paths = tables({"spill_ms_per_kb": "2", "cache_kb": "0.05"})
  tables_of_both = PrecisionTables.from_csv(*paths)
  in_float, in_int8 = tables_of_both.block_milliseconds(SPEC)
  assert sum(in_float) == pytest.approx(LatencyTable.from_csv(paths[0]).measure(SPEC))
  # 36 weights, scale and shift of 4 filters: 44 parameters; 8 + 2 behind them. 54 x 4 bytes are
  # 0.2109 kB, 0.1609 above the cache: 0.3219 ms.
  added = 2 * (54 * 4 / 1024 - 0.05)
  assert in_float == pytest.approx((3.0 + added * 44 / 54, 0.22 + added * 10 / 54))
  assert in_int8 == pytest.approx((1.0, 0.33))


@pytest.mark.parametrize(
  ("first", "second", "message"),
  [
    ({"precision": "int8"}, {}, "float.csv is a table of int8 layers; one of float32 is needed"),
    ({}, {"precision": "float32"}, "int8.csv is a table of float32 layers; one of int8 is needed"),
    ({}, {"device": "other"}, "measured with device phone, .*int8.csv with other: take tables"),
    ({"num_threads": "1"}, {"num_threads": "4"}, "num_threads 1, .*with 4: take tables of one"),
  ],
)
def test_tables_that_do_not_go_together_are_one_line(tables, first, second, message):
  with pytest.raises(ValueError, match=message) as error:
    PrecisionTables.from_csv(*tables(first, second))
  assert "\n" not in str(error.value)


def test_a_table_that_is_missing(tables, tmp_path):
  paths = tables()
  missing = tmp_path / "no.csv"
  with pytest.raises(ValueError, match=re.escape(f"There is no latency table {missing}.")):
    PrecisionTables.from_csv(paths[0], missing)


def test_what_their_own_checks_say_against_them(tables):
  assert PrecisionTables.from_csv(*tables({"check_error_median": "0.09"})).doubt == ""
  said = PrecisionTables.from_csv(*tables(None, {"check_error_median": "0.11"})).doubt
  assert said.startswith("int8: The latency table is off by 11%")
