"""How long the commands take to say what they can, and what `import nadv2_tf` costs.

  python -m nadv2_tf.benchmarks.studies.start_up

Every run is a process of its own, from its start to its end, and all of them take turns. "python
-c pass" is what the interpreter and the .pth files of the environment take by themselves. The first
run of each, which may write .pyc files and fill the disk's cache, does not count.
"""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

from absl import app, flags

from nadv2_tf.benchmarks.studies.in_turns import round_medians
from nadv2_tf.benchmarks.timing.devices.host import processor_name

if TYPE_CHECKING:
  from collections.abc import Mapping, Sequence
  from typing import Any

RUNS = flags.DEFINE_integer("runs", 20, "Counted runs of each.", lower_bound=1)
SAMPLED = (
  "import random, nadv2_tf as nad; s = nad.backbones.search_space('mobilenet_v3_demo'); "
  "print(s.sample(random.Random(0)).macs())"
)
#: what is asked for on an idle machine of two cores, in seconds
MOST_HELP, MOST_IMPORT, MOST_COUNTED = 0.2, 0.2, 0.3


def commands() -> dict[str, tuple[list[str | pathlib.Path], float | None]]:
  """{title: (arguments, seconds asked for or None)} of all that is timed.

  Raises:
    importlib.metadata.PackageNotFoundError: if the package is not installed.
  """
  folder = pathlib.Path(sysconfig.get_path("scripts"))
  python = [sys.executable, "-c"]
  scripts = importlib.metadata.distribution("nadv2-tf").entry_points
  names = sorted(script.name for script in scripts.select(group="console_scripts"))
  return {
    "python -c pass": ([*python, "pass"], None),
    "import nadv2_tf": ([*python, "import nadv2_tf"], MOST_IMPORT),
    "a spec sampled and counted": ([*python, SAMPLED], MOST_COUNTED),
    "nadv2-count --network=...": (
      [folder / "nadv2-count", "--network=netadaptv2_51ms"],
      MOST_COUNTED,
    ),
    **{f"{name} --help": ([folder / name, "--help"], MOST_HELP) for name in names},
  }


def run_once(arguments: Sequence[str | pathlib.Path], unused_index: int = 0) -> None:
  """Runs a command to its end; raises RuntimeError if it fails, for that is no time."""
  done = subprocess.run(
    arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
  )
  # absl's --help exits with 1, and so does an exception, which also has something to say.
  allowed = (0, 1) if arguments[-1] == "--help" else (0,)
  if done.returncode not in allowed or done.stderr:
    command = " ".join(map(str, arguments))
    raise RuntimeError(f"{command} exits with {done.returncode}: {done.stderr[-1000:]}")


def table(seconds: Mapping[str, Sequence[float]], asked: Mapping[str, float | None]) -> list[str]:
  """Lines for {title: seconds of each run} and {title: seconds asked for or None}."""
  lines = [f"{'':28s}{'median':>8s}{'min':>8s}{'max':>8s}  (ms)"]
  for title, values in seconds.items():
    median, most = statistics.median(values), asked[title]
    line = f"{title:28s}" + "".join(
      f"{1000 * value:8.1f}" for value in (median, min(values), max(values))
    )
    if most is not None:
      line += f"  asked under {1000 * most:.0f}: {'yes' if median < most else 'NO'}"
    lines.append(line)
  return lines


def main(_: Any) -> None:
  timed = commands()
  for arguments, _ in timed.values():
    run_once(arguments)
  calls = {title: functools.partial(run_once, arguments) for title, (arguments, _) in timed.items()}
  seconds = round_medians(calls, RUNS.value, steps=1)
  print("$ python -m nadv2_tf.benchmarks.studies.start_up", *sys.argv[1:])
  print(
    f"{datetime.date.today()}, Python {platform.python_version()}, {processor_name()}, "
    f"{os.cpu_count()} processors, {RUNS.value} runs of each"
  )
  print("\n".join(table(seconds, {title: most for title, (_, most) in timed.items()})))


if __name__ == "__main__":
  app.run(main)
