"""Is a run worth its time? Its found network against what the same seconds buy without the toolkit.

  python -m nadv2_tf.benchmarks.studies.worth --output=FOLDER --targets=50%,30% --seeds=0,1,2 -- \\
    --backbone=mobilenet_v3_demo --data=demo --metric=latency_ms \\
    --full_epochs=3 --finetune_epochs=18

What stands behind -- is nadv2-run's. For every target and seed there are three cells:

- the run itself, which takes T seconds and whose network has a latency;
- the uniformly scaled network of that latency, trained from scratch for T seconds;
- the found network itself, from scratch, for T seconds (--arm leaves out one of the two).

The two from scratch train on all images, the hold-out's too, with Adam, a cosine schedule, flips
and shifts; their learning rate is the one of RATES that is best on the hold-out after T / 3 seconds
of training without it, tried with the first seed. Choosing it is not counted in their time.

Each cell is a process of its own on one core (--cores at once), and its result a file in --output:
a study that was killed goes on. Latency is that of one table, measured before everything else.
"""

from __future__ import annotations

import concurrent.futures
import datetime
import itertools
import json
import os
import pathlib
import shutil
import statistics
import sys
import time
from typing import TYPE_CHECKING

from absl import app, flags

from nadv2_tf.benchmarks.studies.cells import call, cell, check_same, free_cores, python_call
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.programs import presets

if TYPE_CHECKING:
  from collections.abc import Iterator, Mapping, Sequence
  from typing import Any

  from nadv2_tf.benchmarks.studies.cells import Cores

FLAGS = flags.FLAGS
#: learning rates of a training from scratch
RATES = (1e-3, 3e-3, 1e-2)
#: share of T that the training takes which a rate is chosen by
SHARE = 1 / 3
ARMS = ("uniform", "found")
TITLES = {
  "run": "nadv2-run, all of it",
  "uniform": "uniformly scaled, scratch",
  "found": "found network, scratch",
}


def define_flags() -> None:
  flags.DEFINE_string("output", None, "Folder of the cells.", required=True)
  flags.DEFINE_list("targets", ["50%", "30%"], "Targets of the runs.")
  flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds.")
  flags.DEFINE_multi_enum("arm", list(ARMS), ARMS, "What the runs are compared with.")
  flags.DEFINE_enum(
    "channels", None, ["1", "3"], "Channels of the images; default: the backbone's own."
  )
  flags.DEFINE_integer("cores", os.cpu_count() or 1, "Cells at once.", lower_bound=1)


def main(arguments: list[str]) -> None:
  folder, given = pathlib.Path(FLAGS.output), arguments[1:]
  check_same(folder, {"flags": presets.expanded(given), "cores": FLAGS.cores})
  given = _with_table(folder, given)
  cores = free_cores(FLAGS.cores)
  pairs = list(itertools.product(FLAGS.targets, FLAGS.seeds))
  with concurrent.futures.ThreadPoolExecutor(FLAGS.cores) as pool:
    runs = list(pool.map(lambda pair: _run(folder, given, cores, *pair), pairs))
    jobs = [(target, arm) for target in FLAGS.targets for arm in FLAGS.arm]
    rates = dict(
      zip(jobs, pool.map(lambda job: _best_rate(folder, cores, *job), jobs), strict=True)
    )
    jobs_of_seeds = [(target, seed, arm) for target, seed in pairs for arm in FLAGS.arm]

    def scratch(job: tuple[str, str, str]) -> dict[str, Any]:
      target, seed, arm = job
      return _scratch(folder, cores, target, seed, arm, rates[target, arm])

    done = pool.map(scratch, jobs_of_seeds)
    results = dict(zip(jobs_of_seeds, done, strict=True))
  for (target, seed), run in zip(pairs, runs, strict=True):
    results[target, seed, "run"] = run
  for line in lines(results, FLAGS.targets, FLAGS.seeds, rates):
    print(line)


def lines(
  results: Mapping[tuple[str, str, str], Mapping[str, Any]],
  targets: Sequence[str],
  seeds: Sequence[str],
  rates: Mapping[tuple[str, str], float],
) -> Iterator[str]:
  """The study's text.

  Args:
    results: {(target, seed, arm): {"test_accuracy", "seconds", and of a run "share", of the others
      "epochs"}}.
    targets, seeds: texts.
    rates: {(target, arm): learning rate}.
  """
  command = " ".join(one for one in sys.argv[1:] if not one.startswith("--output="))
  yield f"$ python -m nadv2_tf.benchmarks.studies.worth {command}"
  yield f"{datetime.date.today()}, {processor_name()}, one core a cell, {FLAGS.cores} at once"
  for target in targets:
    yield ""
    shown = statistics.mean(results[target, seed, "run"]["share"] for seed in seeds)
    yield f"target {target} ({shown:.1%} of the full network's on average); test accuracy"
    yield f"{'':28s}{'mean':>8s}{'lowest':>9s}{'highest':>9s}{'seconds':>9s}{'epochs':>8s}  rate"
    arms = [arm for arm in ARMS if (target, seeds[0], arm) in results]
    for arm in ("run", *arms):
      cells = [results[target, seed, arm] for seed in seeds]
      found = [cell["test_accuracy"] for cell in cells]
      seconds = statistics.mean(cell["seconds"] for cell in cells)
      epochs = statistics.mean(cell["epochs"] for cell in cells) if arm != "run" else None
      yield (
        f"{TITLES[arm]:28s}{statistics.mean(found):8.2%}{min(found):9.2%}{max(found):9.2%}{seconds:9.0f}"
        + (f"{epochs:8.1f}  {rates[target, arm]:g}" if epochs is not None else "")
      )
    for arm in arms:
      gains = [
        results[target, seed, "run"]["test_accuracy"] - results[target, seed, arm]["test_accuracy"]
        for seed in seeds
      ]
      told = ", ".join(f"{100 * gain:+.2f}" for gain in gains)
      yield f"  the run against {TITLES[arm]}: {100 * statistics.mean(gains):+.2f} points ({told})"


def _with_table(folder: pathlib.Path, given: list[str]) -> list[str]:
  """The flags of the runs: one table of latency for all."""
  if _metric(given) != "latency_ms":
    return given
  path = folder / "table.csv"
  if not path.exists():
    flags_of_both = ("backbone", "network", "image_size")
    last = {name: one for name, one in _named(given) if name in flags_of_both}
    kept = list(last.values())
    if FLAGS.channels:
      kept.append(f"--channels={FLAGS.channels}")
    call([sys.executable, "-m", "nadv2_tf.programs.latency_table", *kept, f"--output={path}"])
  return [*given, f"--device=table:{path}"]


def _metric(given: list[str]) -> str:
  """The metric of the runs; the last flag counts, and the lines of a flag file are flags."""
  metrics = [one.partition("=")[2] for name, one in _named(given) if name == "metric"]
  return metrics[-1] if metrics else "latency_ms"


def _named(given: list[str]) -> Iterator[tuple[str, str]]:
  """(name, flag) of all flags in their order, those of presets and flag files too."""
  for one in presets.expanded(given):
    flag, _, value = one.partition("=")
    is_file = flag.lstrip("-") == "flagfile"
    lines = pathlib.Path(value).read_text().splitlines() if is_file else [one]
    for word in lines:
      if word.startswith("-"):  # no comment
        yield word.partition("=")[0].lstrip("-"), word.strip()


def _name(target: str, seed: str) -> str:
  return f"{target.replace('%', 'pct')}_{seed}"


def _run(
  folder: pathlib.Path, given: list[str], cores: Cores, target: str, seed: str
) -> dict[str, Any]:
  """The cell of the run itself."""
  output = folder / f"run_{_name(target, seed)}"

  def make(core):
    command = [sys.executable, "-m", "nadv2_tf.programs.run", *presets.expanded(given)]
    # What a killed study left would be gone on with, and its seconds not be in T.
    shutil.rmtree(output, ignore_errors=True)
    start = time.monotonic()
    call([*command, f"--target={target}", f"--seed={seed}", f"--output={output}"], core)
    seconds = time.monotonic() - start
    return {
      "test_accuracy": RunFolder(output).network_metrics("found").test_accuracy,
      "seconds": seconds,
      **_shares(output),
    }

  return cell(folder / f"cell_run_{_name(target, seed)}.json", make, cores)


def _shares(output: pathlib.Path) -> dict[str, float]:
  from nadv2_tf.benchmarks.studies.scratch import meter_of
  from nadv2_tf.pipeline.stages import workbench

  folder = RunFolder(output)
  space = workbench.reopen_workbench(output).space
  meter = meter_of(folder, space)
  own, full = meter.measure(folder.read_spec("found")), meter.measure(space.largest())
  return {"resource": own, "share": own / full}


def _job(folder: pathlib.Path, target: str, seed: str, arm: str, **more: Any) -> dict[str, Any]:
  return {
    "run": str(folder / f"run_{_name(target, seed)}"),
    "arm": arm,
    "seed": int(seed),
    "seconds": json.loads((folder / f"cell_run_{_name(target, seed)}.json").read_text())["seconds"],
    **more,
  }


def _train(job: dict[str, Any], path: pathlib.Path, core: int) -> dict[str, Any]:
  return python_call("scratch:cell", job, path, core)


def _best_rate(folder: pathlib.Path, cores: Cores, target: str, arm: str) -> float:
  """The rate of a training from scratch, chosen on the hold-out."""
  found = {}
  for rate in RATES:
    path = folder / f"cell_rate_{arm}_{_name(target, FLAGS.seeds[0])}_{rate:g}.json"

    def make(core, rate=rate, path=path):
      job = _job(folder, target, FLAGS.seeds[0], arm, rate=rate, holdout=True)
      return _train(job | {"seconds": job["seconds"] * SHARE}, path, core)

    found[rate] = cell(path, make, cores)["holdout_accuracy"]
  return max(found, key=found.__getitem__)


def _scratch(
  folder: pathlib.Path, cores: Cores, target: str, seed: str, arm: str, rate: float
) -> dict[str, Any]:
  path = folder / f"cell_{arm}_{_name(target, seed)}.json"

  def make(core):
    return _train(_job(folder, target, seed, arm, rate=rate, holdout=False), path, core)

  return cell(path, make, cores)


if __name__ == "__main__":
  define_flags()
  app.run(main)
