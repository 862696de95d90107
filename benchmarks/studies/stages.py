"""Where the time of a run goes: seconds and CPU seconds of its stages, split by what they are for.

  python -m nadv2_tf.benchmarks.studies.stages --repeats=3 -- --flagfile=flags/presets/demo.flags

What stands behind -- is given to nadv2-run, each time with an --output of its own. With --python,
the interpreters of several environments, such as two versions of this package, run in turns: what
slows the machine for a while slows all of them; with --in each reads the presets of its own
checkout. A version without stages.json has the seconds of metrics.json alone.
"""

from __future__ import annotations

import datetime
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from absl import app, flags

from nadv2_tf import stopwatch
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.pipeline.run_folder.folder import RunFolder

if TYPE_CHECKING:
  from collections.abc import Mapping, Sequence
  from typing import Any

  from nadv2_tf.pipeline.run_folder.records import RunMetrics

REPEATS = flags.DEFINE_integer("repeats", 3, "Runs of each.", lower_bound=1)
PYTHON = flags.DEFINE_multi_string(
  "python", None, "NAME=PATH of an environment's interpreter; default: the one that runs this."
)
IN = flags.DEFINE_multi_string(
  "in", None, "NAME=FOLDER in which runs of that name are started: whose presets they read."
)
UNTIL = flags.DEFINE_string(
  "until", "", "Count the whole up to the writing of this file of the run, such as found.tflite."
)
COMMAND = "from nadv2_tf.programs.run import start; start()"
FIGURES = (
  "test_accuracy",
  "latency_ms",
  "macs",
)


def main(arguments: list[str]) -> None:
  given = dict(one.split("=", 1) for one in PYTHON.value or [f"this={sys.executable}"])
  folders = dict(one.split("=", 1) for one in IN.value or [])
  taken: dict[str, list[dict[str, Any]]] = {name: [] for name in given}
  for number in range(REPEATS.value):
    for name, python in given.items():
      taken[name].append(_run(python, arguments[1:], folders.get(name)))
      whole = taken[name][-1]["whole"]
      print(f"# {name}, run {number + 1}: {whole[0]:.1f} s", file=sys.stderr, flush=True)
  print("$ python -m nadv2_tf.benchmarks.studies.stages", *_told(sys.argv[1:]))
  print(f"{datetime.date.today()}, {processor_name()}, {os.cpu_count()} cores; seconds, median")
  print(f"(smallest to largest) of {REPEATS.value}; whole: from the command to ", end="")
  print(f"{UNTIL.value or 'its end'}, CPU seconds are of the whole command")
  first, *_ = taken.values()
  for name, runs in taken.items():
    print(f"\n{name}: {runs[0]['versions']}")
    _print_whole(runs, first)
    _print_stages(runs)
    for network, figures in runs[-1]["networks"].items():
      print(f"  last run, {network}: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items()))


def _told(arguments: Sequence[str]) -> list[str]:
  """The command line without the paths of this machine."""
  return [
    "=".join(one.split("=")[:2]) + "=..." if one.startswith(("--python", "--in=")) else one
    for one in arguments
  ]


def _run(python: str, arguments: Sequence[str], place: str | None = None) -> dict[str, Any]:
  """Seconds, stages and figures of one nadv2-run in a folder of its own."""
  with tempfile.TemporaryDirectory() as folder:
    output = pathlib.Path(folder) / "run"
    before, began, start = os.times(), time.time(), time.monotonic()
    # -P: not the package that lies in this folder, but that of the environment.
    command = [python, "-P", "-c", COMMAND, *arguments, f"--output={output}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=place)
    if done.returncode:
      sys.exit(
        f"nadv2-run ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
      )
    seconds, after = time.monotonic() - start, os.times()
    if UNTIL.value:
      seconds = (output / UNTIL.value).stat().st_mtime - began
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    metrics = RunFolder(output).metrics()
    split = RunFolder(output).read_stages() or _coarse(metrics)
  networks = {
    name: {figure: one.figure(figure) for figure in FIGURES if one.figure(figure) is not None}
    for name, one in metrics.networks.items()
  }
  versions = ", ".join(f"{name} {value}" for name, value in metrics.versions.items())
  return {"whole": (seconds, cpu), "stages": split, "networks": networks, "versions": versions}


def _coarse(metrics: RunMetrics) -> dict[str, dict[str, list[float]]]:
  """The stages of a version that knows no more than their seconds."""
  stages = {name: spent for name, spent in metrics.seconds.items() if name != "finetune"}
  for name, network in metrics.networks.items():
    stages[f"finetune {name}"] = network.seconds["finetune"]
  return {name: {stopwatch.REST: [seconds, 0.0]} for name, seconds in stages.items()}


def _print_whole(runs: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> None:
  print("  whole       " + _range([run["whole"][0] for run in runs]))
  print("  CPU seconds " + _range([run["whole"][1] for run in runs]))
  if runs is not others:
    ratios = [one["whole"][0] / other["whole"][0] for one, other in zip(runs, others, strict=True)]
    print("  whole, over the first one's of the same turn " + _range(ratios, 3))


def _print_stages(runs: Sequence[Mapping[str, Any]]) -> None:
  tables = [dict(stopwatch.rows(run["stages"])) for run in runs]
  header = ["seconds", "CPU", *stopwatch.PARTS, stopwatch.REST]
  print(f"  {'':18s}" + "".join(f"{title:>9s}" for title in header))
  for name in tables[0]:
    rows = [table[name] for table in tables if name in table]
    medians = [statistics.median(column) for column in zip(*rows, strict=True)]
    print(f"  {name:18s}" + "".join(f"{value:9.1f}" for value in medians))


def _range(values: Sequence[float], digits: int = 1) -> str:
  low, high = min(values), max(values)
  return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


if __name__ == "__main__":
  app.run(main)
