"""Latency tables: interpolation, files and their damage."""

import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from read_networks import READ_NETWORKS

from nadv2_tf.resources import latency_table
from nadv2_tf.resources.latency_table import COLUMNS, LatencyTable, kilobytes
from nadv2_tf.resources.pieces import Piece, pieces
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import (
  Conv,
  Head,
)

CONV = Piece("conv", 4, 4, 4, 4, kernel=3, stride=2, activation="relu")
POOL = Piece("pool", 2, 2, 4, 4)
DENSE = Piece("conv", 1, 1, 4, 2, kernel=1, activation="linear")


def _at(piece, in_channels, kept):
  return dataclasses.replace(piece, in_channels=in_channels, kept=kept)


# Milliseconds for a 4x4 image -> 3x3 convolution of stride 2 -> global pool -> 2 classes.
ROWS = {
  _at(CONV, 4, 4): 1.0,
  _at(CONV, 4, 8): 3.0,
  _at(CONV, 8, 4): 5.0,
  _at(CONV, 8, 8): 11.0,
  _at(POOL, 4, 4): 0.1,
  _at(POOL, 8, 8): 0.2,
  _at(DENSE, 4, 2): 0.01,
  _at(DENSE, 8, 2): 0.02,
}


def _network(in_channels, filters):
  return NetworkSpec("tiny", (4, 4, in_channels), (Conv(filters, 3, 2), Head(2)))


@pytest.mark.parametrize(
  ("in_channels", "filters", "conv", "pool", "dense"),
  [
    (4, 4, 1.0, 0.1, 0.01),  # rows of the table
    (8, 8, 11.0, 0.2, 0.02),
    (4, 6, (1 + 3) / 2, 0.15, 0.015),  # between two rows
    (6, 8, (3 + 11) / 2, 0.2, 0.02),
    # Between four: 1 + 3/4 (3 - 1) = 2.5 and 5 + 3/4 (11 - 5) = 9.5; then 2.5 + 1/4 (9.5 - 2.5).
    (5, 7, 4.25, 0.175, 0.0175),
    (1, 1, 1.0, 0.1, 0.01),  # below the smallest measured width costs what that costs
    (4, 3, 1.0, 0.1, 0.01),
    (2, 6, (1 + 3) / 2, 0.15, 0.015),
  ],
)
def test_milliseconds_are_interpolated(in_channels, filters, conv, pool, dense):
  table, spec = LatencyTable(ROWS), _network(in_channels, filters)
  # Sums of a few floats; 1e-9 ms is far below any timing.
  assert table.block_costs(spec) == pytest.approx((conv, pool + dense), abs=1e-9)
  assert table.measure(spec) == pytest.approx(conv + pool + dense, abs=1e-9)
  assert (table.unit, table.is_exact) == ("ms", True)


@pytest.mark.parametrize(("in_channels", "filters", "asked"), [(4, 9, 9), (12, 8, 12)])
def test_above_the_largest_row_is_refused(in_channels, filters, asked):
  with pytest.raises(ValueError, match=f"kind=conv, .* up to 8 channels, asked for {asked}"):
    LatencyTable(ROWS).measure(_network(in_channels, filters))


def test_a_missing_shape_is_refused():
  rows = {piece: value for piece, value in ROWS.items() if piece.kind != "pool"}
  with pytest.raises(ValueError, match="no row for kind=pool, in_height=2, in_width=2, in_cha"):
    LatencyTable(rows).measure(_network(4, 4))
  # The same layer with another activation was not measured either.
  with pytest.raises(ValueError, match="no row for kind=conv, .*activation=hard_swish"):
    LatencyTable(ROWS).measure(_network(4, 4).with_block(0, activation="hard_swish"))


def test_a_grid_with_a_hole_is_refused():
  rows = {piece: value for piece, value in ROWS.items() if piece != _at(CONV, 8, 4)}
  with pytest.raises(ValueError, match="kind=conv, .* lacks in_channels=8, kept=4"):
    LatencyTable(rows)


def test_one_measured_width_stands_for_all_below_it():
  rows = {POOL: 0.1, _at(CONV, 4, 4): 1.0, _at(CONV, 8, 4): 2.0, _at(DENSE, 4, 2): 0.01}
  table = LatencyTable(rows)
  assert table.measure(_network(4, 2)) == pytest.approx(1.11, abs=1e-9)
  with pytest.raises(ValueError, match="up to 4 channels, asked for 5"):
    table.measure(_network(4, 5))


@pytest.mark.parametrize(
  ("cache_kb", "spilled_kb"), [(0, 0.9453125), (0.25, 0.6953125), (0.9453125, 0), (2, 0)]
)
def test_weights_that_outgrow_the_cache_are_paid_for(cache_kb, spilled_kb):
  facts = {"scale": 2, "spill_ms_per_kb": 0.5, "cache_kb": cache_kb}
  table, spec = LatencyTable(ROWS, facts), _network(4, 6)
  # 6 filters of 3x3x4 with scale and shift, 2 classes of 6 with bias, 4 bytes each.
  assert kilobytes(spec) == (6 * (9 * 4 + 2) + 2 * (6 + 1)) * 4 / 1024 == 0.9453125
  rows = 2.0 + 0.15 + 0.015
  assert sum(table.block_costs(spec)) == pytest.approx(2 * rows, abs=1e-9)
  assert table.measure(spec) == pytest.approx(2 * rows + 0.5 * spilled_kb, abs=1e-9)


@pytest.mark.parametrize("name", READ_NETWORKS)
def test_other_peoples_networks_have_a_price(name, tmp_path):
  spec = READ_NETWORKS[name]
  layers = [layer for block in spec.layers() for layer in block]
  needed = [piece for layer in layers for piece in pieces(layer)]
  rows = {piece: index + 1.0 for index, piece in enumerate(dict.fromkeys(needed))}
  for piece in list(rows):  # grids without holes
    for inputs, kept in itertools.product(*_widths(piece, needed)):
      rows.setdefault(_at(piece, inputs, kept), 1000.0)
  table = LatencyTable(rows)
  assert table.measure(spec) == pytest.approx(sum(rows[piece] for piece in needed), abs=1e-9)
  read = LatencyTable.from_csv(_write(tmp_path, table.to_csv()))
  assert read.rows == rows and read.measure(spec) == table.measure(spec)


def _widths(piece, needed):
  """All in_channels and all kept of pieces of one shape, if the two are free of each other."""
  if piece.kind != "conv":
    return [piece.in_channels], [piece.kept]
  alike = [other for other in needed if other.shape == piece.shape]
  return {other.in_channels for other in alike}, {other.kept for other in alike}


FACTS = {"device": "a: phone", "num_threads": "1", "scale": "1.5", "date": "2024-01-01"}


def _write(tmp_path, text):
  path = tmp_path / "table.csv"
  path.write_bytes(text if isinstance(text, bytes) else text.encode())
  return path


def test_csv_there_and_back(tmp_path):
  table = LatencyTable(ROWS, FACTS)
  read = LatencyTable.from_csv(_write(tmp_path, table.to_csv()))
  assert read.rows == table.rows
  assert read.facts == table.facts
  assert list(read.rows) == list(table.rows)
  assert read.to_csv() == table.to_csv()
  spec = _network(5, 7)
  assert read.measure(spec) == table.measure(spec) == pytest.approx(1.5 * 4.4425, abs=1e-9)


def test_a_table_that_was_cut_off_is_refused_wherever_that_was(tmp_path):
  """Each of its lines is whole, and its last number may be a shorter one."""
  rows = {**ROWS, _at(DENSE, 8, 2): 0.0215}
  text = LatencyTable(rows, {"rows": len(rows), "scale": 1.5}).to_csv()
  assert LatencyTable.from_csv(_write(tmp_path, text)).rows == rows
  for end in range(text.index("kind"), len(text)):
    with pytest.raises(ValueError, match="table.csv"):
      LatencyTable.from_csv(_write(tmp_path, text[:end]))
  for end in (text.rindex("conv"), len(text) - 2, len(text) - 1):
    with pytest.raises(ValueError, match=r"was cut off: its head tells of 8 rows, and [78] are"):
      LatencyTable.from_csv(_write(tmp_path, text[:end]))
  # One that was written by hand says nothing of its rows, and need not end its last line.
  LatencyTable.from_csv(_write(tmp_path, LatencyTable(ROWS).to_csv().rstrip()))


HEADER = ",".join(COLUMNS)
GOOD = "conv,4,4,4,4,3,2,0,relu,1.0"

# A damaged file, and what its message must say besides the file's name.
DAMAGED = (
  ("", "has no rows"),
  (HEADER, "has no rows"),
  (GOOD, "line 1: the columns must be kind, in_height, .*milliseconds"),
  (f"# a: b\nkind,milliseconds\n{GOOD}", "line 2: the columns must be kind, in_height"),
  (f"{HEADER}\n{GOOD}\nconv,4,4", "line 3: 10 fields are needed, got 3"),
  (f"{HEADER}\n{GOOD},7", "line 2: 10 fields are needed, got 11"),
  (f"{HEADER}\n\n{GOOD}", "line 2: 10 fields are needed, got 0"),
  (
    f"{HEADER}\n{GOOD.replace('4', 'x', 1)}",
    "line 2: in_height must be an integer of at least 0, got 'x'",
  ),
  (
    f"{HEADER}\n{GOOD.replace('3', '3.5')}",
    "line 2: kernel must be an integer of at least 0, got '3.5'",
  ),
  (f"{HEADER}\n{GOOD.replace('relu', 'relu pad x y')}", "line 2: activation must be as a table"),
  (f"{HEADER}\nsqueeze_excite,4,4,4,4,0,1,2,swish,1.0", "line 2: activation must be as a table"),
  (f"{HEADER}\n{GOOD[:-3]}fast", "line 2: milliseconds must be a number .* 0, got 'fast'"),
  (f"{HEADER}\n{GOOD[:-3]}-1", "line 2: milliseconds must be a number of at least 0, got '-1'"),
  (f"{HEADER}\n{GOOD[:-3]}nan", "line 2: milliseconds must be a number .* got 'nan'"),
  (f"{HEADER}\n{GOOD[:-3]}inf", "line 2: milliseconds must be a number .* got 'inf'"),
)


@pytest.mark.parametrize(("text", "message"), DAMAGED)
def test_a_damaged_file_is_named_with_line_and_field(tmp_path, text, message):
  path = _write(tmp_path, text)
  with pytest.raises(ValueError, match=message) as refusal:
    LatencyTable.from_csv(path)
  assert str(path) in str(refusal.value)


SUBTLY_DAMAGED = (
  (f"# scale: fast\n{HEADER}\n{GOOD}", "scale must be a number"),
  (f"# scale: nan\n{HEADER}\n{GOOD}", "scale must be a number"),
  (f"# cache_kb: -1\n{HEADER}\n{GOOD}", "cache_kb must be a number"),
  (f"{HEADER}\n{GOOD}\n{GOOD[:-3]}2.0", "line 3: a second row for kind=conv"),
  (f"{HEADER}\n{GOOD.replace('4', '-4', 1)}", "line 2: in_height must be an integer"),
  (f"{HEADER}\n{GOOD}\nconv,4,4,8,8,3,2,0,relu,1.0", "lacks in_channels=4, kept=8"),
  (f"{HEADER}\n{GOOD}\nconv,4,4,8,5,3,2,0,relu,1.0", "lacks in_channels=4, kept=5"),
  (f"{HEADER}\n{'x' * 131_073}", "line 2 is longer than 4096"),
  (b"\xff\xfe", "is no text file"),
)


@pytest.mark.parametrize(("text", "message"), SUBTLY_DAMAGED)
def test_other_damage_is_named_too(tmp_path, text, message):
  path = _write(tmp_path, text)
  with pytest.raises(ValueError, match=message) as refusal:
    LatencyTable.from_csv(path)
  assert str(path) in str(refusal.value)


def test_a_file_that_is_missing_or_too_large(tmp_path, monkeypatch):
  with pytest.raises(FileNotFoundError):
    LatencyTable.from_csv(tmp_path / "none.csv")
  path = _write(tmp_path, f"{HEADER}\n{GOOD}\n")
  monkeypatch.setattr(latency_table, "LARGEST_FILE", path.stat().st_size - 1)
  with pytest.raises(ValueError, match=r"table\.csv is larger than \d+ bytes"):
    LatencyTable.from_csv(path)


# Derandomised: the same examples in every run, so a pass is no luck.
FIXED = settings(derandomize=True, deadline=None, max_examples=300)
# Digits, signs and separators are what gets furthest into the reader.
FRAGMENTS = st.sampled_from([HEADER, GOOD, "\n", ",", "#", ":", "# scale: ", "1", "-", "e", '"'])


def _read_or_refuse(path):
  try:
    LatencyTable.from_csv(path)
  except (ValueError, OSError):
    return


@FIXED
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_random_files_raise_nothing_but_value_and_os_errors(tmp_path_factory, text):
  text = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
  _read_or_refuse(_write(tmp_path_factory.getbasetemp(), text))


@FIXED
@given(st.lists(FRAGMENTS, max_size=12))
def test_shuffled_pieces_of_a_file_raise_nothing_but_value_and_os_errors(tmp_path_factory, parts):
  _read_or_refuse(_write(tmp_path_factory.getbasetemp(), "".join(parts)))


@FIXED
@given(
  st.integers(0, len(COLUMNS) - 1),
  st.text(max_size=12) | st.integers().map(str) | st.floats().map(str),
)
def test_one_random_field_raises_nothing_but_value_and_os_errors(tmp_path_factory, column, value):
  fields = GOOD.split(",")
  fields[column] = value
  _read_or_refuse(_write(tmp_path_factory.getbasetemp(), f"{HEADER}\n{','.join(fields)}\n"))
