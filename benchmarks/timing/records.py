"""What was timed on what, and what came of it: records of a repeat and of a file."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.benchmarks.timing.placement import Placement
  from nadv2_tf.benchmarks.timing.printed import Reading


@dataclasses.dataclass(frozen=True)
class Repeat:
  """One repeat of one file, as measured.

  `statistic` is what `value_ms` is of the runs: "undisturbed", the tenth percentile of those that
  nobody disturbed, where wall and CPU time of each are known (`undisturbed.py`; "CPU time" or
  "smallest" of all if too few were undisturbed, which is a doubt); else "median", or "mean" where
  the tool's build prints nothing better. `conditions` is what a phone said of itself:
  {"thermal_status": 0, ...}. `median_ms`, `p95_ms` and `smallest_ms` are of all runs and
  `disturbed` is the share of those that were, each None where it is not known. `doubt` says why
  the value is not to be trusted, "" if it is.
  """

  value_ms: float
  p95_ms: float | None
  runs: int
  statistic: str
  conditions: dict[str, Any] = dataclasses.field(default_factory=dict)
  notes: tuple[str, ...] = ()
  memory_kb: int | None = None
  placement: Placement | None = None
  median_ms: float | None = None
  smallest_ms: float | None = None
  disturbed: float | None = None
  doubt: str = ""


def repeat_of(
  reading: Reading, conditions: dict[str, Any] | None = None, notes: Sequence[str] = ()
) -> Repeat:
  """The `Repeat` of what `benchmark_model` measured; `notes` stand before its own."""
  return Repeat(
    reading.value_ms,
    reading.p95_ms,
    reading.runs,
    reading.statistic,
    conditions or {},
    (*notes, *reading.notes),
    reading.memory_kb,
    reading.placement,
    reading.median_ms,
    reading.min_ms,
    doubt=reading.doubt,
  )


@dataclasses.dataclass(frozen=True)
class Identity:
  """What was timed on, and with what: timings with different identities do not compare."""

  device: str
  abi: str
  android: str | None
  runtime: str

  def __str__(self) -> str:
    return f"{self.device}, {self.runtime}"


@dataclasses.dataclass(frozen=True)
class Timing:
  """One file's timing: what its repeats tell together, and how far they lie apart.

  `latency_ms` is the timing: `statistic` says what it is of the runs, as in `Repeat`; of repeats it
  is the median, and of undisturbed ones the smallest of all attempts, see `level_of`, and so is
  `smallest_ms`. All else is of the attempt that lies least apart, `repeats_ms` too. `median_ms`,
  `p95_ms` and `smallest_ms` of all runs and the share `disturbed` of them stand beside it, None
  where the tool's build does not print them. `spread` is (largest - smallest) / median of the
  repeats; `steady` whether that is within the `max_spread` asked for and nothing else speaks
  against the timing; `doubt` says what does. `conditions` has those of every repeat, in order.
  `nodes` are those of the file's main graph, `delegate_nodes` those of them that ran on the
  delegate asked for, `partitions` the parts that the graph fell into; None where the build does not
  tell. `memory_kb` is what the runs took in memory.
  `reference_ms` is what the reference network took in the same batch, and `drift` how far its
  readings lie apart, see `Ride`; None where none rode along.
  """

  latency_ms: float
  median_ms: float | None
  p95_ms: float | None
  smallest_ms: float | None
  disturbed: float | None
  spread: float
  steady: bool
  doubt: str
  statistic: str
  repeats_ms: tuple[float, ...]
  repeats: int
  runs: int
  warmup_runs: int
  num_threads: int
  cpu_mask: str | None
  delegate: str
  benchmark_flags: str
  nodes: int | None
  delegate_nodes: int | None
  partitions: int | None
  memory_kb: int | None
  device: str
  abi: str
  android: str | None
  runtime: str
  reference_ms: float | None
  drift: float | None
  conditions: tuple[dict[str, Any], ...]
  notes: tuple[str, ...]
  time: str
  file_sha256: str
