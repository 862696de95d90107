"""Latency by a table's word: --device=table:FILE."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from typing import TYPE_CHECKING

from nadv2_tf.options.search import LATENCY
from nadv2_tf.options.timing import OLD_DELEGATES
from nadv2_tf.pipeline.aim.counted import scaled_by
from nadv2_tf.pipeline.aim.device import check_timing
from nadv2_tf.pipeline.aim.doubts import check_doubt, tell_doubt
from nadv2_tf.pipeline.aim.ranges import costs_by
from nadv2_tf.resources.block_table import BlockTable
from nadv2_tf.resources.latency_table import LatencyTable

if TYPE_CHECKING:
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.aim.rounds import Attempt
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.search import Problem, ResourceMeter
  from nadv2_tf.spec import NetworkSpec, SearchSpace

TABLE_DEVICE = "table:"


def read_table(device: str) -> BlockTable | LatencyTable:
  """The meter of --device=table:FILE: our own tables are .csv, published ones by block .json.

  Raises:
    ValueError: if the file is missing or no table.
  """
  path = pathlib.Path(device.removeprefix(TABLE_DEVICE))
  if not path.is_file():
    raise ValueError(f"--device={device}: there is no file {path}.")
  return BlockTable.from_json(path) if path.suffix == ".json" else LatencyTable.from_csv(path)


def check_delegate(device: str, table: BlockTable | LatencyTable, delegate: str) -> None:
  """Raises ValueError if a table says that it was measured with another delegate."""
  facts = table.facts if isinstance(table, LatencyTable) else {}
  measured = facts.get("delegate", delegate)
  if OLD_DELEGATES.get(measured, measured) != delegate:
    raise ValueError(
      f"--device={device} was measured with --delegate={measured}, and the search is for "
      f"{delegate}: give --delegate={measured}, or measure a table with {delegate}."
    )


@dataclasses.dataclass(frozen=True)
class OfTable:
  """Latency as a table has it is the `Metric`; nothing is ever timed.

  Attributes:
    device: "table:FILE".
    options: `SearchOptions`.
  """

  device: str
  options: SearchOptions
  name = LATENCY
  unit = "ms"
  is_timed = has_device = False
  count = None

  @functools.cached_property
  def _table(self) -> BlockTable | LatencyTable:
    return read_table(self.device)

  def check(self) -> None:
    check_timing(self.options, self.has_device)
    table = read_table(self.device)
    check_delegate(self.device, table, self.options.delegate)
    if isinstance(table, LatencyTable):
      check_doubt(table, self.options.on_unsteady, self._path)

  @property
  def _path(self) -> pathlib.Path:
    return pathlib.Path(self.device.removeprefix(TABLE_DEVICE))

  def costs(self, space: SearchSpace, folder: RunFolder) -> dict[str, float]:
    return costs_by(self._table, space)

  def prepare(self, space: SearchSpace, folder: RunFolder, progress: Progress) -> bool:
    if isinstance(self._table, LatencyTable):
      tell_doubt(self._table, self.options.on_unsteady, self._path, folder, progress)
    return False

  def meter(self, space: SearchSpace, folder: RunFolder) -> ResourceMeter:
    return self._table

  def confirmation(self, folder: RunFolder, problem: Problem, progress: Progress) -> None:
    return None

  def measured(self, attempt: Attempt) -> None:
    return None  # what a table says is a prediction

  def figures(self, spec: NetworkSpec, problem: Problem) -> dict[str, float]:
    return {}

  def equally_fast(self, problem: Problem, found: NetworkSpec) -> NetworkSpec:
    return scaled_by(problem, found)
