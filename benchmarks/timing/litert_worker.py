"""Times TFLite files with LiteRT; meant to run in a process of its own.

  python -m nadv2_tf.benchmarks.timing.litert_worker --threads=1 --runs=50 --repeats=3 FILE [...]

Prints one JSON line per file. The files take turns: each repeat times all of them, so that a
machine whose speed drifts touches all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from nadv2_tf.benchmarks.timing import undisturbed

if TYPE_CHECKING:
  from collections.abc import Callable

  from nadv2_tf.benchmarks.timing.undisturbed import Run

#: exit status when a file cannot be loaded
UNUSABLE_FILE = 3


#: a repeat that too few runs were undisturbed of goes on until it has taken this many times as long
PATIENCE = 5.0


def time_runs(
  invoke: Callable[[], object],
  runs: int,
  seconds: float,
  cpu_time: Callable[[], float] = time.process_time,
) -> list[Run]:
  """Single runs in their order: at least `runs` of them, and at least `seconds` in all.

  Args:
    invoke: runs the file once.
    runs, seconds: the least of each.
    cpu_time: function () -> CPU seconds of the threads that run it.
  """
  times: list[Run] = []
  end = time.perf_counter() + seconds
  while len(times) < runs or time.perf_counter() < end:
    # The CPU clock is read outside: waiting may only be missed, not made, by reading clocks.
    cpu_start, start = cpu_time(), time.perf_counter()
    invoke()
    wall = time.perf_counter() - start
    times.append((wall, cpu_time() - cpu_start))
  return times


def time_repeat(
  invoke: Callable[[], object], arguments: argparse.Namespace
) -> dict[str, float | int | str]:
  """One repeat of one file: what `undisturbed.summary` says of its runs."""
  threads = arguments.threads
  working = undisturbed.WorkingThreads(threads)
  time_runs(invoke, arguments.warmup_runs, arguments.warmup_seconds)
  cpu_time = working.found()
  start = time.perf_counter()
  runs = time_runs(invoke, max(arguments.runs, 1), arguments.seconds, cpu_time)
  most = arguments.patience * (time.perf_counter() - start)
  while missing := undisturbed.missing(runs, threads):
    if time.perf_counter() - start >= most:
      break
    runs += time_runs(invoke, missing, 0.0, cpu_time)
  return undisturbed.summary(runs, threads)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--threads", type=int, default=1)
  parser.add_argument("--cpu_mask", default="", help="Hexadecimal; empty: all processors.")
  parser.add_argument("--delegate", default="xnnpack", choices=("xnnpack", "none"))
  parser.add_argument("--warmup_runs", type=int, default=10)
  parser.add_argument("--warmup_seconds", type=float, default=0.0)
  parser.add_argument("--runs", type=int, default=50)
  parser.add_argument("--repeats", type=int, default=3)
  parser.add_argument("--seconds", type=float, default=0.0, help="Least time of one repeat.")
  parser.add_argument(
    "--patience",
    type=float,
    default=PATIENCE,
    help="Times its length that a repeat goes on, until enough of its runs were undisturbed.",
  )
  parser.add_argument("files", nargs="+")
  arguments = parser.parse_args()
  if arguments.cpu_mask:
    mask = int(arguments.cpu_mask, 16)
    try:
      os.sched_setaffinity(0, {bit for bit in range(mask.bit_length()) if mask >> bit & 1})
    except OSError as error:
      sys.exit(f"the processors do not fit the mask {arguments.cpu_mask}: {error}")

  from nadv2_tf.export.tflite import interpreter

  interpreters = []
  for file in arguments.files:
    try:
      made = interpreter(file, arguments.threads, delegates=arguments.delegate == "xnnpack")
    except ValueError as error:
      print(f"{file}: {error}", file=sys.stderr)
      sys.exit(UNUSABLE_FILE)
    interpreters.append(made)
  repeats: list[list[dict[str, Any]]] = [[] for _ in interpreters]
  for _ in range(arguments.repeats):
    for made, results in zip(interpreters, repeats, strict=True):
      results.append(time_repeat(made.invoke, arguments))
  for file, results in zip(arguments.files, repeats, strict=True):
    print(json.dumps({"file": file, "repeats": results}), flush=True)


if __name__ == "__main__":
  main()
