"""All stages of a run, one after the other; a stage whose files are there is not run again."""

import dataclasses

from nadv2_tf.pipeline import export_stage, search_stage, training_stages
from nadv2_tf.pipeline.folder import RunFolder, versions
from nadv2_tf.pipeline.report import write_report


def run(
  output,
  network_options,
  train_options,
  search_options,
  finetune_options,
  references,
  progress,
  export_options=None,
):
  """Runs everything and prints the closing table.

  Args:
    output: the run's folder.
    network_options, train_options, search_options, finetune_options: the option groups.
    references: also train, export and time the full and the uniformly scaled network.
    progress: a `Progress`.
    export_options: `ExportOptions` of the found networks; None is float32.

  Raises:
    ValueError: before any training, if an option, the data or the target cannot be used.
  """
  timed = export_stage.timed_quantization(search_options, export_options)
  bench = training_stages.make_workbench(RunFolder(output), network_options, train_options)
  training_stages.check_recipes(bench, finetune_options)
  groups = {"network": network_options, "train": train_options, "finetune": finetune_options}
  bench.folder.check(search=search_options)
  folder = bench.folder.open(**groups)
  problem = search_stage.make_problem(search_options, bench.space, folder, progress)
  # Only now: a target out of reach must not stand in the folder that the corrected run takes.
  folder.open(search=search_options)
  folder.update_metrics(seed=bench.seed, versions=versions())
  super_model = training_stages.train_super_network(bench, progress)
  landings = search_stage.search(bench, super_model, problem, search_options, progress)
  networks = _networks(bench, problem, landings, search_options, references, progress)
  for place, name, spec in networks:
    if len(landings) > 1:
      progress.line(f"{place.path.name}: {name}")
    there = dataclasses.replace(bench, folder=place)
    model, _ = training_stages.finetune(there, super_model, spec, finetune_options, name, progress)
    own = export_options if name == "found" or timed != "none" else None
    export_stage.export(there, model, name, own, spec, progress if own else None)
    export_stage.record_resource(place, name, spec, problem, search_options)
  files = [(place, name) for place, name, _ in networks]
  export_stage.time_networks(files, search_options, progress, timed)
  export_stage.summarise(folder, search_options)
  progress.line("")
  progress.line(write_report(folder))
  progress.line(f"everything is in {folder.path}; the report is {folder.report}")


def _networks(bench, problem, landings, options, references, progress):
  """(folder, name, spec) of every network that is trained on.

  References are a uniformly scaled network for each target, and the full one once.
  """
  networks = []
  for landing in landings:
    networks.append((landing.folder, "found", landing.spec))
    if references:
      progress.line("looking for the uniformly scaled network that is as fast")
      scaled = export_stage.equally_fast(bench, problem, landing.spec, options)
      networks.append((landing.folder, "uniform", scaled))
  if references:
    networks.append((bench.folder, "full", bench.space.largest()))
  return networks
