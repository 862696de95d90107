"""The tables of a mixed file are refused before a run trains anything."""

import pytest

from nadv2_tf.options import ExportOptions
from nadv2_tf.pipeline.stages import mixed_tables
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import pieces
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head

SPACE = space_of(NetworkSpec("tiny", (4, 4, 1), (Conv(4, 3, 2), Head(2))), 2)


def write(path, precision, spec=None, **facts):
  layers = [layer for block in (spec or SPACE.largest()).layers() for layer in block]
  rows = {piece: 1.0 for layer in layers for piece in pieces(layer)}
  path.write_text(LatencyTable(rows, {"precision": precision} | facts).to_csv())
  return path


@pytest.fixture
def check(tmp_path, folder):
  """Function (float table, int8 table) that checks them for a run in `folder`."""

  def checked(in_float, in_int8, on_unsteady="fail"):
    tables = {"float_table": str(in_float), "int8_table": str(in_int8)}
    options = ExportOptions("mixed", max_latency="50%", **tables)
    mixed_tables.check(options, SPACE, folder, on_unsteady)

  return checked


def test_tables_of_the_space_are_taken(check, tmp_path, folder):
  int8 = write(tmp_path / "int8.csv", "int8")
  check(write(tmp_path / "float.csv", "float32"), int8)
  check(folder.latency_table, int8)  # which the run measures
  check(write(folder.latency_table, "float32"), int8)
  mixed_tables.check(ExportOptions("mixed", max_size="50%"), SPACE, folder)


def test_what_would_fail_at_the_end_fails_at_the_beginning(check, tmp_path, folder):
  in_float, int8 = write(tmp_path / "float.csv", "float32"), write(tmp_path / "int8.csv", "int8")
  with pytest.raises(ValueError, match="There is no latency table .*no.csv"):
    check(tmp_path / "no.csv", int8)
  with pytest.raises(ValueError, match="There is no latency table .*no.csv"):
    check(folder.latency_table, tmp_path / "no.csv")
  with pytest.raises(ValueError, match="int8.csv is a table of int8 layers; one of float32"):
    check(int8, int8)
  with pytest.raises(ValueError, match="one of int8 is needed"):
    check(folder.latency_table, in_float)
  other = NetworkSpec("other", (4, 4, 1), (Conv(4, 5, 2), Head(2)))
  with pytest.raises(ValueError, match="The latency table has no row for"):
    check(in_float, write(tmp_path / "other.csv", "int8", other))


def test_a_table_that_its_own_check_finds_wrong_is_refused_or_marked(check, tmp_path, folder):
  facts = {"check_error_median": "0.52", "check_networks": "10"}
  good, int8 = write(tmp_path / "float.csv", "float32"), write(tmp_path / "int8.csv", "int8")
  wrong = write(tmp_path / "wrong.csv", "float32", **facts)
  wrong_int8 = write(tmp_path / "wrong8.csv", "int8", **facts)
  for both in ((wrong, int8), (good, wrong_int8), (folder.latency_table, wrong_int8)):
    with pytest.raises(ValueError, match=r"wrong8?.csv: The latency table is off by 52%") as error:
      check(*both)
    assert "--on_unsteady=mark" in str(error.value)
    check(*both, "mark")
