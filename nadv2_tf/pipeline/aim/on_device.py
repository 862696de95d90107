"""Latency as a device has it: a table leads the search, whole networks are timed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from nadv2_tf.options.search import LATENCY
from nadv2_tf.options.timing import device_names
from nadv2_tf.pipeline.aim.amounts import parse_targets
from nadv2_tf.pipeline.aim.confirmation import Confirmation
from nadv2_tf.pipeline.aim.device import check_timing, device_of, network_timing, timing_settings
from nadv2_tf.pipeline.aim.doubts import tell_doubt
from nadv2_tf.pipeline.aim.ranges import (
  RANGE,
  keep_range,
  known_range,
  range_doubts,
  range_of,
)
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.search.forms import fastest_form_of
from nadv2_tf.search.uniform import scaled_to

if TYPE_CHECKING:
  from collections.abc import Callable

  from nadv2_tf.benchmarks.tables.meter import DeviceMeter
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.aim.rounds import Attempt
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.search import Problem, ResourceMeter
  from nadv2_tf.spec import NetworkSpec, SearchSpace

#: networks that a run's own table is checked with; nadv2-latency-table takes more
CHECK_NETWORKS = 10
#: a reference counts as equally fast within this share of the found network's latency
SAME_LATENCY = 0.02
SCALING_ROUNDS = 4


@dataclasses.dataclass(frozen=True)
class OnDevice:
  """Latency on a device is the `Metric`.

  Attributes:
    options: `SearchOptions`.
  """

  options: SearchOptions
  name = LATENCY
  unit = "ms"
  is_timed = has_device = True
  count = None

  def check(self) -> None:
    from nadv2_tf.benchmarks.tables.clock import check_clock

    check_timing(self.options, self.has_device)
    for number in range(len(device_names(self.options.device))):
      check_clock(device_of(self.options, number))

  def costs(self, space: SearchSpace, folder: RunFolder) -> dict[str, float]:
    return timed_range(self.options, space, folder)

  def prepare(self, space: SearchSpace, folder: RunFolder, progress: Progress) -> bool:
    is_new = not folder.latency_table.exists()
    table = device_table(self.options, space, folder, progress)
    first, *others = device_names(self.options.device)
    name = first if others else ""
    tell_doubt(table, self.options.on_unsteady, folder.latency_table, folder, progress, name)
    return is_new

  def meter(self, space: SearchSpace, folder: RunFolder) -> ResourceMeter:
    return LatencyTable.from_csv(folder.need(folder.latency_table, "nadv2-search"))

  def confirmation(self, folder: RunFolder, problem: Problem, progress: Progress) -> Confirmation:
    shares = target_shares(self.options, folder)
    return Confirmation(folder, problem, self.options, progress, shares)

  def measured(self, attempt: Attempt) -> float | None:
    return attempt.measured

  def figures(self, spec: NetworkSpec, problem: Problem) -> dict[str, float]:
    return {}

  def equally_fast(self, problem: Problem, found: NetworkSpec) -> tuple[NetworkSpec, str]:
    return timed_equally_fast(self.options, problem, found)


def target_shares(options: SearchOptions, folder: RunFolder) -> dict[float, float]:
  """{target in milliseconds: its share of the largest network's} of targets that are shares."""
  known = folder.metrics().range_of(RANGE)
  if known is None:
    return {}
  largest = known.values["largest"]
  targets = parse_targets(options.target, largest)
  return {target: target / largest for target, text in targets if text.endswith("%")}


def timed_range(options: SearchOptions, space: SearchSpace, folder: RunFolder) -> dict[str, float]:
  """Milliseconds of the smallest, middle and largest network: {name: milliseconds}.

  They are measured on the device itself, once for a folder, and not taken from a table of layers:
  they come before the table, and before any training. What speaks against one of them stands beside
  them; such ones are measured again as long as nothing was built on them.
  """
  from nadv2_tf.benchmarks.tables.headers import header_of
  from nadv2_tf.benchmarks.tables.meter import DeviceMeter

  specs = range_of(space)
  with device_of(options) as device:
    settings = network_timing(options, device)
    header = header_of(space, device, settings)
    known = known_range(folder, header)
    if known and (folder.latency_table.exists() or not range_doubts(folder)):
      return known
    timings = DeviceMeter(device, settings).time_all(list(specs.values()))
  measured = dict(zip(specs, timings, strict=True))
  values = {name: timing.latency_ms for name, timing in measured.items()}
  doubts = {name: timing.doubt for name, timing in measured.items() if timing.doubt}
  keep_range(folder, header, values, doubts=doubts)
  return values


def device_table(
  options: SearchOptions,
  space: SearchSpace,
  folder: RunFolder,
  progress: Progress,
  number: int = 0,
) -> LatencyTable:
  """The latency table of a device of the run; measured first if the folder has none.

  Args:
    options: `SearchOptions`.
    space: the `SearchSpace`.
    folder: the `RunFolder`.
    progress: a `Progress`.
    number: which of the devices.

  Raises:
    TimingError: if the device cannot time, or is too busy for a table that holds.
  """
  from nadv2_tf.benchmarks.tables.headers import check_header, header_of
  from nadv2_tf.benchmarks.tables.measurement import TableMeasurement
  from nadv2_tf.spec.files import write_atomically

  path = folder.latency_table_of(number)
  settings = timing_settings(options, on_unsteady=options.on_unsteady)
  with device_of(options, number) as device, progress.bar("latency table", 0, "files") as bar:
    if path.exists():  # before a partial file is begun, which would stand in the way
      check_header(path, header_of(space, device, settings))
    measurement = TableMeasurement(space, device, settings, path, report=bar.of_total)
    if not path.exists():
      table = measurement.measure(CHECK_NETWORKS)
      write_atomically(path, table.to_csv().encode())
    measurement.finish()
  return LatencyTable.from_csv(path)


def timed_equally_fast(
  options: SearchOptions, problem: Problem, found: NetworkSpec
) -> tuple[NetworkSpec, str]:
  """The uniformly scaled network that is as fast as `found` on the device itself.

  The table leads and whole networks decide: found and scaled network are timed in turns, and the
  table's goal is corrected by their ratio.

  Returns:
    The network, and what speaks against the timings that it was chosen by, "" if nothing does.
  """
  from nadv2_tf.benchmarks.tables.meter import DeviceMeter

  goal = problem.meter.measure(found)

  def narrowed(goal: float) -> NetworkSpec:
    return scaled_to(problem.space, problem.meter.measure, goal)

  with device_of(options) as device:
    settings = network_timing(options, device, repeats=7)
    timer = DeviceMeter(device, settings, fastest_form_of(problem.meter))
    return _nearest(found, goal, narrowed, timer)


def as_fast_as(
  found: NetworkSpec, goal: float, narrowed: Callable[[float], NetworkSpec], meter: DeviceMeter
) -> NetworkSpec:
  """The network of one family that is as fast as `found`, or the nearest of a few rounds.

  Args:
    found: is timed in every round, in turns with the other.
    goal: what a table says of it, in milliseconds.
    narrowed: the family: the network that the table gives about so many milliseconds.
    meter: `DeviceMeter`.
  """
  return _nearest(found, goal, narrowed, meter)[0]


def _nearest(
  found: NetworkSpec, goal: float, narrowed: Callable[[float], NetworkSpec], meter: DeviceMeter
) -> tuple[NetworkSpec, str]:
  """See `as_fast_as`; the network, and what speaks against the two timings of its round."""
  best: Any = None
  for _ in range(SCALING_ROUNDS):
    candidate = narrowed(goal)
    timings = meter.time_all([found, candidate])
    found_ms, candidate_ms = (timing.latency_ms for timing in timings)
    ratio = candidate_ms / found_ms
    if best is None or abs(ratio - 1) < best[0]:
      doubts = dict.fromkeys(timing.doubt for timing in timings if timing.doubt)
      best = (abs(ratio - 1), candidate, "; ".join(doubts))
    if abs(ratio - 1) <= SAME_LATENCY:
      break
    goal /= ratio
  return best[1:]
