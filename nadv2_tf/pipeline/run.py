"""All stages of a run, one after the other; a stage whose files are there is not run again."""

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
):
  """Runs everything and prints the closing table.

  Args:
    output: the run's folder.
    network_options, train_options, search_options, finetune_options: the option groups.
    references: also train, export and time the full and the uniformly scaled network.
    progress: a `Progress`.

  Raises:
    ValueError: before any training, if an option, the data or the target cannot be used.
  """
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
  result = search_stage.search(bench, super_model, problem, search_options, progress)
  specs = {"found": result.spec}
  if references:
    progress.line("looking for the uniformly scaled network that is as fast")
    specs["uniform"] = export_stage.equally_fast(bench, problem, result.spec, search_options)
    specs["full"] = bench.space.largest()
  for name, spec in specs.items():
    model, _ = training_stages.finetune(bench, super_model, spec, finetune_options, name, progress)
    export_stage.export(bench, model, name)
  export_stage.time_networks(folder, list(specs), search_options, progress)
  export_stage.summarise(folder, search_options)
  progress.line("")
  progress.line(write_report(folder))
  progress.line(f"everything is in {folder.path}; the report is {folder.report}")
