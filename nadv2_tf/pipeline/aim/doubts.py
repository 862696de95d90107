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
  device: str = "",
  is_further: bool = False,
) -> None:
  """Checks a table as `check_doubt` does; a doubt is told, and stands in metrics.json.

  Args:
    table: the `LatencyTable`.
    on_unsteady: as of `check_doubt`.
    path: its file.
    folder: the `RunFolder`.
    progress: a `Progress`.
    device: the name of its device, where a run has several.
    is_further: whether metrics.json keeps what it says of the tables before this one.

  Raises:
    ValueError: see `check_doubt`.
  """
  doubt = check_doubt(table, on_unsteady, path)
  if doubt and device:
    doubt = f"{device}: {doubt}"
  if doubt:
    progress.line(f"{doubt} It is in {path}.")
  before = folder.metrics().table_doubt
  after = " ".join(filter(None, (before if is_further else "", doubt)))
  if after != before:
    folder.update_metrics(table_doubt=after)
