"""The form in which the networks of a finished run are exported again."""

import io

import pytest
from form_tables import NETWORK, table

from nadv2_tf.options import SearchOptions
from nadv2_tf.pipeline.aim.forms import fastest_form
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.spec import space_of

SPACE = space_of(NETWORK, 2)


def _form(path, **options):
  """(the form of the network, what was said) after a search with these options and a table."""
  folder, said = RunFolder(path), io.StringIO()
  folder.open(search=SearchOptions(**options))
  folder.latency_table.write_text(table(bypass=0.05).to_csv())
  return fastest_form(folder, SPACE, Progress(said))(NETWORK), said.getvalue()


def test_it_is_that_of_the_table_that_was_searched_with(tmp_path):
  form = NETWORK.with_block(1, filters=6)
  assert _form(tmp_path / "host") == (form, "")
  path = tmp_path / "table.csv"
  path.write_text(table(bypass=0.05).to_csv())
  assert _form(tmp_path / "table", device=f"table:{path}") == (form, "")


@pytest.mark.parametrize(
  "options", [{"metric": "macs"}, {"limit": "parameters<=50%"}, {"device": "adb:A,adb:B"}]
)
def test_where_filters_would_count_it_stays(tmp_path, options):
  assert _form(tmp_path / "run", **options) == (NETWORK, "")


def test_a_table_that_is_gone_is_told(tmp_path):
  form, said = _form(tmp_path / "run", device="table:gone.csv")
  assert form == NETWORK and said.startswith("bypasses are exported as they are: ")
  assert "gone.csv" in said
