"""A latency table or predictor that its own check finds wrong is not used, or used and told."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from nadv2_tf.resources.block_table import BlockTable
from nadv2_tf.resources.latency_table import MOST_ERROR, LatencyTable, table_doubt
from nadv2_tf.resources.predictor import LatencyPredictor

if TYPE_CHECKING:
  import pathlib
  from collections.abc import Mapping

  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder

#: what a file that stands for a device is read as
FileMeter: TypeAlias = BlockTable | LatencyTable | LatencyPredictor


def check_doubt(meter: FileMeter, on_unsteady: str, path: pathlib.Path) -> str:
  """What speaks against a table or predictor, "" if nothing does.

  Published tables by block do not say how well they predict, and are taken as they are.

  Raises:
    ValueError: if something does and `on_unsteady` is "fail", or if its error is no number.
  """
  doubt = ""
  if isinstance(meter, LatencyTable):
    doubt = table_doubt(meter.facts)
  elif isinstance(meter, LatencyPredictor):
    doubt = _predictor_doubt(meter.facts, path)
  if doubt and on_unsteady == "fail":
    raise ValueError(
      f"{path}: {doubt} Measure it again (delete it, if it is a run's own), or go on with it: "
      "--on_unsteady=mark."
    )
  return doubt


def _predictor_doubt(facts: Mapping[str, str], path: pathlib.Path) -> str:
  """A sentence about a predictor that is as far off as no table may be, else ""."""
  told = facts.get("held_out_error_median", "0")
  try:
    error = float(told)
  except ValueError:
    error = math.nan
  if not (math.isfinite(error) and error >= 0):
    raise ValueError(f"{path}: held_out_error_median must be a number of at least 0, got {told!r}.")
  if error <= MOST_ERROR:
    return ""
  return (
    f"The latency predictor is off by {error:.0%} (median of "
    f"{facts.get('held_out_networks', 'some')} whole networks that it never saw): its table is "
    "wrong, or too few networks were timed for it."
  )


def tell_doubt(
  meter: FileMeter,
  on_unsteady: str,
  path: pathlib.Path,
  folder: RunFolder,
  progress: Progress,
  device: str = "",
  is_further: bool = False,
) -> None:
  """Checks a table or predictor as `check_doubt` does; a doubt is told, and stands in metrics.json.

  Args:
    meter: what was read.
    on_unsteady: as of `check_doubt`.
    path: its file.
    folder: the `RunFolder`.
    progress: a `Progress`.
    device: the name of its device, where a run has several.
    is_further: whether metrics.json keeps what it says of the tables before this one.

  Raises:
    ValueError: see `check_doubt`.
  """
  doubt = check_doubt(meter, on_unsteady, path)
  if doubt and device:
    doubt = f"{device}: {doubt}"
  if doubt:
    progress.line(f"{doubt} It is in {path}.")
  before = folder.metrics().table_doubt
  after = " ".join(filter(None, (before if is_further else "", doubt)))
  if after != before:
    folder.update_metrics(table_doubt=after)
