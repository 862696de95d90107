"""HURRICANE's super-network trained for each half of the search, against one of the whole space.

  python -m nadv2_tf.benchmarks.studies.halves --output=FOLDER --seeds=0,1,2 \\
    --whole=1,2 --halves=0.35,0.7 -- --backbone=mobilenet_v3_demo --data=demo --metric=macs \\
    --execution=sliced --full_epochs=3 --finetune_epochs=1

What stands behind -- is nadv2-run's. For every seed there is a run with --epochs=0, whose samples
are scored with the full network's weights, one for each of --whole, which are --epochs, and one for
each of --halves, which are --half_epochs: two trainings of so many each. All of a seed begin with
the same full network, and what they find is cut out of that and trained on alike.

A training's cost is its steps, and the CPU seconds of these; what tracing took stands beside it.
Each run is a process of its own on one core (--cores at once); one that is finished is not run
again.
"""

from __future__ import annotations

import concurrent.futures
import datetime
import os
import pathlib
import statistics
import sys
from typing import TYPE_CHECKING

from absl import app, flags

from nadv2_tf.benchmarks.studies import begun
from nadv2_tf.benchmarks.studies.cells import call, cell, check_same, free_cores
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.pipeline.run_folder.folder import RunFolder

if TYPE_CHECKING:
  from collections.abc import Iterator, Mapping, Sequence
  from typing import Any

  from nadv2_tf.benchmarks.studies.cells import Cores

FLAGS = flags.FLAGS
#: what the runs of a seed begin with
NONE = "none"
#: stages that train the super-network
TRAINING = ("train", "train later half", "train earlier half")
SEARCHING = ("search later half", "search")


def define_flags() -> None:
  flags.DEFINE_string("output", None, "Folder of the runs.", required=True)
  flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds.")
  flags.DEFINE_list("whole", ["1"], "--epochs of the super-networks of the whole space.")
  flags.DEFINE_list("halves", ["0.35", "0.5"], "--half_epochs of those that are trained twice.")
  flags.DEFINE_integer("cores", os.cpu_count() or 1, "Runs at once.", lower_bound=1)


def main(arguments: list[str]) -> None:
  folder, given = pathlib.Path(FLAGS.output), arguments[1:]
  check_same(folder, {"flags": given, "cores": FLAGS.cores})
  cores, arms = free_cores(FLAGS.cores), arms_of(FLAGS.whole, FLAGS.halves)

  def run(seed: str, arm: str) -> dict[str, Any]:
    return _run(folder, given, cores, seed, arm)

  with concurrent.futures.ThreadPoolExecutor(FLAGS.cores) as pool:
    results: dict[tuple[str, str], dict[str, Any]] = {}
    # The others of a seed begin with what the first of it trained.
    for part in ([NONE], [arm for arm in arms if arm != NONE]):
      jobs = [(seed, arm) for seed in FLAGS.seeds for arm in part]
      done = pool.map(lambda job: run(*job), jobs)
      results |= dict(zip(jobs, done, strict=True))
  for line in lines(results, FLAGS.seeds, arms):
    print(line)


def arms_of(whole: Sequence[str], halves: Sequence[str]) -> list[str]:
  """Names of the ways to train: `NONE`, "whole 1", "halves 0.35", ..."""
  return [NONE, *(f"whole {one}" for one in whole), *(f"halves {one}" for one in halves)]


def lines(
  results: Mapping[tuple[str, str], Mapping[str, Any]], seeds: Sequence[str], arms: Sequence[str]
) -> Iterator[str]:
  """The study's text.

  Args:
    results: {(seed, arm): what `cost_of` gives}.
    seeds, arms: texts; of the arms, costs and accuracies are held against the first "whole" one.
  """
  command = " ".join(one for one in sys.argv[1:] if not one.startswith("--output="))
  yield f"$ python -m nadv2_tf.benchmarks.studies.halves {command}"
  yield f"{datetime.date.today()}, {processor_name()}, one core a run, {FLAGS.cores} at once"
  yield "means over the seeds; CPU seconds; accuracy of the found network on the test set"
  yield (
    f"{'super-network':15s}{'steps':>7s}{'of them':>9s}{'a step':>9s}{'cost':>8s}{'tracing':>9s}"
    f"{'search':>8s}{'samples':>9s}{'accuracy':>10s}{'lowest':>9s}{'highest':>9s}"
  )
  whole = next((arm for arm in arms if arm.startswith("whole")), NONE)
  for arm in arms:
    cells = [results[seed, arm] for seed in seeds]

    def mean(name: str, cells: Sequence[Mapping[str, Any]] = cells) -> float:
      return statistics.mean(cell[name] for cell in cells)

    against = statistics.mean(results[seed, whole]["seconds"] for seed in seeds)
    each = f"{1000 * mean('seconds') / mean('steps'):.0f} ms" if mean("steps") else "-"
    cost = f"{mean('seconds') / against - 1:+.1%}" if against else "-"
    found = [cell["accuracy"] for cell in cells]
    yield (
      f"{arm:15s}{mean('steps'):7.0f}{mean('seconds'):8.1f}s{each:>9s}{cost:>8s}"
      f"{mean('tracing'):8.1f}s{mean('search'):7.1f}s{mean('samples'):9.0f}"
      f"{statistics.mean(found):10.2%}{min(found):9.2%}{max(found):9.2%}"
    )
  for arm in arms:
    if arm != whole:
      gains = [
        100 * (results[seed, arm]["accuracy"] - results[seed, whole]["accuracy"]) for seed in seeds
      ]
      told = ", ".join(f"{gain:+.2f}" for gain in gains)
      yield f"  {arm} against {whole}: {statistics.mean(gains):+.2f} points ({told})"


def _run(
  folder: pathlib.Path, given: list[str], cores: Cores, seed: str, arm: str
) -> dict[str, Any]:
  name = f"{arm.replace(' ', '_')}_{seed}"
  place, first = RunFolder(folder / name), RunFolder(folder / f"{NONE}_{seed}")
  kind, _, epochs = arm.partition(" ")
  more = {"whole": [f"--epochs={epochs}"], "halves": ["--epochs=0", f"--half_epochs={epochs}"]}
  own = more.get(kind, ["--epochs=0"])

  def make(core: int) -> dict[str, Any]:
    if arm != NONE and not place.path.exists():
      begun.begin(place, first, {"train": {"epochs": float(epochs) if kind == "whole" else 0.0}})
    command = [sys.executable, "-m", "nadv2_tf.programs.run", "--search_optimizer=hurricane"]
    call([*command, *given, *own, f"--seed={seed}", f"--output={place.path}"], core)
    return cost_of(place)

  return cell(folder / f"cell_{name}.json", make, cores)


def cost_of(place: RunFolder) -> dict[str, Any]:
  """{"steps" of the super-network; CPU "seconds" of them, of "tracing" and of "search"; ...}."""
  stages, metrics = place.read_stages(), place.metrics()
  logs = place.training_logs()

  def spent(names: Sequence[str], *parts: str) -> float:
    times = [stages.get(name, {}) for name in names]
    return sum(cpu for of in times for part, (_, cpu) in of.items() if part in parts or not parts)

  return {
    "steps": sum(log[-1].step for title, log in logs.items() if title.startswith("super-network")),
    "seconds": spent(TRAINING, "steps"),
    "tracing": spent(TRAINING, "tracing"),
    "search": spent(SEARCHING),
    "samples": metrics.samples_scored,
    "accuracy": metrics.networks["found"].test_accuracy,
    "resource": metrics.metric.predicted if metrics.metric else None,
  }


if __name__ == "__main__":
  define_flags()
  app.run(main)
