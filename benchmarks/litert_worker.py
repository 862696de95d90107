"""Times TFLite files with LiteRT; meant to run in a process of its own.

  python -m nadv2_tf.benchmarks.litert_worker --threads=1 --runs=50 --repeats=3 FILE [FILE ...]

Prints one JSON line per file. The files take turns: each repeat times all of them, so that a
machine whose speed drifts touches all alike.
"""

import argparse
import json
import statistics
import sys
import time


def time_repeat(invoke, runs, seconds):
  """Seconds of single runs: at least `runs` of them, and at least `seconds` in all."""
  times = []
  end = time.perf_counter() + seconds
  while len(times) < runs or time.perf_counter() < end:
    start = time.perf_counter()
    invoke()
    times.append(time.perf_counter() - start)
  return times


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--threads", type=int, default=1)
  parser.add_argument("--warmup_runs", type=int, default=10)
  parser.add_argument("--runs", type=int, default=50)
  parser.add_argument("--repeats", type=int, default=3)
  parser.add_argument("--seconds", type=float, default=0.0, help="Least time of one repeat.")
  parser.add_argument("files", nargs="+")
  arguments = parser.parse_args()

  from nadv2_tf.export.tflite import interpreter

  try:
    interpreters = [interpreter(file, arguments.threads) for file in arguments.files]
  except ValueError as error:
    sys.exit(str(error))
  repeats = [[] for _ in interpreters]
  for _ in range(arguments.repeats):
    for made, results in zip(interpreters, repeats, strict=True):
      for _ in range(arguments.warmup_runs):
        made.invoke()
      results.append(sorted(time_repeat(made.invoke, arguments.runs, arguments.seconds)))
  for file, results in zip(arguments.files, repeats, strict=True):
    record = {
      "file": file,
      "medians_ms": [1e3 * statistics.median(times) for times in results],
      "p95_ms": 1e3 * statistics.median(times[int(0.95 * len(times))] for times in results),
      "runs": min(len(times) for times in results),
    }
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
  main()
