"""Several devices: the first leads the search, every other one limits it, and all are timed.

A network that is fast on one phone may be slow on another. So each device has a latency table of
its own; that of the first is the meter of the search, and each of the others is a limit beside the
target: the same number of milliseconds, or the same share of what the largest network takes there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.options.timing import device_names
from nadv2_tf.pipeline.aim.amounts import parse_targets
from nadv2_tf.pipeline.aim.device import device_of, network_timing
from nadv2_tf.pipeline.aim.doubts import tell_doubt
from nadv2_tf.pipeline.aim.on_device import device_table
from nadv2_tf.pipeline.run_folder.records import DeviceMetrics
from nadv2_tf.resources.latency_table import LatencyTable

if TYPE_CHECKING:
  import pathlib
  from collections.abc import Sequence

  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.search import ResourceMeter
  from nadv2_tf.spec import SearchSpace

#: a found network may be this share above a limit as measured, as above the target
TOLERANCE = 0.01


def check_several(options: SearchOptions) -> None:
  """Raises ValueError if several devices are named for what only one can be."""
  if len(device_names(options.device)) > 1 and "," in options.target:
    raise ValueError(
      f"--target must be one target where --device names several devices, got {options.target!r}."
    )


def device_limits(
  options: SearchOptions, space: SearchSpace, folder: RunFolder, progress: Progress
) -> tuple[tuple[ResourceMeter, float], ...]:
  """The limits that all devices but the first set, as `Problem` takes them.

  A table is measured for each first, if the folder has none of it.

  Raises:
    TimingError: if a device cannot time.
    ValueError: if the folder's table of it was measured otherwise.
  """
  limits: list[tuple[ResourceMeter, float]] = []
  for number, name in enumerate(device_names(options.device)[1:], start=1):
    path = folder.latency_table_of(number)
    table = device_table(options, space, folder, progress, number)
    tell_doubt(table, options.on_unsteady, path, folder, progress, name, is_further=True)
    largest_ms = float(table.facts["largest_ms"])
    limit = limit_of(options, largest_ms)
    progress.line(
      f"{name}: the largest network takes {largest_ms:.4g} ms, the found one at most {limit:.4g} ms"
    )
    # The one file for all devices has the form of its spec.
    limits.append((table.as_it_is(), limit))
  return tuple(limits)


def limit_of(options: SearchOptions, largest_ms: float) -> float:
  """Milliseconds that the target is on a device where the largest network takes `largest_ms`."""
  ((limit, _),) = parse_targets(options.target, largest_ms)
  return limit


def time_others(
  networks: Sequence[tuple[RunFolder, str]],
  paths: Sequence[pathlib.Path],
  options: SearchOptions,
  progress: Progress,
) -> None:
  """Times files on all devices but the first; the records go into the networks' metrics.

  A share of the largest network's latency is of that network as it is timed here, in turns with the
  others; where it is not among them, of what it took beside the device's table.

  Args:
    networks: pairs (`RunFolder`, name).
    paths: their files.
    options: `SearchOptions`.
    progress: a `Progress`, told where a timing is unsteady or a found network is above its limit.
  """
  for number, device_name in enumerate(device_names(options.device)[1:], start=1):
    with device_of(options, number) as device:
      settings = network_timing(options, device, runs=100, repeats=7)
      timings = device.time_files(list(paths), settings)
    timed = {name: one.latency_ms for (_, name), one in zip(networks, timings, strict=True)}
    for (folder, name), timing in zip(networks, timings, strict=True):
      limit = _limit(options, folder.latency_table_of(number), timed.get("full"))
      record = DeviceMetrics(timing.latency_ms, limit, vars(timing))
      before = folder.network_metrics(name).devices
      folder.update_network(name, devices={**before, device_name: record})
      if not timing.steady:
        progress.line(
          f"{device_name}: the timing of {name} is unsteady: {timing.doubt}; something else keeps "
          "the device busy"
        )
      if name == "found" and limit and timing.latency_ms > limit * (1 + TOLERANCE):
        progress.line(
          f"{device_name}: the found network takes {timing.latency_ms:.4g} ms as measured, "
          f"{timing.latency_ms / limit - 1:.1%} above its limit of {limit:.4g} ms: search again "
          "with a smaller --target"
        )


def _limit(options: SearchOptions, table: pathlib.Path, largest_ms: float | None) -> float | None:
  """Milliseconds that a found network may take on a further device.

  Args:
    options: `SearchOptions`.
    table: that of the device; without one the search did not limit its latency, which gives None.
    largest_ms: what the largest network took in the same session, None if it was not timed.
  """
  if not table.exists():
    return None
  if largest_ms is None:
    largest_ms = float(LatencyTable.from_csv(table).facts["largest_ms"])
  return limit_of(options, largest_ms)
