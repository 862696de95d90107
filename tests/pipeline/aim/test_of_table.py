"""A table in a device's place: what was measured otherwise than the search asks is refused."""

import pytest
from metric_files import ROWS, write_tables

from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.resources.latency_table import LatencyTable


@pytest.mark.parametrize(
  ("measured", "asked_for", "refused"),
  [
    (None, "gpu", False),  # a table that says nothing
    ("gpu", "gpu", False),
    ("xnnpack", "cpu", False),  # as tables had it before
    ("cpu", "xnnpack", False),
    ("cpu", "gpu", True),
    ("gpu", "cpu", True),
    ("npu", "gpu", True),
  ],
)
def test_a_table_of_another_delegate_is_refused(tmp_path, options, measured, asked_for, refused):
  path = tmp_path / "table.csv"
  path.write_text(LatencyTable(ROWS, {"delegate": measured} if measured else {}).to_csv())
  metric = metric_of(options(device=f"table:{path}", delegate=asked_for))
  if not refused:
    return metric.check()
  with pytest.raises(ValueError, match=f"was measured with --delegate={measured}, and the search"):
    metric.check()


@pytest.mark.parametrize("measured", [None, "float32", "int8"])
@pytest.mark.parametrize("asked_for", ["float32", "int8"])
def test_a_table_of_another_precision_is_refused(tmp_path, options, measured, asked_for):
  path = tmp_path / "table.csv"
  path.write_text(LatencyTable(ROWS, {"precision": measured} if measured else {}).to_csv())
  metric = metric_of(options(device=f"table:{path}", search_precision=asked_for))
  if (measured or "float32") == asked_for:
    return metric.check()
  with pytest.raises(ValueError, match=f"with --search_precision={measured or 'float32'}, and the"):
    metric.check()


@pytest.mark.parametrize(
  ("measured", "asked_for", "says"),
  [
    (None, "", None),
    ("-", "", None),
    ("--gpu_backend=opengl --allow_fp16=false", "--gpu_backend=opengl  --allow_fp16=false", None),
    (None, "--gpu_backend=opengl", "no --benchmark_flags, and the search has --gpu_backend=opengl"),
    ("--gpu_backend=opengl", "", "--benchmark_flags='--gpu_backend=opengl', and .* has none"),
  ],
)
def test_a_table_of_other_flags_is_refused(tmp_path, options, measured, asked_for, says):
  path = tmp_path / "table.csv"
  facts = {"benchmark_flags": measured} if measured else {}
  path.write_text(LatencyTable(ROWS, facts).to_csv())
  metric = metric_of(options(device=f"table:{path}", benchmark_flags=asked_for))
  if says is None:
    return metric.check()
  with pytest.raises(ValueError, match=f"was measured with {says}"):
    metric.check()


@pytest.mark.parametrize(
  ("measured", "asked_for", "says"),
  [
    ({}, {"num_threads": 4, "cpu_mask": "f0"}, None),  # a table that says nothing
    ({"num_threads": "4", "cpu_mask": "f0"}, {"num_threads": 4, "cpu_mask": "f0"}, None),
    ({"num_threads": "1", "cpu_mask": "-"}, {}, None),
    ({"num_threads": "4"}, {}, "--num_threads=4, and the search has --num_threads=1: give"),
    ({"cpu_mask": "f0"}, {}, "--cpu_mask=f0, and the search has none: give the same"),
    ({"cpu_mask": "-"}, {"cpu_mask": "f0"}, "no --cpu_mask, and the search has --cpu_mask=f0: g"),
  ],
)
def test_a_table_of_other_processors_is_refused(tmp_path, options, measured, asked_for, says):
  path = tmp_path / "table.csv"
  path.write_text(LatencyTable(ROWS, measured).to_csv())
  metric = metric_of(options(device=f"table:{path}", **asked_for))
  if says is None:
    return metric.check()
  with pytest.raises(ValueError, match=f"was measured with {says}"):
    metric.check()


def test_a_published_table_does_not_say_how_it_was_measured(tmp_path, options):
  _, published = write_tables(tmp_path)
  given = {"delegate": "gpu", "benchmark_flags": "--gpu_backend=opengl"}
  metric_of(options(device=f"table:{published}", **given)).check()
