"""NetAdaptV2 against the alternatives, in one table and one picture.

  python -m nadv2_tf.benchmarks.compare --data=npz:cifar10.npz --preset=cifar10 --output=compare

Every found network, and the uniformly scaled one, gets equal gradient steps. Killed, it goes on
cell by cell.
"""

import datetime
import pathlib
import sys

from absl import app, flags
from nadv2_tf.benchmarks.compare.cells import Comparison, check_plan
from nadv2_tf.benchmarks.compare.methods import METHODS
from nadv2_tf.benchmarks.compare.plan import PRESETS
from nadv2_tf.benchmarks.compare.table import draw, rows_of, text_of
from nadv2_tf.benchmarks.devices.host import processor_name

from nadv2_tf import backbones
from nadv2_tf.tasks.classification import Classification

DATA = flags.DEFINE_string("data", None, "Images, as of nadv2-run.", required=True)
PRESET = flags.DEFINE_enum("preset", "cifar10", list(PRESETS), "How large.")
OUTPUT = flags.DEFINE_string("output", None, "Folder that keeps what is done.", required=True)
ONLY = flags.DEFINE_list("methods", list(METHODS), f"Some of {', '.join(METHODS)}.")


def main(_):
  plan = PRESETS[PRESET.value]
  unknown = set(ONLY.value) - set(METHODS)
  if unknown:
    raise app.UsageError(f"--methods must be some of {', '.join(METHODS)}; got {unknown.pop()}.")
  folder = pathlib.Path(OUTPUT.value)
  check_plan(folder, plan)
  size = backbones.search_space(plan.backbone).network.input_shape[0]
  task = Classification(DATA.value, size, plan.holdout, 0)
  comparison = Comparison(plan, task, task.datasets(), folder)
  cells = []
  for name in ONLY.value:
    of_method = [comparison.cell(name, METHODS[name], seed) for seed in range(plan.seeds)]
    cells.append((METHODS[name], of_method))
  measured = comparison.measure([cell for _, of_method in cells for cell in of_method])
  rows = rows_of(cells, measured)
  draw(rows, folder / "compare.png")
  text = "\n".join(
    [
      f"$ python -m nadv2_tf.benchmarks.compare {' '.join(sys.argv[1:])}",
      f"{datetime.date.today()}, {processor_name()}, {plan}",
      text_of(rows),
    ]
  )
  (folder / "compare.txt").write_text(f"{text}\n", encoding="utf-8")
  print(text)


if __name__ == "__main__":
  app.run(main)
