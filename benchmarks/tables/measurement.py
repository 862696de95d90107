"""Measures a latency table for a search space on a device."""

from __future__ import annotations

import dataclasses
import datetime
import math
import pathlib
import tempfile
from typing import TYPE_CHECKING, Any

from nadv2_tf import stopwatch
from nadv2_tf.benchmarks.tables.calibration import agreement, calibrated
from nadv2_tf.benchmarks.tables.networks import network_file
from nadv2_tf.benchmarks.tables.partial import PartialTable
from nadv2_tf.benchmarks.tables.pieces import COPIES, piece_file
from nadv2_tf.benchmarks.tables.plan import networks_over_range, planned_pieces
from nadv2_tf.options import built_as
from nadv2_tf.options.timing import OLD_DELEGATES
from nadv2_tf.resources.latency_table import LatencyTable

if TYPE_CHECKING:
  from collections.abc import Callable, Mapping, Sequence

  from nadv2_tf.benchmarks.timing.device import Device
  from nadv2_tf.options import TimingSettings
  from nadv2_tf.resources.pieces import Piece
  from nadv2_tf.spec import NetworkSpec, SearchSpace
  from nadv2_tf.types import AnyPath

#: whole networks that fix the table's scale and cache term
CALIBRATION_NETWORKS = 12
#: other whole networks that its error is measured on
CHECK_NETWORKS = 30
#: files that are built, timed and written down together; a kill loses at most these
BATCH = {"piece": 24, "network": 6}
#: layer files are so short that their repeats scatter more than a network's
PIECE_SPREAD = 0.2
NETWORK_SECONDS = 0.05
#: what tables were measured with whose header does not say
EARLIER = {"precision": "float32"}
#: of the largest network, if the device tells where its nodes ran
PLACEMENT = ("nodes", "delegate_nodes", "partitions")


def header_of(space: SearchSpace, device: Device, settings: TimingSettings) -> dict[str, str]:
  """{name: text} of all that the numbers of a table depend on, as its file has them."""
  return {
    "backbone": space.network.name,
    "input_shape": "x".join(map(str, space.network.input_shape)),
    "parameters": str(space.network.parameters()),  # tells spaces of other classes apart
    **{name: value or "-" for name, value in dataclasses.asdict(device.identity).items()},
    "num_threads": str(settings.num_threads),
    "cpu_mask": settings.cpu_mask or "-",
    "delegate": settings.delegate,
    "precision": settings.precision,
  }


def check_header(path: AnyPath, header: Mapping[str, str]) -> None:
  """Raises ValueError if the table in `path` is of another space, device, or way of timing."""
  facts = LatencyTable.from_csv(path).facts
  for name, value in header.items():
    measured = facts.get(name, EARLIER.get(name))
    if name == "delegate":
      measured = OLD_DELEGATES.get(str(measured), measured)
    if measured != value:
      raise ValueError(
        f"{path} was measured with {name} = {measured}, now it is {value}: choose another "
        "--output, or delete it."
      )


class TableMeasurement:
  """One table's measurement; what `path`.partial has of it is not measured again.

  Args:
    space: the `SearchSpace`.
    device: an entered `Device`.
    settings: `TimingSettings`; threads, mask, delegate and waiting times are taken from it.
    path: of the table; None keeps nothing on disk.
    seed: of the networks.
    report: called with (done, total), in files.

  Raises:
    ValueError: if `path`.partial was begun on something else.
  """

  def __init__(
    self,
    space: SearchSpace,
    device: Device,
    settings: TimingSettings,
    path: AnyPath | None = None,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
  ) -> None:
    self._space = space
    self._device = device
    self._seed = seed
    self._report = report or (lambda done, total: None)
    self.header = header_of(space, device, settings)
    partial = path and pathlib.Path(f"{path}.partial")
    self._partial = PartialTable(partial, self.header | {"seed": seed})
    self._settings = {
      "piece": dataclasses.replace(
        settings,
        runs=20,
        warmup_runs=10,
        repeats=3,
        seconds=device.settling_seconds,
        warmup_seconds=device.settling_seconds / 2,
        max_spread=PIECE_SPREAD,
      ),
      "network": dataclasses.replace(
        settings,
        runs=20,
        warmup_runs=5,
        repeats=5,
        seconds=max(NETWORK_SECONDS, device.settling_seconds),
        warmup_seconds=device.settling_seconds,
      ),
    }
    self._done, self._total = 0, 0

  def measure(self, check_networks: int = CHECK_NETWORKS) -> LatencyTable:
    """The `LatencyTable`, with its error on whole networks in its facts."""
    wanted = planned_pieces(self._space)
    self._total = len(wanted) + CALIBRATION_NETWORKS + check_networks
    rows = dict(zip(wanted, self.pieces(wanted), strict=True))
    facts: dict[str, Any] = self.header | {
      "date": datetime.date.today().isoformat(),
      "rows": len(rows),
    }
    table = LatencyTable(rows, facts)

    specs = networks_over_range(
      self._space, CALIBRATION_NETWORKS - 1, 2 * self._seed, table.measure
    )
    specs = [self._space.largest(), *specs]
    measured = self.networks(specs)
    table = calibrated(table, specs, measured)
    facts = table.facts | {"largest_ms": f"{measured[0]:.6g}"} | self._placement(specs[0])
    if check_networks:
      specs = networks_over_range(self._space, check_networks, 2 * self._seed + 1, table.measure)
      found = agreement([table.measure(spec) for spec in specs], self.networks(specs))
      facts |= {
        f"check_{name}": f"{value:.4g}" for name, value in found.items() if math.isfinite(value)
      }
    return LatencyTable(table.rows, facts)

  def finish(self) -> None:
    """Deletes the partial file; for when the table itself is on disk."""
    self._partial.remove()

  def pieces(self, wanted: Sequence[Piece]) -> list[float]:
    """Milliseconds of each `Piece`, without what a call costs by itself."""

    def key(piece: Piece) -> tuple[Any, ...]:
      return ("piece", *dataclasses.astuple(piece))

    def times(batch: Sequence[Piece]) -> list[float]:
      # A call's own cost is taken anew with each batch: it drifts like all else.
      overhead, *timings = self._time("piece", [None, *batch], piece_file)
      return [max(timing - overhead, 0.0) / COPIES for timing in timings]

    return self._in_batches("piece", wanted, key, times)

  def networks(self, specs: Sequence[NetworkSpec]) -> list[float]:
    """Milliseconds of each whole network."""

    def key(spec: NetworkSpec) -> tuple[Any, ...]:
      return ("network", *self._space.encode(spec))

    return self._in_batches(
      "network", specs, key, lambda batch: self._time("network", batch, network_file)
    )

  def _placement(self, spec: NetworkSpec) -> dict[str, int]:
    """{name: number} of `PLACEMENT` of a network that was timed; {} where the device tells none."""
    keys = {name: (name, *self._space.encode(spec)) for name in PLACEMENT}
    return {name: int(self._partial[key]) for name, key in keys.items() if key in self._partial}

  def _in_batches(
    self,
    kind: str,
    items: Sequence[Any],
    key: Callable[[Any], tuple[Any, ...]],
    times: Callable[[Sequence[Any]], list[float]],
  ) -> list[float]:
    missing = [item for item in items if key(item) not in self._partial]
    self._tell(len(items) - len(missing))
    for start in range(0, len(missing), BATCH[kind]):
      batch = missing[start : start + BATCH[kind]]
      self._partial.add(dict(zip(map(key, batch), times(batch), strict=True)))
      self._tell(len(batch))
    return [self._partial[key(item)] for item in items]

  def _tell(self, count: int) -> None:
    self._done += count
    self._total = max(self._total, self._done)
    self._report(self._done, self._total)

  def _time(self, kind: str, items: Sequence[Any], build: Callable[..., bytes]) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
      paths = [pathlib.Path(folder) / f"{index}.tflite" for index in range(len(items))]
      with stopwatch.part("files"):
        for path, item in zip(paths, items, strict=True):
          path.write_bytes(build(item, **built_as(self._settings[kind])))
      timings = self._device.time_files(paths, self._settings[kind])
    if kind == "network":
      for spec, timing in zip(items, timings, strict=True):
        told = {(name, *self._space.encode(spec)): getattr(timing, name) for name in PLACEMENT}
        if None not in told.values():
          self._partial.add(told)
    return [timing.latency_ms for timing in timings]
