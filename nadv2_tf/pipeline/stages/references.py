"""The networks that a found one is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.pipeline.run_folder import lineage

if TYPE_CHECKING:
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages.search import Landing
  from nadv2_tf.search import Problem
  from nadv2_tf.spec import NetworkSpec


def scaled(
  landing: Landing, problem: Problem, options: SearchOptions, progress: Progress
) -> NetworkSpec:
  """The uniformly scaled network that is as fast as the found one.

  It is looked for once: another timing would give another one, and not the one that was trained.
  """
  folder, name = landing.folder, "uniform"
  made_from = {"the found network": lineage.of_spec(landing.spec)}
  if folder.lineage().get(folder.spec(name).name) == made_from and folder.spec(name).exists():
    return folder.read_spec(name)
  progress.line("looking for the uniformly scaled network that is as fast")
  spec, doubt = metric_of(options).equally_fast(problem, landing.spec)
  if doubt:
    progress.line(f"  the timings that it was chosen by are unsteady: {doubt}")
  if doubt != folder.metrics().uniform_doubt:
    folder.update_metrics(uniform_doubt=doubt)
  lineage.note(folder, folder.spec(name), **made_from)
  folder.write_spec(name, spec)
  return spec
