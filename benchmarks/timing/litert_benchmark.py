"""`litert-benchmark`, the Python tool that ai-edge-litert ships, as what times files here.

It runs a file through LiteRT's newer `CompiledModel`, where our own worker runs its interpreter,
and writes what it measured as JSON, rounded to 0.01 ms. It is asked for runs, not for seconds.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import pathlib
import sys
from typing import TYPE_CHECKING, Any

from nadv2_tf.benchmarks.timing.errors import BinaryError, NothingMeasured, TimingError
from nadv2_tf.benchmarks.timing.printed import Reading
from nadv2_tf.benchmarks.timing.records import repeat_of
from nadv2_tf.spec.files import read_bounded

if TYPE_CHECKING:
  from nadv2_tf.benchmarks.timing.records import Repeat
  from nadv2_tf.options import TimingSettings
  from nadv2_tf.types import AnyPath

MODULE = "ai_edge_litert.tools.benchmark_litert_model"
LARGEST_FILE = 2**20
MOST_RUNS = 10**9
#: what its numbers are rounded to, in ms
ROUNDING = 0.01
#: a rounding that is a larger share of the latency is told
TOLD_ROUNDING = 0.02

#: delegate -> its flags
DELEGATES: dict[str, list[str]] = {"cpu": [], "gpu": ["--use_gpu"]}
#: The GPU may leave nothing of a file to the processor: the tool would not tell.
_FULL: dict[str, list[str]] = {"gpu": ["--require_full_delegation"]}
_ACCELERATORS = {"cpu": ["CPU"], "gpu": ["GPU"]}


def runtime() -> str:
  """What the runner is called in a record."""
  return f"litert-benchmark of ai-edge-litert {importlib.metadata.version('ai-edge-litert')}"


def command(
  path: AnyPath,
  settings: TimingSettings,
  runs: int,
  result: AnyPath,
  is_reference: bool = False,
) -> list[str]:
  """The command that times a file and writes its JSON into `result`.

  `is_reference`: whether it is the network that rides along, which may run anywhere.
  """
  return [
    sys.executable,
    "-m",
    MODULE,
    f"--model={path}",
    f"--num_runs={runs}",
    f"--warmup_runs={settings.warmup_runs}",
    f"--num_threads={settings.num_threads}",
    f"--result_json={result}",
    *DELEGATES[settings.delegate],
    *(() if is_reference else _FULL.get(settings.delegate, ())),
  ]


def next_runs(settings: TimingSettings, before: Repeat | None) -> int:
  """How many runs to ask for: those of `settings`, and as many as its seconds took before."""
  if before is None:
    return settings.runs
  return min(max(settings.runs, math.ceil(1e3 * settings.seconds / before.value_ms)), MOST_RUNS)


def read(
  result: AnyPath,
  status: int,
  line: str,
  output: str,
  settings: TimingSettings,
  runs: int,
  is_reference: bool = False,
) -> Repeat:
  """The `Repeat` that the tool measured.

  Args:
    result: the file that it was to write.
    status: its exit status.
    line: the command, as errors show it.
    output: what it printed.
    settings, runs, is_reference: what it was asked for, as in `command`.

  Raises:
    TimingError: of the kind that fits, if it measured nothing, or something else.
  """
  if f"No module named '{MODULE}" in output or "No module named 'ai_edge_litert.tools" in output:
    raise BinaryError(
      f"{runtime()} is not there: install a newer ai-edge-litert, or leave --host_runner out.", line
    )
  if "is not fully accelerated" in output:
    raise NothingMeasured(
      f"The delegate {settings.delegate} does not run all of the model: choose another.",
      line,
      output,
    )
  if status or not pathlib.Path(result).is_file():
    raise TimingError(f"litert-benchmark failed with exit status {status}.", line, output)
  try:
    return read_json(result, settings, runs, is_reference)
  except NothingMeasured as error:
    raise NothingMeasured(error.problem, line, output) from None


def read_json(
  path: AnyPath, settings: TimingSettings, runs: int, is_reference: bool = False
) -> Repeat:
  """The `Repeat` in a file of `--result_json`; of the reference without notes, wherever it ran.

  Raises:
    NothingMeasured: if it is damaged, of other settings, or its numbers contradict each other.
    OSError: if it cannot be read.
  """
  try:
    record = json.loads(read_bounded(path, LARGEST_FILE))
    if not isinstance(record, dict) or not isinstance(record.get("latency"), dict):
      raise ValueError("it has no object 'latency'")
    latency = record["latency"]
    names = ("min_ms", "p5_ms", "median_ms", "p95_ms", "max_ms")
    ordered = [_number(latency, name) for name in names]
    average = _number(latency, "avg_ms")
    asked = {
      "num_threads": (record.get("num_threads"), settings.num_threads),
      "accelerators": (record.get("accelerators"), _ACCELERATORS[settings.delegate]),
      "num_runs": (latency.get("num_runs"), runs),
    }
    if is_reference:
      del asked["accelerators"]
    for name, (found, wanted) in asked.items():
      if found != wanted:
        raise ValueError(f"its {name} is {str(found)[:80]!r} and not {wanted!r}")
    if ordered != sorted(ordered) or ordered[2] <= 0:
      raise ValueError(f"the numbers {', '.join(names)} are {ordered}")
  except (ValueError, RecursionError) as error:
    raise NothingMeasured(
      f"The file {path} of litert-benchmark cannot be used ({error}): time the file again."
    ) from None
  smallest, _, median, p95, _ = ordered
  share = 0.5 * ROUNDING / median
  notes: tuple[str, ...] = (
    f"litert-benchmark rounds to {ROUNDING} ms, up to {share:.1%} of this latency",
  )
  notes = notes if share > TOLD_ROUNDING and not is_reference else ()
  return repeat_of(Reading(median, average, p95, runs, notes, smallest, min_rounding_ms=ROUNDING))


def _number(values: dict[str, Any], name: str) -> float:
  value = values.get(name)
  if isinstance(value, bool) or not isinstance(value, int | float):
    raise ValueError(f"its {name} is {str(value)[:80]!r}")
  if not (0 <= value < math.inf):
    raise ValueError(f"its {name} is {value}")
  return float(value)
