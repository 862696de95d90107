"""Latency by a file's word: --device=table:FILE or predictor:FILE."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from nadv2_tf.options.search import LATENCY
from nadv2_tf.options.timing import OLD_DELEGATES, flags_text
from nadv2_tf.pipeline.aim.counted import scaled_by
from nadv2_tf.pipeline.aim.device import check_timing
from nadv2_tf.pipeline.aim.doubts import FileMeter, check_doubt, tell_doubt
from nadv2_tf.pipeline.aim.ranges import costs_by
from nadv2_tf.resources.block_table import BlockTable
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.predictor import LatencyPredictor

if TYPE_CHECKING:
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.aim.rounds import Attempt
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.search import Problem, ResourceMeter
  from nadv2_tf.spec import NetworkSpec, SearchSpace


def _read_table(path: pathlib.Path) -> BlockTable | LatencyTable:
  """Our own tables are .csv, published ones by block .json."""
  return BlockTable.from_json(path) if path.suffix == ".json" else LatencyTable.from_csv(path)


#: what --device begins with where a file stands for it -> reads the file
READERS: dict[str, Callable[[pathlib.Path], FileMeter]] = {
  "table:": _read_table,
  "predictor:": LatencyPredictor.from_json,
}


def is_file(device: str) -> bool:
  """Whether a file stands for --device, and nothing can be timed."""
  return device.startswith(tuple(READERS))


def read_meter(device: str) -> FileMeter:
  """The meter of --device=table:FILE or predictor:FILE.

  Raises:
    ValueError: if the file is missing or none of that kind.
  """
  kind, _, name = device.partition(":")
  path = pathlib.Path(name)
  if not path.is_file():
    raise ValueError(f"--device={device}: there is no file {path}.")
  return READERS[f"{kind}:"](path)


def check_alike(device: str, table: FileMeter, options: SearchOptions) -> None:
  """Raises ValueError if a table or predictor was measured otherwise than the search would time.

  Published tables by block do not say how they were measured, and are taken as they are.
  """
  if isinstance(table, BlockTable):
    return
  delegate = table.facts.get("delegate", options.delegate)
  if OLD_DELEGATES.get(delegate, delegate) != options.delegate:
    raise ValueError(
      f"--device={device} was measured with --delegate={delegate}, and the search is for "
      f"{options.delegate}: give --delegate={delegate}, or measure a table with "
      f"{options.delegate}."
    )
  precision = table.facts.get("precision", "float32")
  if precision != options.search_precision:
    raise ValueError(
      f"--device={device} was measured with --search_precision={precision}, and the search is for "
      f"{options.search_precision}: give --search_precision={precision}, or measure a table with "
      f"{options.search_precision}."
    )
  for flag, own in (
    ("num_threads", str(options.num_threads)),
    ("cpu_mask", options.cpu_mask or "-"),
  ):
    if (measured := table.facts.get(flag, own)) != own:
      told = f"--{flag}={measured}" if measured != "-" else f"no --{flag}"
      raise ValueError(
        f"--device={device} was measured with {told}, and the search has "
        f"{f'--{flag}={own}' if own != '-' else 'none'}: give the same, or measure a table with it."
      )
  # A table of before the flag has none in its head, and was measured with none.
  measured, own = table.facts.get("benchmark_flags", "-"), flags_text(options.benchmark_flags)
  if measured != own:
    told = f"--benchmark_flags='{measured}'" if measured != "-" else "no --benchmark_flags"
    raise ValueError(
      f"--device={device} was measured with {told}, and the search has "
      f"{own if own != '-' else 'none'}: give the same, or measure a table with them."
    )


@dataclasses.dataclass(frozen=True)
class OfTable:
  """Latency as a table or a predictor has it is the `Metric`; nothing is ever timed.

  Attributes:
    device: "table:FILE" or "predictor:FILE".
    options: `SearchOptions`.
  """

  device: str
  options: SearchOptions
  name = LATENCY
  unit = "ms"
  is_timed = has_device = False
  count = None

  @functools.cached_property
  def _table(self) -> FileMeter:
    return read_meter(self.device)

  def check(self) -> None:
    check_timing(self.options, self.has_device)
    table = read_meter(self.device)
    check_alike(self.device, table, self.options)
    check_doubt(table, self.options.on_unsteady, self._path)

  @property
  def _path(self) -> pathlib.Path:
    return pathlib.Path(self.device.partition(":")[2])

  def costs(self, space: SearchSpace, folder: RunFolder) -> dict[str, float]:
    return costs_by(self._table, space)

  def prepare(self, space: SearchSpace, folder: RunFolder, progress: Progress) -> bool:
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

  def equally_fast(self, problem: Problem, found: NetworkSpec) -> tuple[NetworkSpec, str]:
    return scaled_by(problem, found), ""
