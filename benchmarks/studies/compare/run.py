"""A whole comparison: all cells, the latencies, the table, the picture."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from nadv2_tf import backbones
from nadv2_tf.benchmarks.studies.compare.cells import Comparison, check_plan
from nadv2_tf.benchmarks.studies.compare.methods import METHODS
from nadv2_tf.benchmarks.studies.compare.table import draw, rows_of, text_of
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.tasks.classification import Classification

if TYPE_CHECKING:
  import pathlib
  from collections.abc import Callable, Collection, Sequence

  from nadv2_tf.benchmarks.studies.compare.plan import Plan


def compare(
  plan: Plan,
  data: str,
  names: Collection[str],
  folder: pathlib.Path,
  command: str,
  say: Callable[[str], None] = print,
  seeds: Sequence[int] | None = None,
) -> str:
  """Runs what is missing; writes compare.txt and compare.png into the folder.

  Two processes may share a folder once its latency tables stand, each with other seeds.

  Args:
    plan: a `Plan`.
    data: images, as of nadv2-run.
    names: some of `METHODS`, in the order of the table.
    folder: where everything is kept.
    command: for the head of the table.
    say: called with lines of progress.
    seeds: run the cells of these alone, and make no table.

  Returns:
    The table as text; what was run, if `seeds` are given.

  Raises:
    ValueError: if the folder holds a comparison of another plan, or the plan has no such seed.
  """
  if seeds and not set(seeds) <= set(range(plan.seeds)):
    raise ValueError(f"--seeds must be from 0 to {plan.seeds - 1}, got {max(seeds)}.")
  check_plan(folder, plan)
  size = backbones.search_space(plan.backbone).network.input_shape[0]
  task = Classification(data, size, plan.holdout, 0)
  comparison = Comparison(plan, task, task.datasets(), folder, say)
  comparison.measure_tables([METHODS[name] for name in names])
  # Seed by seed: a comparison that is ended early has all methods of the first seeds.
  done = {
    (name, seed): comparison.cell(name, METHODS[name], seed)
    for seed in (seeds or range(plan.seeds))
    for name in names
  }
  if seeds:
    return f"{len(done)} cells are done; without --seeds the same command makes the table."
  cells = [(METHODS[name], [done[name, seed] for seed in range(plan.seeds)]) for name in names]
  measured = comparison.measure([cell for _, of_method in cells for cell in of_method])
  rows = rows_of(cells, measured)
  draw(rows, folder / "compare.png")
  head = f"$ {command}\n{datetime.date.today()}, {processor_name()}, {plan}"
  text = f"{head}\n{text_of(rows)}\n"
  (folder / "compare.txt").write_text(text, encoding="utf-8")
  return text
