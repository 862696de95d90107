"""Timing TFLite files on this machine, with LiteRT in a process of its own."""

import dataclasses
import hashlib
import importlib.metadata
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

from nadv2_tf.export.tflite import to_tflite

#: files per worker process: argument lists and open models stay bounded
FILES_PER_WORKER = 200


class TimingError(RuntimeError):
  """A timing that failed; there is no number."""


@dataclasses.dataclass(frozen=True)
class Timing:
  """One file's timing: median over repeats of the median run, and how far the repeats lie apart.

  `spread` is (largest - smallest) / median of the repeats' medians.
  """

  median_ms: float
  p95_ms: float
  spread: float
  repeats: int
  runs: int
  warmup_runs: int
  num_threads: int
  device: str
  runtime: str
  file_sha256: str


def processor_name():
  """The processor as the operating system names it."""
  try:
    lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
  except OSError:
    lines = []
  names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
  return names[0] if names else platform.processor() or platform.machine()


def time_files(paths, num_threads=1, runs=50, warmup_runs=10, repeats=3, seconds=0.0):
  """Times TFLite files; a list of `Timing` in their order.

  Args:
    paths: the files.
    num_threads: of the interpreter.
    runs, warmup_runs: per repeat.
    repeats: the files take turns this often.
    seconds: least time of one repeat; short runs are repeated to fill it.

  Raises:
    TimingError: with the tail of the worker's output, if a file cannot be timed.
  """
  settings = {
    "threads": num_threads,
    "runs": runs,
    "warmup_runs": warmup_runs,
    "repeats": repeats,
    "seconds": seconds,
  }
  flags = [f"--{name}={value}" for name, value in settings.items()]
  timings = []
  for start in range(0, len(paths), FILES_PER_WORKER):
    part = [str(path) for path in paths[start : start + FILES_PER_WORKER]]
    command = [sys.executable, "-m", "nadv2_tf.benchmarks.litert_worker", *flags, *part]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or len(lines) != len(part):
      tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-3:])
      raise TimingError(f"Timing failed with exit status {done.returncode}: {tail}")
    timings += [
      _timing(json.loads(line), path, num_threads, warmup_runs)
      for line, path in zip(lines, part, strict=True)
    ]
  return timings


def _timing(record, path, num_threads, warmup_runs):
  medians = record["medians_ms"]
  median = statistics.median(medians)
  return Timing(
    median_ms=median,
    p95_ms=record["p95_ms"],
    spread=(max(medians) - min(medians)) / median,
    repeats=len(medians),
    runs=record["runs"],
    warmup_runs=warmup_runs,
    num_threads=num_threads,
    device=f"host: {processor_name()}",
    runtime=f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}",
    file_sha256=hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest(),
  )


class HostLatencyMeter:
  """A meter that builds, exports and times whole networks on this machine: seconds each.

  Latency does not depend on the weights, so fresh ones do. A search that asks for hundreds of
  networks wants a latency table; this meter is for its end points.
  """

  unit = "ms"
  is_exact = False

  def __init__(self, num_threads=1, runs=50, repeats=5, seconds=0.05):
    self._settings = {
      "num_threads": num_threads,
      "runs": runs,
      "repeats": repeats,
      "seconds": seconds,
    }

  def measure(self, spec):
    return self.measure_all([spec])[0]

  def measure_all(self, specs):
    """Milliseconds of each network, all timed in turns."""
    from nadv2_tf.models import stand_alone

    with tempfile.TemporaryDirectory() as folder:
      paths = [
        to_tflite(stand_alone(spec), pathlib.Path(folder) / f"{index}.tflite")
        for index, spec in enumerate(specs)
      ]
      return [timing.median_ms for timing in time_files(paths, **self._settings)]
