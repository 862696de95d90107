"""How files are timed, the same for every device."""

from __future__ import annotations

import abc
import dataclasses
import datetime
import hashlib
import math
import pathlib
import statistics
import time
from typing import TYPE_CHECKING, Any, Self

from nadv2_tf import stopwatch
from nadv2_tf.benchmarks.timing.batch import (
  DRIFT_WAIT,
  QUICKEST,
  REFERENCE,
  Ride,
  Taken,
  level_of,
  undisturbed_values,
)
from nadv2_tf.benchmarks.timing.errors import DeviceError, Unsteady
from nadv2_tf.benchmarks.timing.records import Timing
from nadv2_tf.options import TimingSettings

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.benchmarks.timing.output_tools import Tensors
  from nadv2_tf.benchmarks.timing.records import Identity, Repeat
  from nadv2_tf.types import AnyPath


def sha256(path: AnyPath) -> str:
  return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


class Device(abc.ABC):
  """Something that times TFLite files. A context manager: leaving it puts all back as it was."""

  identity: Identity
  #: least seconds of one repeat: a phone's clock needs a while to rise
  settling_seconds = 0.1
  #: what its milliseconds are rounded to
  rounding_ms = 0.0
  #: what rides along with every batch; None: nothing does
  reference: pathlib.Path | None = REFERENCE

  @abc.abstractmethod
  def measure(self, paths: Sequence[pathlib.Path], settings: TimingSettings) -> list[list[Repeat]]:
    """All repeats of all files, once: for each file a list of `Repeat`.

    Of the reference, see `is_riding`, only the time counts and what the device says of itself.
    """

  def is_riding(self, path: pathlib.Path) -> bool:
    """Whether a path that `measure` got is the reference beside the files.

    It is told by identity: who times the same network as a file of its own is told all of it.
    """
    return path is self.reference

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *_: Any) -> None:
    return None

  def raw_outputs(
    self,
    path: pathlib.Path,
    inputs: Sequence[bytes],
    tensors: Tensors,
    settings: TimingSettings,
  ) -> tuple[list[bytes], tuple[str, ...]]:
    """(bytes of the output for each of `inputs`, notes) of a file, run as it is timed.

    Raises:
      TimingError: if the device cannot give them.
    """
    raise DeviceError(f"{self.identity.device} cannot give a file's outputs.")

  def time_files(
    self,
    paths: Sequence[AnyPath],
    settings: TimingSettings | None = None,
    is_scaled: bool = False,
  ) -> list[Timing]:
    """Times files, and again those that something disturbed; `Timing`s in their order.

    A batch begins and ends with the reference network. If that drifts, the machine is waited for,
    and so it is if the reference was quicker at another time in this process.

    Args:
      paths: the files.
      settings: `TimingSettings`.
      is_scaled: whether the caller brings all to one speed by `reference_ms` itself.

    Raises:
      TimingError: if a file cannot be timed, or stays unsteady and `on_unsteady` is "fail".
    """
    with stopwatch.part("timing"):
      return self._timed(paths, settings or TimingSettings(), is_scaled)

  def _timed(self, paths, settings, is_scaled):
    paths, most = [pathlib.Path(path) for path in paths], settings.max_spread
    taken: dict[int, list[Taken]] = {index: [] for index in range(len(paths))}
    again = list(taken)
    quickest_ms = math.inf
    for attempt in range(settings.attempts):
      if attempt and any(taken[index][-1].doubt_of_machine(most, quickest_ms) for index in again):
        time.sleep(DRIFT_WAIT * attempt)
      fresh = self._batch([paths[index] for index in again], settings)
      for index, one in zip(again, fresh, strict=True):
        taken[index].append(one)
      # The reference may have been slower than it is now beside files that were in no doubt then.
      quickest_ms = math.inf if is_scaled else QUICKEST.of(self._speed_of(settings))
      again = [index for index in taken if taken[index][-1].doubt(most, quickest_ms)]
      if not again:
        break
    return [self._timing(paths[index], taken[index], settings, quickest_ms) for index in taken]

  def _speed_of(self, settings: TimingSettings) -> tuple[object, ...]:
    """What the reference network's milliseconds depend on, but for how quick the machine is."""
    return (
      self.identity,
      self.reference,
      settings.num_threads,
      settings.cpu_mask,
      settings.delegate,
      settings.precision,
      settings.benchmark_flags,
    )

  def _batch(self, paths: Sequence[pathlib.Path], settings: TimingSettings) -> list[Taken]:
    """Files once, in turns that begin and end with the reference network."""
    if self.reference is None or not paths:
      return [Taken(repeats, None) for repeats in self.measure(paths, settings)]
    begins, *measured, ends = self.measure([self.reference, *paths, self.reference], settings)
    ride = Ride(
      begins_ms=tuple(repeat.value_ms for repeat in begins),
      ends_ms=tuple(repeat.value_ms for repeat in ends),
      level_ms=level_of([*begins, *ends]),
    )
    if undisturbed_values([*begins, *ends]):
      QUICKEST.learn(self._speed_of(settings), ride.level_ms)
    notes = tuple(note for repeat in (*begins, *ends) for note in repeat.notes)
    return [Taken(repeats, ride, notes) for repeats in measured]

  def _timing(
    self,
    path: pathlib.Path,
    taken: Sequence[Taken],
    settings: TimingSettings,
    quickest_ms: float,
  ) -> Timing:
    """The `Timing` of a file that was taken once or more; see `Taken.doubt`."""
    most, attempts = settings.max_spread, len(taken)
    best = min(taken, key=lambda one: one.rank(most, quickest_ms))
    repeats, doubt = best.repeats, best.doubt(most, quickest_ms)
    notes, latency_ms = best.notes, level_of(repeats)
    smallest_ms = _median_of(repeats, "smallest_ms")
    undisturbed = [value for one in taken for value in undisturbed_values(one.repeats)]
    if undisturbed:
      least = min(undisturbed)
      smallest = [repeat.smallest_ms for one in taken for repeat in one.repeats]
      smallest_ms = min((one for one in smallest if one is not None), default=None)
      if not doubt and latency_ms > (1 + most) * least:
        doubt = f"another attempt had a repeat {1 - least / latency_ms:.0%} below all of these"
      latency_ms = least
    if attempts > 1:
      first = taken[0].doubt(most, quickest_ms)
      notes.append(f"taken {attempts} times, because at first {first}")
    if doubt and settings.on_unsteady == "fail":
      raise Unsteady(
        f"The timing of {path} is unsteady in the best of {attempts} attempts: {doubt}. Something "
        f"else keeps {self.identity.device} busy."
      )
    placement = repeats[0].placement
    memory = [repeat.memory_kb for repeat in repeats if repeat.memory_kb is not None]
    return Timing(
      latency_ms=latency_ms,
      median_ms=_median_of(repeats, "median_ms"),
      p95_ms=_median_of(repeats, "p95_ms"),
      smallest_ms=smallest_ms,
      disturbed=_median_of(repeats, "disturbed"),
      spread=best.spread,
      steady=not doubt,
      doubt=doubt,
      statistic=statistics.mode(repeat.statistic for repeat in repeats),
      repeats_ms=tuple(repeat.value_ms for repeat in repeats),
      repeats=len(repeats),
      runs=min(repeat.runs for repeat in repeats),
      warmup_runs=settings.warmup_runs,
      num_threads=settings.num_threads,
      cpu_mask=settings.cpu_mask,
      delegate=settings.delegate,
      benchmark_flags=settings.benchmark_flags,
      nodes=placement.nodes if placement else None,
      delegate_nodes=placement.on(settings.delegate) if placement else None,
      partitions=placement.partitions if placement else None,
      memory_kb=max(memory, default=None),
      **dataclasses.asdict(self.identity),
      reference_ms=_reference_ms(best, taken if undisturbed else [best]),
      drift=best.ride.drift if best.ride else None,
      conditions=tuple(repeat.conditions for repeat in repeats),
      notes=tuple(notes),
      time=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
      file_sha256=sha256(path),
    )


def _reference_ms(best: Taken, taken: Sequence[Taken]) -> float | None:
  """What the reference took beside the attempts that a latency is of."""
  return min(one.ride.level_ms for one in taken if one.ride) if best.ride else None


def _median_of(repeats: Sequence[Repeat], name: str) -> float | None:
  values = [getattr(repeat, name) for repeat in repeats]
  return None if None in values else statistics.median(values)
