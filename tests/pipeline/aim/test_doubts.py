"""A latency table that its own check finds wrong is refused, or used and told."""

import io

import pytest
from form_tables import NETWORK, table

from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.resources.latency_table import LatencyTable, table_doubt
from nadv2_tf.spec import space_of

ROWS, SPACE = table(bypass=0.0).rows, space_of(NETWORK, 2)


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
