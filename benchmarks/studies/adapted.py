"""A trained network fitted to a device: a run against what else could be done with that network.

  python -m nadv2_tf.benchmarks.studies.adapted --output=FOLDER --targets=60%,45% -- \\
    --network=lite0.keras --data=folder:flowers --metric=latency_ms

What stands behind -- is nadv2-run's. For every seed there is one run with all targets, and one cell
for each arm, whose networks are as fast as the found ones on the device, and are trained alike:

- uniform: the original narrowed by one factor in order of importance (a part of the run);
- threshold: every layer cut where the importance of its channels is below one threshold of all;
- netadaptv1: NetAdaptV1 from the same weights, in no more time than the run's search;
- scratch: the found network itself with fresh weights, at the learning rate that is best on the
  hold-out with the first seed.

Cells are processes on one core each (--cores at once), and their results files in --output: a study
that was killed goes on. At the end all networks of a seed are timed in turns.
"""

from __future__ import annotations

import concurrent.futures
import datetime
import json
import pathlib
import statistics
import sys
from typing import TYPE_CHECKING

from absl import app, flags

from nadv2_tf import stopwatch
from nadv2_tf.benchmarks.studies import peers
from nadv2_tf.benchmarks.studies.cells import call, cell, check_same, free_cores, python_call
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.programs import presets

if TYPE_CHECKING:
  from collections.abc import Iterator, Mapping, Sequence
  from typing import Any

  from nadv2_tf.benchmarks.studies.cells import Cores

FLAGS = flags.FLAGS
TITLES = {
  "full": "the original, trained",
  "found": "nadv2-run, found network",
  "uniform": "narrowed by one factor",
  "threshold": "one global threshold",
  "netadaptv1": "NetAdaptV1",
  "scratch": "found network, scratch",
}


def define_flags() -> None:
  flags.DEFINE_string("output", None, "Folder of the cells.", required=True)
  flags.DEFINE_list("targets", ["60%", "45%"], "Targets of the runs.")
  flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds.")
  flags.DEFINE_list("arms", list(peers.ARMS), "What the runs are compared with.")
  flags.DEFINE_integer("cores", 1, "Cells at once.", lower_bound=1)


def main(arguments: list[str]) -> None:
  folder, given = pathlib.Path(FLAGS.output), arguments[1:]
  check_same(folder, {"flags": presets.expanded(given), "targets": FLAGS.targets})
  cores = free_cores(FLAGS.cores)
  with concurrent.futures.ThreadPoolExecutor(FLAGS.cores) as pool:
    list(pool.map(lambda seed: _run(folder, given, cores, seed), FLAGS.seeds))
    rate = _best_rate(folder, cores) if "scratch" in FLAGS.arms else None
    jobs = [(seed, arm) for seed in FLAGS.seeds for arm in FLAGS.arms]
    list(pool.map(lambda job: _arm(folder, cores, job[0], job[1], rate), jobs))
  results = {seed: _results(folder, cores, seed) for seed in FLAGS.seeds}
  command = " ".join(one for one in sys.argv[1:] if not one.startswith("--output="))
  print(f"$ python -m nadv2_tf.benchmarks.studies.adapted {command}")
  print(f"{datetime.date.today()}, {processor_name()}, one core a cell, {FLAGS.cores} at once")
  for line in lines(results, FLAGS.arms, rate):
    print(line)


def lines(
  results: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]],
  arms: Sequence[str],
  rate: float | None = None,
) -> Iterator[str]:
  """The study's tables.

  Args:
    results: {seed: {target: {arm: {"test_accuracy", "milliseconds", "macs", "seconds", and of the
      found network "run_seconds"}}}}; an arm that does not reach a target is not there.
    arms: of those that are compared.
    rate: of the trainings from scratch.
  """
  if rate is not None:
    yield f"learning rate from scratch, chosen on the hold-out: {rate:g}"
  seeds = list(results)
  for target in results[seeds[0]]:
    of_target = [results[seed][target] for seed in seeds]
    yield ""
    yield f"target {target}"
    head = f"{'':26s}{'accuracy':>9s}{'lowest':>9s}{'highest':>9s}{'found wins by':>15s}"
    yield head + f"{'of the original':>17s}{'M MACs':>8s}{'seconds':>9s}"
    for arm in ("full", "found", "uniform", *arms):
      reached = [one for one in of_target if arm in one]
      if not reached:
        yield f"{TITLES[arm]:26s}  not reached"
        continue
      cells = [one[arm] for one in reached]
      found = [item["test_accuracy"] for item in cells]
      ahead = [one["found"]["test_accuracy"] - one[arm]["test_accuracy"] for one in reached]
      shares = [one[arm]["milliseconds"] / one["full"]["milliseconds"] for one in reached]
      few = f"  {len(reached)} of {len(seeds)} seeds" if len(reached) < len(seeds) else ""
      yield (
        f"{TITLES[arm]:26s}{statistics.mean(found):9.2%}{min(found):9.2%}{max(found):9.2%}"
        f"{100 * statistics.mean(ahead):+15.2f}{statistics.mean(shares):17.1%}"
        f"{statistics.mean(item['macs'] for item in cells) / 1e6:8.1f}"
        f"{statistics.mean(item['seconds'] for item in cells):9.0f}{few}"
      )
  yield ""
  yield "seconds: of found the whole run with all targets; of others the search and the training"


def _run(folder: pathlib.Path, given: list[str], cores: Cores, seed: str) -> dict[str, Any]:
  """The run of one seed, with the references."""
  output = folder / f"run_{seed}"

  def make(core: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "nadv2_tf.programs.run", *presets.expanded(given)]
    own = ["--references", f"--target={','.join(FLAGS.targets)}", f"--seed={seed}"]
    call([*command, *own, f"--output={output}"], core)
    # The run's own account: a study that was killed goes on with what the run had.
    return {"seconds": dict(stopwatch.rows(RunFolder(output).read_stages()))["all"][0]}

  return cell(folder / f"cell_run_{seed}.json", make, cores)


def _best_rate(folder: pathlib.Path, cores: Cores) -> float:
  seed, found = FLAGS.seeds[0], {}
  for rate in peers.RATES:
    result = _arm(folder, cores, seed, "scratch", rate, holdout=True)
    found[rate] = next(iter(result.values()))["holdout_accuracy"]
  return max(found, key=found.__getitem__)


def _arm(
  folder: pathlib.Path,
  cores: Cores,
  seed: str,
  arm: str,
  rate: float | None,
  holdout: bool = False,
) -> dict[str, Any]:
  """The cell of one arm: {folder of a target: what came out}."""
  name = f"cell_{arm}_{seed}" if not holdout else f"cell_rate_{seed}_{rate:g}"
  path = folder / f"{name}.json"

  def make(core: int) -> dict[str, Any]:
    job = {"run": str(folder / f"run_{seed}"), "arm": arm, "rate": rate, "holdout": holdout}
    return python_call("peers:cell", job, path, core)

  return cell(path, make, cores)


def _results(folder: pathlib.Path, cores: Cores, seed: str) -> dict[str, dict[str, dict[str, Any]]]:
  """{target: {arm: what came out}} of one seed, with milliseconds measured in turns."""
  run = RunFolder(folder / f"run_{seed}")
  full = run.network_metrics("full")
  seconds = json.loads((folder / f"cell_run_{seed}.json").read_text())["seconds"]
  places, results = run.found_folders(), {}
  for target, place in zip(_largest_first(FLAGS.targets), places, strict=True):
    arms = {}
    for name, metrics in (
      ("full", full),
      ("found", place.network_metrics("found")),
      ("uniform", place.network_metrics("uniform")),
    ):
      spec = (run if name == "full" else place).read_spec(name)
      arms[name] = {
        "test_accuracy": metrics.test_accuracy,
        "macs": metrics.macs,
        "spec": spec.to_json(),
        "seconds": seconds if name == "found" else sum(metrics.seconds.values()),
      }
    for arm in FLAGS.arms:
      made = _arm(folder, cores, seed, arm, None).get(place.path.name)
      if made is not None:  # None: an arm whose networks do not get so small
        arms[arm] = made | {"seconds": made["search_seconds"] + made["seconds"]}
    results[target] = arms
  _add_times(folder, cores, seed, results)
  return results


def _largest_first(targets: Sequence[str]) -> list[str]:
  return sorted(targets, key=lambda target: float(target.rstrip("%")), reverse=True)


def _add_times(
  folder: pathlib.Path,
  cores: Cores,
  seed: str,
  results: dict[str, dict[str, dict[str, Any]]],
) -> None:
  cells = [item for arms in results.values() for item in arms.values()]
  path = folder / f"cell_times_{seed}.json"
  job = {"run": str(folder / f"run_{seed}"), "specs": [item["spec"] for item in cells]}
  measured = cell(path, lambda core: python_call("peers:times", job, path, core), cores)
  for item, milliseconds in zip(cells, measured["milliseconds"], strict=True):
    item["milliseconds"] = milliseconds


if __name__ == "__main__":
  define_flags()
  app.run(main)
