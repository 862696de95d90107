"""A latency table that its own check finds wrong is not used, or is, and that is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.resources.latency_table import table_doubt

if TYPE_CHECKING:
  import pathlib

  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.resources.latency_table import LatencyTable


def check_doubt(table: LatencyTable, on_unsteady: str, path: pathlib.Path) -> str:
  """What speaks against a table, "" if nothing does.

  Raises:
    ValueError: if something does and `on_unsteady` is "fail".
  """
  doubt = table_doubt(table.facts)
  if doubt and on_unsteady == "fail":
    raise ValueError(
      f"{path}: {doubt} Measure it again (delete it, if it is a run's own), or go on with it: "
      "--on_unsteady=mark."
    )
  return doubt


def tell_doubt(
  table: LatencyTable,
  on_unsteady: str,
  path: pathlib.Path,
  folder: RunFolder,
  progress: Progress,
) -> None:
  """Checks a table as `check_doubt` does; a doubt is told, and stands in metrics.json."""
  doubt = check_doubt(table, on_unsteady, path)
  if doubt:
    progress.line(f"{doubt} It is in {path}.")
  if doubt or folder.metrics().table_doubt:
    folder.update_metrics(table_doubt=doubt)
