"""All stages of a run, one after the other; a stage whose files are there is not run again."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from nadv2_tf import stopwatch
from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.pipeline.plan import first_lines
from nadv2_tf.pipeline.report import write_report
from nadv2_tf.pipeline.run_folder import lineage
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.run_folder.stage_times import StageTimes
from nadv2_tf.pipeline.run_folder.versions import versions
from nadv2_tf.pipeline.stages import export as export_stage
from nadv2_tf.pipeline.stages import full as full_stage
from nadv2_tf.pipeline.stages import recipes, transfer, workbench, workers
from nadv2_tf.pipeline.stages import search as search_stage
from nadv2_tf.pipeline.stages import super_network as super_stage
from nadv2_tf.pipeline.stages import training as training_stages
from nadv2_tf.pipeline.stages.trust import check_trust, measure_trust
from nadv2_tf.training import strategies

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.options import RunOptions
  from nadv2_tf.pipeline.aim.metric import Metric
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages.search import Landing
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.search import Problem
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.types import AnyPath

#: the stage before the others: libraries, data, checks
START = "start"


def run(output: AnyPath, options: RunOptions, progress: Progress) -> None:
  """Runs everything and prints the closing table.

  Args:
    output: the run's folder.
    options: all option groups.
    progress: a `Progress`.

  Raises:
    ValueError: before any training, if an option, the data or the target cannot be used, or if
      another command works in the folder.
  """
  check_trust(options.trust)
  export_stage.timed_quantization(options.search, options.export)
  with stopwatch.running() as watch:
    with stopwatch.stage(START):
      bench = workbench.make_workbench(
        RunFolder(output), options.network, options.train, options.checkpoint
      )
      progress = workers.own_progress(bench.strategy, progress)
      bench.tell(progress)
      recipes.check_recipes(bench, options.finetune)
      transfer.check(options.finetune, options.search)
      search_stage.check_workers(bench.strategy, options.search)
      bench.folder.check(search=options.search, **_groups(options))
    with bench.folder.locked():
      with stopwatch.stage(START):
        countdown = first_lines.tell(options, bench, progress)
      _run(bench, options, progress, StageTimes(bench.folder, watch, countdown))


def _groups(options: RunOptions) -> dict[str, Any]:
  """The groups that a folder is opened with before its target is known to be in reach."""
  return {"network": options.network, "train": options.train, "finetune": options.finetune}


def _run(bench: Workbench, options: RunOptions, progress: Progress, times: StageTimes) -> None:
  search_options, finetune_options = options.search, options.finetune
  metric = metric_of(search_options)
  export_options, references = options.export, options.references
  timed = export_stage.timed_quantization(search_options, export_options)
  folder = bench.folder.open(**_groups(options))
  with times.stage("table"):
    problem = search_stage.make_problem(search_options, bench.space, folder, progress)
  # Only now: a target out of reach must not stand in the folder that the corrected run takes.
  folder.open(search=search_options)
  folder.update_metrics(seed=bench.seed, versions=versions(), quality=bench.task.quality_name)
  with times.stage("train full"):
    early = search_stage.EarlyEvaluator(bench, search_options)
    full, super_model = full_stage.train_full(bench, progress, early)
  with times.stage("train"):
    super_model = super_stage.train_super_network(bench, progress, full, early, super_model)
  with times.stage("search"):
    landings = search_stage.search(
      bench, super_model, problem, search_options, progress, early.get(super_model)
    )
  with times.stage("references"):
    start = time.monotonic()
    networks = _networks(bench, problem, landings, metric, references, progress)
    if references and "references" not in folder.metrics().seconds:
      folder.update_metrics(seconds={"references": time.monotonic() - start})
  with times.stage("finetune full"):
    if full is None:
      full = training_stages.trained_full(bench, super_model, finetune_options, progress)
  is_chief = strategies.is_chief(bench.strategy)
  for place, name, spec in networks:
    if len(landings) > 1:
      progress.line(f"{place.path.name}: {name}")
    there = dataclasses.replace(bench, folder=place)
    with times.stage(f"finetune {name}"):
      model, _ = training_stages.finetune(
        there, super_model, spec, finetune_options, name, progress, full
      )
    if is_chief:
      own = export_options if name == "found" or timed != "none" else None
      with times.stage("export"):
        export_stage.export(there, model, name, own, spec, progress if own else None)
    export_stage.record_resource(place, name, spec, problem, metric)
  if is_chief:
    files = [(place, name) for place, name, _ in networks]
    with times.stage("time"):
      export_stage.time_networks(files, search_options, progress, timed)
    export_stage.summarise(folder, metric)
  with times.stage("trust"):
    measure_trust(bench, super_model, finetune_options, options.trust, progress, full)
  if is_chief:
    progress.line("")
    with times.stage("report"):
      progress.line(write_report(folder))
    progress.line(f"everything is in {folder.path}; the report is {folder.report}")
  strategies.wait_for_all(bench.strategy)


def _networks(
  bench: Workbench,
  problem: Problem,
  landings: Sequence[Landing],
  metric: Metric,
  references: bool,
  progress: Progress,
) -> list[tuple[RunFolder, str, NetworkSpec]]:
  """(folder, name, spec) of every network that is trained on.

  References are a uniformly scaled network for each target, and the full one once.
  """
  networks: list[tuple[RunFolder, str, NetworkSpec]] = []
  for landing in landings:
    networks.append((landing.folder, "found", landing.spec))
    if references:
      scaled = _scaled(problem, landing, metric, progress)
      networks.append((landing.folder, "uniform", scaled))
  if references:
    networks.append((bench.folder, "full", bench.space.largest()))
  return networks


def _scaled(problem: Problem, landing: Landing, metric: Metric, progress: Progress) -> NetworkSpec:
  """The uniformly scaled network that is as fast as the found one.

  It is looked for once: another timing would give another one, and not the one that was trained.
  """
  folder, name = landing.folder, "uniform"
  made_from = {"the found network": lineage.of_spec(landing.spec)}
  if folder.lineage().get(folder.spec(name).name) == made_from and folder.spec(name).exists():
    return folder.read_spec(name)
  progress.line("looking for the uniformly scaled network that is as fast")
  spec = metric.equally_fast(problem, landing.spec)
  lineage.note(folder, folder.spec(name), **made_from)
  folder.write_spec(name, spec)
  return spec
