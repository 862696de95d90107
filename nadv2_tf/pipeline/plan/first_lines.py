"""The first lines of a run: about how long it will take, in a second of computing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.pipeline.plan import paper
from nadv2_tf.pipeline.plan.countdown import Countdown
from nadv2_tf.pipeline.plan.estimate import estimate, total
from nadv2_tf.pipeline.plan.table import duration
from nadv2_tf.pipeline.plan.work import counts_of
from nadv2_tf.search import UnreachableTarget

if TYPE_CHECKING:
  from nadv2_tf.options import RunOptions
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages.workbench import Workbench

#: stages that are told of
LEAST_SECONDS = 5.0


def tell(given: RunOptions, bench: Workbench, progress: Progress) -> Countdown | None:
  """Prints the estimate and gives `progress` the countdown.

  A plan on paper is no reason to refuse a run: where there is none, nothing is told.

  Args:
    given: `RunOptions`.
    bench: the `Workbench`.
    progress: a `Progress`.

  Returns:
    A `Countdown`, or None.
  """
  images = {name: len(getattr(bench.datasets, name)) for name in ("train", "holdout", "test")}
  try:
    simulation = paper.simulation_on_paper(given.search, bench.space)
  except UnreachableTarget:
    return None  # a moment later the run says so better, with what it measured
  counts = counts_of(given, bench.space, images, simulation, bench.folder, bench.has_new_classifier)
  costs = paper.costs_on_paper(bench.space, given, images, simulation, paper.this_machine())
  stages = [stage for stage in estimate(costs, counts) if stage.name != "start"]
  long = [stage for stage in stages if stage.seconds >= LEAST_SECONDS]
  told = ", ".join(f"{stage.name} {duration(stage.seconds)}" for stage in long)
  progress.line(
    f"about {duration(total(stages))} on this machine (rough: at times off by more than two times; "
    f"--plan measures){': ' if told else ''}{told}"
  )
  names = counts.networks
  times = {f"finetune {name}": names.count(name) for name in names} | {"export": len(names)}
  countdown = Countdown(stages, times)
  progress.counts_down(countdown)
  return countdown
