"""The demo over several seeds: found network against the uniformly scaled one, at equal latency.

  python -m nadv2_tf.benchmarks.studies.demo_seeds --output=FOLDER --seeds=0,1,2

Every seed is a whole `nadv2-run` of the demo preset, into FOLDER/SEED; one that is finished is not
run again. The found and the uniformly scaled network are cut from the same full network (with
--order=paper: super-network) and fine-tuned for the same epochs. Beside it both are trained from
scratch for the epochs of full network, super-network and fine-tuning together.
"""

from __future__ import annotations

import json
import pathlib
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

import keras
from absl import app, flags

from nadv2_tf import flags as presets
from nadv2_tf.models import stand_alone
from nadv2_tf.options import FinetuneOptions
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages import workbench
from nadv2_tf.pipeline.stages.recipes import is_full_first
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.scoring.evaluation import evaluate, keras_predictor

if TYPE_CHECKING:
  from collections.abc import Mapping, Sequence
  from typing import Any

  from nadv2_tf.pipeline.run_folder.records import RunMetrics

DEMO_PRESET = pathlib.Path(presets.__file__).with_name("presets") / "demo.flags"

OUTPUT = flags.DEFINE_string("output", None, "Folder of the runs.", required=True)
SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds to run.")
PRESET = flags.DEFINE_string("preset", str(DEMO_PRESET), "Flag file of the run.")
#: of training from scratch, as in benchmarks/results/demo_seeds.txt
SCRATCH_LEARNING_RATE = 3e-3


def run_demo(folder: pathlib.Path, seed: str) -> RunMetrics:
  """One run of the preset; its metrics."""
  if not (folder / "report.html").exists():
    command = [
      sys.executable,
      "-m",
      "nadv2_tf.programs.run",
      f"--flagfile={PRESET.value}",
      f"--output={folder}",
      f"--seed={seed}",
    ]
    subprocess.run(command, check=True)
  return RunFolder(folder).metrics()


def from_scratch(folder: pathlib.Path, name: str) -> float:
  """Test accuracy of a network of the run, trained from fresh weights for as many epochs."""
  record = folder / f"{name}_from_scratch.json"
  if record.exists():
    return json.loads(record.read_text(encoding="utf-8"))["test_accuracy"]
  bench = workbench.reopen_workbench(folder)
  finetune = bench.folder.options("finetune", FinetuneOptions)
  epochs = bench.train_options.epochs + finetune.finetune_epochs
  if is_full_first(bench.train_options):
    epochs += bench.train_options.full_epochs
  recipe = Recipe(
    epochs, bench.train_options.batch_size, bench.train_options.optimizer, SCRATCH_LEARNING_RATE,
    weight_decay=bench.train_options.weight_decay,
  )  # fmt: skip
  keras.utils.set_random_seed(bench.seed)
  model = stand_alone(bench.folder.read_spec(name))
  TrainingLoop(model, bench.task, recipe, seed=bench.seed).run(bench.datasets.train)
  classes = len(bench.datasets.class_names)
  accuracy = evaluate(keras_predictor(model), bench.datasets.test, classes).accuracy
  record.write_text(json.dumps({"epochs": epochs, "test_accuracy": accuracy}), encoding="utf-8")
  return accuracy


def table(rows: Sequence[tuple[str, Mapping[str, float]]]) -> str:
  """Text of [(seed, {column: value})] with mean and range."""
  columns = list(rows[0][1])
  lines = ["seed  " + "  ".join(f"{column:>18s}" for column in columns)]
  for seed, row in rows:
    lines.append(f"{seed:4s}  " + "  ".join(f"{row[column]:18.4f}" for column in columns))
  means = [statistics.mean(row[column] for _, row in rows) for column in columns]
  lines.append("mean  " + "  ".join(f"{mean:18.4f}" for mean in means))
  return "\n".join(lines)


def main(_: list[str]) -> None:
  rows = []
  for seed in SEEDS.value:
    folder = pathlib.Path(OUTPUT.value) / seed
    networks = run_demo(folder, seed).networks
    row: dict[str, Any] = {}
    for name in ("full", "found", "uniform"):
      row[f"{name} accuracy"] = networks[name].test_accuracy
      row[f"{name} ms"] = networks[name].latency_ms
    for name in ("found", "uniform"):
      row[f"{name} scratch"] = from_scratch(folder, name)
    rows.append((seed, row))
    print(table(rows), flush=True)


if __name__ == "__main__":
  app.run(main)
