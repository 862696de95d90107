"""The command line of TFLite's `benchmark_model`, and the reader of what it prints.

The tool prints two stages of runs, the warm-up and the counted one, each with a line of statistics
in microseconds, and a summary. What the many builds print of these was read in the sources of
TensorFlow (tensorflow/lite/tools/benchmark) and LiteRT (litert/tools/benchmark_litert_model.h).
LiteRT's builds also write files (`result_files`), which say the same more exactly.
"""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
from typing import TYPE_CHECKING, TypeVar

from nadv2_tf.benchmarks.timing import refusals
from nadv2_tf.benchmarks.timing.builds import RESULT, RUNTIME_INFO, TFLITE
from nadv2_tf.benchmarks.timing.delegates import check_delegate
from nadv2_tf.benchmarks.timing.errors import NothingMeasured, TimingError
from nadv2_tf.benchmarks.timing.placement import printed_placement
from nadv2_tf.benchmarks.timing.printed import (
  LITERT_ROUNDING,
  ONLY_SUMMARY,
  Reading,
  check_agreement,
  printed_reading,
)
from nadv2_tf.benchmarks.timing.result_files import read_result, read_runtime_info
from nadv2_tf.options.timing import DELEGATES, OLD_DELEGATES

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence

  from nadv2_tf.benchmarks.timing.builds import Build
  from nadv2_tf.benchmarks.timing.result_files import Result
  from nadv2_tf.options import TimingSettings
  from nadv2_tf.types import AnyPath

T = TypeVar("T")
#: more characters or bytes than this are no output of the tool
MAX_OUTPUT = 4 * 2**20
#: as much of the output goes into an error
TAIL_CHARACTERS = 2000


def arguments(
  graph: str,
  settings: TimingSettings,
  build: Build = TFLITE,
  results: str | None = None,
  libraries: str | None = None,
) -> list[str]:
  """The tool's arguments, without the tool itself, for a file where the tool runs.

  Args:
    graph: path of the TFLite file there.
    settings: `TimingSettings`; what the tool cannot do itself, as `cpu_mask`, is left out.
    build: the `Build` of the tool.
    results: the folder there for the files that the build writes; None: it writes none.
    libraries: the folder there with the libraries of an NPU; None: there are none.

  Raises:
    FlagError: if the build does not have the delegate.
  """
  return [
    f"--graph={graph}",
    f"--num_threads={settings.num_threads}",
    f"--num_runs={settings.runs}",
    f"--warmup_runs={settings.warmup_runs}",
    f"--min_secs={settings.seconds:g}",
    f"--warmup_min_secs={settings.warmup_seconds:g}",
    *build.delegate_flags(settings),
    *build.further_flags(settings, libraries),
    *(build.file_flags(results) if results else ()),
  ]


def read(
  stdout: str | bytes | None,
  stderr: str | bytes | None,
  exit_status: int,
  command: str | Sequence[str] | None,
  delegate: str | None = None,
  results: AnyPath | None = None,
  is_full: bool = False,
  is_reference: bool = False,
) -> Reading:
  """What a run of the tool measured, or the reason why it measured nothing.

  Args:
    stdout, stderr: what it printed, text or bytes; all in `stdout` where they came together.
    exit_status: its own, or that of the shell or `timeout` around it.
    command: what was run, a line or a list; errors show it.
    delegate: one of `DELEGATES`, as it was asked for; None: not checked.
    results: a folder here with the files that it wrote; None: it wrote none.
    is_full: whether a run is refused that the delegate did not do all of.
    is_reference: whether it was the network that rides along, of which only the time counts: it may
      have run wherever the delegate left it.

  Returns:
    A `Reading` of the counted runs.

  Raises:
    TimingError: of the kind that fits, if there is no measurement of what was asked for.
    ValueError: if there is no such delegate.
  """
  delegate = OLD_DELEGATES.get(delegate, delegate) if delegate else delegate
  if delegate not in (None, *DELEGATES):
    raise ValueError(f"delegate must be one of {', '.join(DELEGATES)}; got {delegate!r}.")
  parts = stdout or "", stderr or ""
  # Never more than the bound is searched, and a longer text is refused rather than cut.
  text = "\n".join(_text(part[-MAX_OUTPUT:]) for part in parts)
  try:
    if sum(map(len, parts)) > MAX_OUTPUT:
      raise NothingMeasured(
        f"benchmark_model printed more than {MAX_OUTPUT} characters: check that the file is "
        "benchmark_model, and turn verbose output off."
      )
    notes = refusals.check(text, exit_status, delegate)
    folder = pathlib.Path(results) if results else None
    result = _in(folder, RESULT, read_result)
    placement = _in(folder, RUNTIME_INFO, read_runtime_info) or printed_placement(text)
    if not is_reference:
      notes += check_delegate(text, delegate, placement, is_full)
    reading = _measured(text.splitlines(), result)
  except TimingError as error:
    line = command if command is None or isinstance(command, str) else shlex.join(command)
    raise type(error)(error.problem, line, text[-TAIL_CHARACTERS:]) from None
  if is_reference:
    return dataclasses.replace(reading, notes=())
  return dataclasses.replace(reading, notes=(*reading.notes, *notes), placement=placement)


def _in(folder: pathlib.Path | None, name: str, read: Callable[[pathlib.Path], T]) -> T | None:
  """What a file in `folder` says; None if it is not there."""
  return read(folder / name) if folder and (folder / name).is_file() else None


def _text(part: str | bytes) -> str:
  return part if isinstance(part, str) else part.decode("utf-8", errors="replace")


def _measured(lines: Sequence[str], result: Result | None) -> Reading:
  """The `Reading` of the result file, checked against the print; without one of the print."""
  reading = printed_reading(lines)
  if result is None:
    return reading
  # A summary without a line of statistics is of fewer digits.
  rounding = LITERT_ROUNDING if reading.median_ms is None else 0.0
  check_agreement(reading, result.mean_ms * 1000, rounding, result.runs)
  return dataclasses.replace(
    reading,
    median_ms=result.median_ms,
    mean_ms=result.mean_ms,
    p95_ms=result.p95_ms,
    min_ms=result.min_ms,
    min_rounding_ms=0.0,
    memory_kb=result.memory_kb,
    notes=tuple(note for note in reading.notes if note != ONLY_SUMMARY),
  )
