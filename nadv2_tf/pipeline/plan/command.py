"""nadv2-run --plan: what a run will take, stage by stage, without running it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nadv2_tf import backbones, stopwatch
from nadv2_tf.options import RunOptions
from nadv2_tf.options.network import is_given
from nadv2_tf.options.settled import settled
from nadv2_tf.pipeline.plan import accelerators, storage, table
from nadv2_tf.pipeline.plan.estimate import estimate
from nadv2_tf.pipeline.plan.probe import probe
from nadv2_tf.pipeline.plan.work import counts_of
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages import export as export_stage
from nadv2_tf.pipeline.stages import halves, in_turn, recipes, transfer, workbench
from nadv2_tf.pipeline.stages import search as search_stage
from nadv2_tf.pipeline.stages.trust import check_trust
from nadv2_tf.training import strategies

if TYPE_CHECKING:
  from nadv2_tf.pipeline.plan.estimate import Stage
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.types import AnyPath


def plan(output: AnyPath, given: RunOptions, progress: Progress) -> tuple[Stage, ...]:
  """Probes, and prints the plan of a run.

  Args:
    output: the run's folder, which need not be there; what is finished in it takes no time.
    given: `RunOptions`.
    progress: a `Progress`.

  Returns:
    The `Stage`s.

  Raises:
    ValueError: as the run would, if an option, the data or the target cannot be used.
  """
  given = settled(given)
  check_trust(given.trust)
  export_stage.timed_quantization(given.search, given.export)
  with stopwatch.running() as watch:
    with stopwatch.stage("start"):
      bench = workbench.make_workbench(
        RunFolder(output), given.network, given.train, given.checkpoint
      )
      if strategies.is_multi_worker(bench.strategy):
        raise ValueError(
          "--plan probes on one machine: give --strategy=one or mirrored, or --plan_as for several."
        )
      bench.tell(progress)
      recipes.check_recipes(bench, given.finetune)
      transfer.check(given.finetune, given.search)
      search_stage.check(given.search)
      in_turn.check(bench, given.search)
      halves.check_steps(bench, given.search)
      bench.folder.check(
        search=given.search, network=given.network, train=given.train, finetune=given.finetune
      )
      bench.look(progress)
    started = sum(seconds for seconds, _ in watch.read()["start"].values())
    probed = probe(bench, given, started, progress.line)
  images = {name: len(getattr(bench.datasets, name)) for name in ("train", "holdout", "test")}
  counts = counts_of(
    given, bench.space, images, probed.simulation, bench.folder, bench.has_new_classifier
  )
  stages = estimate(probed.costs, counts)
  progress.line("")
  for line in table.lines(stages):
    progress.line(line)
  peak = _peak_gib()
  if peak is not None:
    progress.line(f"memory  {peak:.1f} GiB, the most seen while probing")
  for line in storage.lines(given, bench.space, counts, probed.simulation):
    progress.line(line)
  return stages


def _peak_gib() -> float | None:
  """The largest resident size of this process so far; None on Windows, which does not say."""
  try:
    import resource
  except ImportError:
    return None
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return peak / 2**30 if sys.platform == "darwin" else peak / 2**20


def plan_on_paper(
  given: RunOptions, plan_as: str, plan_images: int | None, progress: Progress
) -> tuple[Stage, ...]:
  """Prints the plan of a run on accelerators; nothing is probed or loaded.

  Args:
    given: `RunOptions`.
    plan_as: such as "8 x 300 images/s".
    plan_images: training images, the hold-out among them; None: what is known of the data.
    progress: a `Progress`.

  Returns:
    The `Stage`s.

  Raises:
    ValueError: for another form, or data whose size nobody says.
  """
  machine = accelerators.parse(plan_as)
  given = settled(given)
  network, shape = given.network, None
  if network.image_size and not is_given(network):
    own = backbones.search_space(network.backbone).network.input_shape
    shape = (network.image_size, network.image_size, own[-1])
  space = workbench.space_of(network, shape, None)
  images = accelerators.images_of(network.data, network.holdout, plan_images)
  stages, counts, simulation = accelerators.plan_of(given, space, images, machine)
  progress.line(
    f"on paper, nothing measured: {machine.count} accelerators, each training the super-network at "
    f"{machine.images_per_second:g} images/s; {images['train']} training images"
  )
  for line in (*table.lines(stages), *storage.lines(given, space, counts, simulation)):
    progress.line(line)
  return stages
