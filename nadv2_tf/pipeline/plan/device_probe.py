"""Measures what building and timing files costs, with the run's own settings."""

from __future__ import annotations

import random
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.benchmarks.tables.measurement import (
  CALIBRATION_NETWORKS,
  TableMeasurement,
)
from nadv2_tf.benchmarks.tables.meter import DeviceMeter
from nadv2_tf.benchmarks.tables.networks import network_file
from nadv2_tf.benchmarks.tables.plan import networks_over_range, planned_pieces
from nadv2_tf.options import built_as
from nadv2_tf.pipeline.aim.device import device_of, network_timing, timing_settings
from nadv2_tf.pipeline.aim.on_device import CHECK_NETWORKS
from nadv2_tf.search.uniform import scaled_to, uniformly_scaled

if TYPE_CHECKING:
  from collections.abc import Mapping, Sequence

  from nadv2_tf.options import SearchOptions, TimingSettings
  from nadv2_tf.resources.pieces import Piece
  from nadv2_tf.search.problem import ResourceMeter
  from nadv2_tf.spec import NetworkSpec, SearchSpace

#: files that are built and timed; of a device that must settle before each of them, fewer
PIECES, NETWORKS = 24, 6
SLOW_PIECES, SLOW_NETWORKS = 4, 2
#: of the uniformly scaled networks that are timed
SHARES = (0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
#: seconds of settling that make a device slow
SLOW = 0.05


def table_costs(
  options: SearchOptions, space: SearchSpace, table: ResourceMeter, seed: int = 0
) -> tuple[dict[str, float], list[tuple[Piece, float]]]:
  """({cost: seconds} of a latency table, [(piece, ms)] of some); `table` is a likely one."""
  wanted = planned_pieces(space)
  with device_of(options) as device:
    settings = timing_settings(options)
    measurement = TableMeasurement(space, device, settings)
    is_slow = device.settling_seconds > SLOW
    pieces = random.Random(seed).sample(
      wanted, min(SLOW_PIECES if is_slow else PIECES, len(wanted))
    )
    start = time.monotonic()
    milliseconds = measurement.pieces(pieces)
    piece = (time.monotonic() - start) / len(pieces)
    networks = SLOW_NETWORKS if is_slow else NETWORKS
    start = time.monotonic()
    specs = networks_over_range(space, networks, seed, table.measure)
    chosen = (time.monotonic() - start) / networks
    start = time.monotonic()
    measurement.networks(specs)
    network = (time.monotonic() - start) / len(specs)
  choose = chosen * (CALIBRATION_NETWORKS + CHECK_NETWORKS)
  costs = {"piece": piece, "table_network": network, "choose": choose}
  return costs, list(zip(pieces, milliseconds, strict=True))


def timing_costs(
  options: SearchOptions,
  space: SearchSpace,
  specs: Sequence[NetworkSpec],
  range_seconds: float,
  range_ms: Mapping[str, float],
  table: ResourceMeter,
) -> dict[str, float]:
  """{cost: seconds} of single networks, from what timing smallest, middle and largest took.

  Args:
    options: `SearchOptions`.
    space: the `SearchSpace`.
    specs: networks like those that are confirmed.
    range_seconds: of building and timing the three.
    range_ms: {name: milliseconds} of them.
    table: a meter in milliseconds.
  """
  device = device_of(options)
  settings = network_timing(options, device)
  start = time.monotonic()
  for spec in specs:
    network_file(spec, **built_as(settings))
  file = (time.monotonic() - start) / len(specs)
  ms = statistics.mean(table.measure(spec) for spec in specs)
  # The reference network rides along at both ends; it takes less than the least time of a repeat.
  planned = sum(nominal_seconds(settings, value) for value in (*range_ms.values(), 0.0, 0.0))
  # Unsteady files are timed again, and processes start: as often as here.
  ratio = max(range_seconds - len(range_ms) * file, 0.0) / planned
  changes = {
    "confirm": {"repeats": 5},
    "match": {"repeats": 7},
    "time": {"repeats": 7, "runs": 100},
  }
  found = {
    name: ratio * nominal_seconds(network_timing(options, device, **changed), ms)
    for name, changed in changes.items()
  }
  start = time.monotonic()
  scaled_to(space, table.measure, table.measure(specs[0]))
  scaled = time.monotonic() - start
  return {
    "confirm": file + found["confirm"],
    "match": scaled + 2 * (file + found["match"]),
    "time": found["time"],
  }


def uniform_as_fast(options: SearchOptions, space: SearchSpace, goal: float) -> NetworkSpec:
  """The uniformly scaled network that takes `goal` milliseconds, nearly: a few shares are timed.

  No table tells it well: widths that are no multiples of eight make layers slow.
  """
  specs = [uniformly_scaled(space, share) for share in SHARES]
  with device_of(options) as device:
    measured = DeviceMeter(device, network_timing(options, device)).measure_all(specs)
  return uniformly_scaled(space, float(np.interp(goal, sorted(measured), SHARES)))


def nominal_seconds(settings: TimingSettings, milliseconds: float) -> float:
  """Of timing one file once with all its repeats, if nothing comes between."""
  counted = max(settings.runs * milliseconds / 1000, settings.seconds)
  warm = max(settings.warmup_runs * milliseconds / 1000, settings.warmup_seconds)
  return settings.repeats * (counted + warm)
