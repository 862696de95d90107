"""What the depth networks of a finished run are worth, beside predicting a constant.

  nadv2-run --flagfile=flags/presets/depth_pairs.flags --data=folder:DIR ... --output=FOLDER
  python -m nadv2_tf.benchmarks.studies.depth --output=FOLDER

The constant is the median depth of the training pixels, the best that can be said without looking.
"""

from __future__ import annotations

import datetime
import sys
from typing import TYPE_CHECKING

import numpy as np
from absl import app, flags

from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages import workbench
from nadv2_tf.tasks.depth.measures import RMSE, evaluate_maps

if TYPE_CHECKING:
  from collections.abc import Mapping
  from typing import Any

  from nadv2_tf.tasks.examples import Datasets

OUTPUT = flags.DEFINE_string("output", None, "Folder of a finished run.", required=True)
CONSTANT, FULL, FOUND = "constant: training median", "full", "found"
TITLES = {FULL: "full network", FOUND: "found network", "uniform": "uniformly scaled"}
#: found over full, and each over the constant, at most
MOST_LATENCY, MOST_RMSE, MOST_OF_CONSTANT = 0.5, 1.05, 0.85


def constant_measures(datasets: Datasets) -> dict[str, float]:
  """Measures of the training median, predicted for every test pixel."""
  maps = datasets.train.labels
  median = np.median(maps[maps > 0])
  prediction = np.full(datasets.test.labels.shape, median, np.float32)
  return evaluate_maps([(prediction, datasets.test.labels)]).measures


def table(
  rows: Mapping[str, tuple[Mapping[str, float], float | None, float | None]],
) -> list[str]:
  """Lines for {title: (measures, latency in ms or None, seconds of training or None)}."""
  names = list(next(iter(rows.values()))[0])
  lines = [
    " " * 26 + "".join(f"{name:>25s}" if "all" in name else f"{name:>10s}" for name in names)
  ]
  lines[0] += f"{'latency (ms)':>14s}{'train (s)':>11s}"
  for title, (measures, latency, seconds) in rows.items():
    line = f"{title:26s}"
    for name in names:
      line += f"{measures[name]:25.4f}" if "all" in name else f"{measures[name]:10.4f}"
    line += "             -" if latency is None else f"{latency:14.3f}"
    lines.append(line + ("          -" if seconds is None else f"{seconds:11.0f}"))
  return lines


def verdicts(rows: Mapping[str, tuple[Mapping[str, float], Any, Any]]) -> list[str]:
  """What was asked for, and whether it holds, as lines."""
  constant, full, found = (rows[title] for title in (CONSTANT, TITLES[FULL], TITLES[FOUND]))
  asked = [
    ("latency, found / full", found[1] / full[1], MOST_LATENCY),
    ("RMSE, found / full", found[0][RMSE] / full[0][RMSE], MOST_RMSE),
    ("RMSE, full / constant", full[0][RMSE] / constant[0][RMSE], MOST_OF_CONSTANT),
    ("RMSE, found / constant", found[0][RMSE] / constant[0][RMSE], MOST_OF_CONSTANT),
  ]
  return [
    f"{title:24s} {ratio:.3f}, asked at most {most}: {'yes' if ratio <= most else 'NO'}"
    for title, ratio, most in asked
  ]


def main(unused_arguments: list[str]) -> None:
  folder = RunFolder(OUTPUT.value)
  networks = folder.metrics().networks
  for name in (FULL, FOUND):
    if name not in networks or networks[name].latency_ms is None:
      raise app.UsageError(f"{folder.path} has no timed {TITLES[name]}; nadv2-run --references.")
  bench = workbench.reopen_workbench(OUTPUT.value)
  rows: dict[str, tuple[Mapping[str, float], Any, Any]]
  rows = {CONSTANT: (constant_measures(bench.datasets), None, None)}
  for name, title in TITLES.items():
    if name in networks:
      network = networks[name]
      rows[title] = (network.measures, network.latency_ms, network.seconds["finetune"])
  data = bench.datasets
  print("$ python -m nadv2_tf.benchmarks.studies.depth", *sys.argv[1:])
  print(
    f"{datetime.date.today()}, {len(data.train)} training, {len(data.holdout)} hold-out and "
    f"{len(data.test)} test pairs, {'x'.join(map(str, bench.space.network.input_shape))}, "
    f"{processor_name()}"
  )
  print("\n".join([*table(rows), *verdicts(rows)]))


if __name__ == "__main__":
  app.run(main)
