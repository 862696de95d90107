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
from nadv2_tf.benchmarks.tables.clock import check_clock
from nadv2_tf.benchmarks.tables.headers import header_of
from nadv2_tf.benchmarks.tables.networks import network_file
from nadv2_tf.benchmarks.tables.partial import PartialTable
from nadv2_tf.benchmarks.tables.pieces import COPIES, piece_file
from nadv2_tf.benchmarks.tables.plan import networks_over_range, planned_pieces
from nadv2_tf.benchmarks.timing.errors import TableError
from nadv2_tf.options import built_as
from nadv2_tf.resources.latency_table import LatencyTable, table_doubt, table_error

if TYPE_CHECKING:
  from collections.abc import Callable, Collection, Sequence

  from nadv2_tf.benchmarks.timing.device import Device
  from nadv2_tf.benchmarks.timing.records import Timing
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
#: of the largest network, if the device tells where its nodes ran
PLACEMENT = ("nodes", "delegate_nodes", "partitions")
#: share of the rows that are measured again first, if the check finds a table wrong
WORST = 0.25
#: keys of a partial file: what the reference network took when the first of its values was timed,
#: and which attempt it is
LEVEL, ATTEMPT = ("reference",), ("attempt",)
#: share of the networks in doubt above which all of them are timed again
RESTLESS = 0.25


class TableMeasurement:
  """One table's measurement; what `path`.partial has of it is not measured again.

  Args:
    space: the `SearchSpace`.
    device: an entered `Device`.
    settings: `TimingSettings`; threads, mask, delegate and waiting times are taken from it, and how
      often the table is measured at most and what becomes of one that stays wrong.
    path: of the table; None keeps nothing on disk.
    seed: of the networks.
    report: called with (done, total), in files.

  Raises:
    ValueError: if `path`.partial was begun on something else.
    DeviceError: if the device's clock is too coarse.
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
    check_clock(device)
    self._space, self._device = space, device
    self._seed, self._report = seed, report or (lambda done, total: None)
    self.header = header_of(space, device, settings)
    partial = path and pathlib.Path(f"{path}.partial")
    self._partial = PartialTable(partial, self.header | {"seed": seed})
    self._attempts, self._on_unsteady = settings.attempts, settings.on_unsteady
    settings = dataclasses.replace(settings, on_unsteady="mark")
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
        attempts=1,  # another one comes when all networks had theirs
      ),
    }
    self._done, self._total = 0, 0

  def measure(self, check_networks: int = CHECK_NETWORKS) -> LatencyTable:
    """The `LatencyTable`, with its error on whole networks in its facts.

    If that is too large the worst rows and all whole networks are measured again, then everything.

    Raises:
      TableError: if it stays too large and `on_unsteady` is "fail", or no layer takes any time;
        nothing is kept then.
    """
    best = table = self._measured(check_networks)
    attempt = int(self._partial[ATTEMPT]) if ATTEMPT in self._partial else 1
    while table_doubt(table.facts) and attempt < self._attempts:
      attempt += 1
      self._partial.add({ATTEMPT: attempt})
      self._partial.forget(self._to_repeat(attempt))
      table = self._measured(check_networks)
      best = min(best, table, key=lambda one: table_error(one.facts))
    doubt = table_doubt(best.facts)
    if doubt and self._on_unsteady == "fail":
      self.finish()
      raise TableError(
        f"{doubt} That is the best of {attempt} attempt(s). End what runs beside it and start the "
        "same command again, or go on with such a table: --on_unsteady=mark."
      )
    return LatencyTable(best.rows, best.facts | ({"attempts": attempt} if attempt > 1 else {}))

  def _to_repeat(self, attempt: int) -> list[tuple[Any, ...]]:
    """The keys of what is measured again for the n-th attempt.

    Which of rows and networks is wrong the check does not tell: the second attempt repeats all
    networks, and the rows whose repeats, or the reference network beside them, lay furthest apart.
    Further ones repeat everything, with a level of their own: a first batch that was slowed scales
    all rows and networks alike, which no check sees.
    """
    rows = self._partial.keys("piece")
    networks = [*self._partial.keys("network"), *self._partial.keys("again")]
    if attempt == 2:
      rows.sort(key=self._partial.doubt, reverse=True)
      return [*rows[: math.ceil(WORST * len(rows))], *networks]
    # The level is last: a kill that tears this off may leave no row with another row's level.
    return [*rows, *networks, LEVEL]

  def _measured(self, check_networks: int) -> LatencyTable:
    """The table of what the partial file has, and of what is still to be measured."""
    wanted = planned_pieces(self._space)
    self._total += len(wanted) + CALIBRATION_NETWORKS + check_networks
    rows = dict(zip(wanted, self.pieces(wanted), strict=True))
    if not any(rows.values()):
      self.finish()
      raise TableError(
        f"None of {len(rows)} layers took longer than a file that does nothing: the device's clock "
        "is too coarse, or what times it answers with the same number for every file."
      )
    today = datetime.date.today().isoformat()
    facts: dict[str, Any] = self.header | {"date": today, "rows": len(rows)}
    if LEVEL in self._partial:
      facts["reference_ms"] = f"{self._partial[LEVEL]:.6g}"
    table = LatencyTable(rows, facts)

    others = CALIBRATION_NETWORKS - 1
    specs = networks_over_range(self._space, others, 2 * self._seed, table.measure)
    specs = [table.fastest_form(spec) for spec in [self._space.largest(), *specs]]
    measured = self.networks(specs)
    table = calibrated(table, specs, measured)
    facts = table.facts | {"largest_ms": f"{measured[0]:.6g}"} | self._placement(specs[0])
    timed = {*specs}
    if check_networks:
      specs = networks_over_range(self._space, check_networks, 2 * self._seed + 1, table.measure)
      forms = [table.fastest_form(spec) for spec in specs]
      found = agreement([table.measure(spec) for spec in specs], self.networks(forms))
      timed |= {*forms}
      facts |= {
        f"check_{name}": f"{value:.4g}" for name, value in found.items() if math.isfinite(value)
      }
    return LatencyTable(table.rows, facts | self._doubt_facts(timed))

  def finish(self) -> None:
    """Deletes the partial file; for when the table itself is on disk."""
    self._partial.remove()

  def pieces(self, wanted: Sequence[Piece]) -> list[float]:
    """Milliseconds of each `Piece`, without what a call costs by itself."""

    def key(piece: Piece) -> tuple[Any, ...]:
      return ("piece", *dataclasses.astuple(piece))

    def times(batch: Sequence[Piece]) -> list[tuple[float, float]]:
      # A call's own cost is taken anew with each batch: it drifts like all else.
      (overhead, _), *timings = self._time("piece", [None, *batch], piece_file)
      return [(max(value - overhead, 0.0) / COPIES, doubt) for value, doubt in timings]

    return self._in_batches("piece", wanted, key, times)

  def networks(self, specs: Sequence[NetworkSpec]) -> list[float]:
    """Milliseconds of each whole network, at its quickest.

    What slows the memory that weights come from leaves the reference alone, and lasts for seconds
    to minutes. So networks in doubt, or all of them if those are many, are timed again only when
    each had its turn.
    """
    values = dict(zip(specs, self._pass(specs, 0), strict=True))
    most = self._settings["network"].max_spread
    again = [spec for spec in values if self._partial.doubt(self._network_key(spec, 0)) > most]
    if len(again) > RESTLESS * len(values):
      again = list(values)
    for number in range(1, self._attempts if again else 1):
      self._total += len(again)
      for spec, value in zip(again, self._pass(again, number), strict=True):
        values[spec] = min(values[spec], value)
    return [values[spec] for spec in specs]

  def _doubt_facts(self, specs: Collection[NetworkSpec]) -> dict[str, int]:
    """How many networks something spoke against each time that they were timed; {} if none."""
    most, times = self._settings["network"].max_spread, range(self._attempts)
    keys = ([self._network_key(spec, number) for number in times] for spec in specs)
    count = sum(self._partial.all_in_doubt(of_one, most) for of_one in keys)
    return {"networks_timed": len(specs), "networks_in_doubt": count} if count else {}

  def _pass(self, specs: Sequence[NetworkSpec], number: int) -> list[float]:
    return self._in_batches(
      "network",
      specs,
      lambda spec: self._network_key(spec, number),
      lambda batch: self._time("network", batch, network_file),
    )

  def _network_key(self, spec: NetworkSpec, number: int) -> tuple[Any, ...]:
    """The partial file's key of a network, timed for the first time or again."""
    code = self._space.encode(spec)
    return ("again", number, *code) if number else ("network", *code)

  def _placement(self, spec: NetworkSpec) -> dict[str, int]:
    """{name: number} of `PLACEMENT` of a network that was timed; {} where the device tells none."""
    keys = {name: (name, *self._space.encode(spec)) for name in PLACEMENT}
    return {name: int(self._partial[key]) for name, key in keys.items() if key in self._partial}

  def _in_batches(
    self,
    kind: str,
    items: Sequence[Any],
    key: Callable[[Any], tuple[Any, ...]],
    times: Callable[[Sequence[Any]], list[tuple[float, float]]],
  ) -> list[float]:
    missing = [item for item in items if key(item) not in self._partial]
    self._tell(len(items) - len(missing))
    for start in range(0, len(missing), BATCH[kind]):
      batch = missing[start : start + BATCH[kind]]
      taken = dict(zip(map(key, batch), times(batch), strict=True))
      values = {place: value for place, (value, _) in taken.items()}
      self._partial.add(values, {place: doubt for place, (_, doubt) in taken.items()})
      self._tell(len(batch))
    return [self._partial[key(item)] for item in items]

  def _tell(self, count: int) -> None:
    self._done += count
    self._total = max(self._total, self._done)
    self._report(self._done, self._total)

  def _time(
    self, kind: str, items: Sequence[Any], build: Callable[..., bytes]
  ) -> list[tuple[float, float]]:
    """(milliseconds as of the first batch, how far what was measured lay apart) of each file."""
    with tempfile.TemporaryDirectory() as folder:
      paths = [pathlib.Path(folder) / f"{index}.tflite" for index in range(len(items))]
      with stopwatch.part("files"):
        for path, item in zip(paths, items, strict=True):
          path.write_bytes(build(item, **built_as(self._settings[kind])))
      timings = self._device.time_files(paths, self._settings[kind], is_scaled=True)
    if kind == "network":
      for spec, timing in zip(items, timings, strict=True):
        told = {(name, *self._space.encode(spec)): getattr(timing, name) for name in PLACEMENT}
        if None not in told.values():
          self._partial.add(told)
    # Repeats in doubt, such as without an undisturbed run, may well agree.
    doubtful = 2 * self._settings[kind].max_spread
    return [
      (self._at_first(one), max(one.spread, one.drift or 0.0, doubtful if one.doubt else 0.0))
      for one in timings
    ]

  def _at_first(self, timing: Timing) -> float:
    """What the file would have taken when the first batch was timed, by the reference beside it.

    A table takes minutes, or goes on another day: the machine is not equally fast all the time.
    """
    if timing.reference_ms is None:
      return timing.latency_ms
    if LEVEL not in self._partial:
      self._partial.add({LEVEL: timing.reference_ms})
    return timing.latency_ms * self._partial[LEVEL] / timing.reference_ms
