"""All stages of a run, one after the other; a stage whose files are there is not run again."""

import dataclasses
import time

from nadv2_tf import stopwatch
from nadv2_tf.pipeline import (
  export_stage,
  full_stage,
  lineage,
  recipes,
  search_stage,
  super_stage,
  training_stages,
  transfer,
  workbench,
  workers,
)
from nadv2_tf.pipeline.folder import RunFolder, versions
from nadv2_tf.pipeline.options import DEFAULT_CHECKPOINTS, TrustOptions
from nadv2_tf.pipeline.plan import first_lines
from nadv2_tf.pipeline.plan.given import Given
from nadv2_tf.pipeline.report import write_report
from nadv2_tf.pipeline.stage_times import StageTimes
from nadv2_tf.pipeline.trust import check_trust, measure_trust
from nadv2_tf.training import strategies

#: the stage before the others: libraries, data, checks
START = "start"


def run(
  output,
  network_options,
  train_options,
  search_options,
  finetune_options,
  references,
  progress,
  trust_options=None,
  checkpoint_options=DEFAULT_CHECKPOINTS,
  export_options=None,
):
  """Runs everything and prints the closing table.

  Args:
    output: the run's folder.
    network_options, train_options, search_options, finetune_options: the option groups.
    references: also train, export and time the full and the uniformly scaled network.
    progress: a `Progress`.
    trust_options: `TrustOptions`, which may change when a run goes on; None trains no samples.
    checkpoint_options: how trainings are kept against a kill.
    export_options: `ExportOptions` of the found networks; None is float32.

  Raises:
    ValueError: before any training, if an option, the data or the target cannot be used, or if
      another command works in the folder.
  """
  trust_options = trust_options or TrustOptions()
  check_trust(trust_options)
  timed = export_stage.timed_quantization(search_options, export_options)
  with stopwatch.running() as watch:
    with stopwatch.stage(START):
      bench = workbench.make_workbench(
        RunFolder(output), network_options, train_options, checkpoint_options
      )
      progress = workers.own_progress(bench.strategy, progress)
      bench.tell(progress)
      recipes.check_recipes(bench, finetune_options)
      transfer.check(finetune_options, search_options)
      search_stage.check_workers(bench.strategy, search_options)
      groups = {"network": network_options, "train": train_options, "finetune": finetune_options}
      bench.folder.check(search=search_options, **groups)
    with bench.folder.locked():
      exports = (export_options, timed)
      given = Given(
        **groups,
        search=search_options,
        references=references,
        trust=trust_options,
        checkpoint=checkpoint_options,
        export=export_options,
      )
      with stopwatch.stage(START):
        countdown = first_lines.tell(given, bench, progress)
      times = StageTimes(bench.folder, watch, countdown)
      _run(bench, groups, search_options, references, progress, trust_options, exports, times)


def _run(bench, groups, search_options, references, progress, trust_options, exports, times):
  finetune_options, (export_options, timed) = groups["finetune"], exports
  folder = bench.folder.open(**groups)
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
    networks = _networks(bench, problem, landings, search_options, references, progress)
    if references and "references" not in folder.metrics()["seconds"]:
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
    export_stage.record_resource(place, name, spec, problem, search_options)
  if is_chief:
    files = [(place, name) for place, name, _ in networks]
    with times.stage("time"):
      export_stage.time_networks(files, search_options, progress, timed)
    export_stage.summarise(folder, search_options)
  with times.stage("trust"):
    measure_trust(bench, super_model, finetune_options, trust_options, progress, full)
  if is_chief:
    progress.line("")
    with times.stage("report"):
      progress.line(write_report(folder))
    progress.line(f"everything is in {folder.path}; the report is {folder.report}")
  strategies.wait_for_all(bench.strategy)


def _networks(bench, problem, landings, options, references, progress):
  """(folder, name, spec) of every network that is trained on.

  References are a uniformly scaled network for each target, and the full one once.
  """
  networks = []
  for landing in landings:
    networks.append((landing.folder, "found", landing.spec))
    if references:
      scaled = _scaled(bench, problem, landing, options, progress)
      networks.append((landing.folder, "uniform", scaled))
  if references:
    networks.append((bench.folder, "full", bench.space.largest()))
  return networks


def _scaled(bench, problem, landing, options, progress):
  """The uniformly scaled network that is as fast as the found one.

  It is looked for once: another timing would give another one, and not the one that was trained.
  """
  folder, name = landing.folder, "uniform"
  made_from = {"the found network": lineage.of_spec(landing.spec)}
  if folder.lineage().get(folder.spec(name).name) == made_from and folder.spec(name).exists():
    return folder.read_spec(name)
  progress.line("looking for the uniformly scaled network that is as fast")
  spec = export_stage.equally_fast(bench, problem, landing.spec, options)
  lineage.note(folder, folder.spec(name), **made_from)
  folder.write_spec(name, spec)
  return spec
