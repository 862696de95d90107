"""Times TFLite files with LiteRT; meant to run in a process of its own.

  python -m nadv2_tf.benchmarks.timing.litert_worker --threads=1 --runs=50 --repeats=3 FILE [...]

Prints one JSON line per file. The files take turns: each repeat times all of them, so that a
machine whose speed drifts touches all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Callable

#: exit status when a file cannot be loaded
UNUSABLE_FILE = 3


def time_runs(invoke: Callable[[], object], runs: int, seconds: float) -> list[float]:
  """Sorted seconds of single runs: at least `runs` of them, and at least `seconds` in all."""
  times: list[float] = []
  end = time.perf_counter() + seconds
  while len(times) < runs or time.perf_counter() < end:
    start = time.perf_counter()
    invoke()
    times.append(time.perf_counter() - start)
  return sorted(times)


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
  repeats: list[list[dict[str, float]]] = [[] for _ in interpreters]
  for _ in range(arguments.repeats):
    for made, results in zip(interpreters, repeats, strict=True):
      time_runs(made.invoke, arguments.warmup_runs, arguments.warmup_seconds)
      times = time_runs(made.invoke, max(arguments.runs, 1), arguments.seconds)
      results.append(
        {
          "value_ms": 1e3 * statistics.median(times),
          "p95_ms": 1e3 * times[int(0.95 * len(times))],
          "runs": len(times),
        }
      )
  for file, results in zip(arguments.files, repeats, strict=True):
    print(json.dumps({"file": file, "repeats": results}), flush=True)


if __name__ == "__main__":
  main()
