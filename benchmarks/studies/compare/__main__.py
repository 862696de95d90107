"""Every way to search against the others, in one table and one picture.

  python -m nadv2_tf.benchmarks.studies.compare --output=FOLDER --targets=60%,50%,40% \\
    --seeds=0,1,2 -- --backbone=mobilenet_v3_cifar_small --data=npz:cifar10.npz \\
    --metric=latency_ms --full_epochs=2 --finetune_epochs=1

What stands behind -- is nadv2-run's. Of every seed one run with the defaults trains the full
network; all methods begin with it, search for all targets, and train what they find alike. Cells
are processes on one core each (--cores at once), and their results files in --output: a study that
was killed goes on, seed by seed. Two processes may share a folder, each with other seeds. At the
end all networks of a seed are timed in turns.
"""

import concurrent.futures
import datetime
import pathlib
import sys
from typing import Any

from absl import app, flags

from nadv2_tf.benchmarks.studies.cells import check_same, free_cores
from nadv2_tf.benchmarks.studies.compare import cells
from nadv2_tf.benchmarks.studies.compare.methods import METHODS, OWN
from nadv2_tf.benchmarks.studies.compare.table import draw, rows_of, text_of
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.programs import presets

FLAGS = flags.FLAGS


def define_flags() -> None:
  flags.DEFINE_string("output", None, "Folder of the cells.", required=True)
  flags.DEFINE_list("targets", ["60%", "50%", "40%"], "Targets, the largest first.")
  flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds.")
  flags.DEFINE_list("methods", list(METHODS), f"Some of {', '.join(METHODS)}; {OWN} always.")
  flags.DEFINE_integer("cores", 1, "Cells at once.", lower_bound=1)


def main(arguments: list[str]) -> None:
  folder, given = pathlib.Path(FLAGS.output), presets.expanded(arguments[1:])
  names = [name for name in METHODS if name in {OWN, *FLAGS.methods}]
  if unknown := set(FLAGS.methods) - set(METHODS):
    raise app.UsageError(f"--methods must be some of {', '.join(METHODS)}; got {unknown.pop()}.")
  check_same(folder, {"flags": given, "targets": FLAGS.targets})
  setting = cells.Setting(folder, given, FLAGS.targets, free_cores(FLAGS.cores))
  results: dict[tuple[str, str], dict[str, Any]] = {}
  full: dict[str, float] = {}
  with concurrent.futures.ThreadPoolExecutor(FLAGS.cores) as pool:
    for seed in FLAGS.seeds:
      cells.made(setting, OWN, seed)  # which the others begin with
      found = list(pool.map(lambda name, seed=seed: cells.made(setting, name, seed), names))
      full[seed] = cells.add_times(setting, seed, found)
      results |= {(name, seed): one for name, one in zip(names, found, strict=True)}
  rows = rows_of(results, full, names, FLAGS.targets)
  draw(rows, folder / "compare.png")
  command = " ".join(one for one in sys.argv[1:] if not one.startswith("--output="))
  print(f"$ python -m nadv2_tf.benchmarks.studies.compare {command}")
  print(f"{datetime.date.today()}, {processor_name()}, one core a cell, {FLAGS.cores} at once")
  accuracies = [f"{cells.full_accuracy(setting, seed):.2%}" for seed in FLAGS.seeds]
  print(
    f"full networks: {', '.join(accuracies)} in {', '.join(f'{v:.4f}' for v in full.values())} ms"
  )
  for line in text_of(rows):
    print(line)


if __name__ == "__main__":
  define_flags()
  app.run(main)
