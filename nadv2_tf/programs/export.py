"""nadv2-export: the found network, or any plain Keras one, to TFLite."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING

from absl import flags

from nadv2_tf.flags.define import define, define_output, read
from nadv2_tf.options import ExportOptions, NetworkOptions, TaskSettings
from nadv2_tf.options.export import MIXED
from nadv2_tf.options.network import CUT_OPTIONS
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.stages.given.file import FileNetwork

FLAGS = flags.FLAGS


def define_flags() -> None:
  define_output()
  flags.DEFINE_string(
    "network",
    None,
    "A .keras file to export; default: found.keras in --output, or that of each target. Its spec, "
    "which int8_qat needs, is the .json file of the same name beside it.",
  )
  flags.DEFINE_string(
    "data",
    None,
    "With --network: images for calibration and comparison, as nadv2-run takes them; default: "
    "those of the run that --network is in, if it is in one.",
  )
  define(NetworkOptions, "image_size", "input_range", *CUT_OPTIONS)
  define(TaskSettings)
  define(ExportOptions)


def export_of_run(folder: RunFolder, options: ExportOptions, progress: Progress) -> None:
  """Exports the found network of a run, or of each of its targets."""
  from nadv2_tf.pipeline.aim.forms import fastest_form
  from nadv2_tf.pipeline.stages import export as export_stage
  from nadv2_tf.pipeline.stages import workbench
  from nadv2_tf.training.network_files import load_keras

  places = folder.found_folders()
  networks = [load_keras(folder.need(p.keras("found"), "nadv2-finetune")) for p in places]
  bench = workbench.reopen_workbench(folder.path, strategy="one")
  fastest = fastest_form(folder, bench.space, progress)
  for place, network in zip(places, networks, strict=True):
    there = dataclasses.replace(bench, folder=place)
    with folder.locked():
      export_stage.export(there, network, "found", options, progress=progress, fastest=fastest)


def export_file(
  source: pathlib.Path, folder: RunFolder, options: ExportOptions, progress: Progress
) -> None:
  """Exports any .keras file, with the images of --data or of the run that it is in."""
  from nadv2_tf.export import deployment
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.stages import export as export_stage
  from nadv2_tf.pipeline.stages.given import file
  from nadv2_tf.training.network_files import load_keras

  model = load_keras(folder.need(source, "nadv2-finetune"))
  network = file.of_keras(model, f"--network={source}", source, FLAGS.image_size, FLAGS.input_range)
  beside = RunFolder(source.parent)
  spec = beside.read_spec(source.stem) if beside.spec(source.stem).is_file() else None
  task, datasets, mirror = _images_for(source, network)
  if task is None:
    progress.line("no --data: compared on random images, by outputs alone")
    evidence, labels, output = deployment.random_evidence(network.model), (), ""
  else:
    evidence = dataclasses.replace(export_stage.evidence_of(task, datasets), mirror=mirror)
    labels = datasets.class_names
    output = task.output
  evidence = export_stage.in_form(evidence, network.form)
  progress.line(network.line)
  folder.path.mkdir(parents=True, exist_ok=True)
  mode = options.quantization
  target = folder.tflite(source.stem if mode == "none" else f"{source.stem}_{mode}")
  description = export_stage.describe(network.model.name, labels, options, output, network.form)
  title, unit = ("losses", "blocks") if mode == MIXED else ("quantization-aware training", "steps")
  with progress.bar(title, 0, unit) as bar:
    report = lambda step, steps, loss: bar.of_total(step, steps)  # noqa: E731
    record = deployment.export(network.model, target, options, evidence, description, spec, report)
  for line in deployment.sentences(target, record, task.quality_name if task else ""):
    progress.line(line)
  folder.write_json(target.with_suffix(".export.json"), record)


def _images_for(source: pathlib.Path, network: FileNetwork) -> tuple[Any, Any, bool]:
  """(task, datasets, whether training mirrors images) of --data, or of the run around `source`.

  Task and datasets are None if there is neither.
  """
  from nadv2_tf import tasks
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.stages import export as export_stage
  from nadv2_tf.pipeline.stages import workbench
  from nadv2_tf.tasks.cut import Cut

  if FLAGS.data:
    size, settings = network.size(), read(TaskSettings).given()
    task_type = tasks.task_type(network.output_shape())
    tasks.check_settings(task_type, settings)
    cut = Cut(FLAGS.test_split, FLAGS.test_share)
    task = task_type(FLAGS.data, size, holdout=1, seed=0, how="auto", cut=cut, **settings)
    data = task.source()
    network.check_data(task, data, f"--data={FLAGS.data}")
    return task, export_stage.datasets_of(data), True
  for place in (source.parent, source.parent.parent):
    if RunFolder(place).settings().get("network"):
      bench = workbench.reopen_workbench(place, strategy="one")
      network.check_data(bench.task, bench.datasets, f"the run in {place}")
      return bench.task, bench.datasets, bench.train_options.mirror
  return None, None, True


def _check_without_data() -> None:
  """Raises ValueError for a flag that says something of --data, which is not given."""
  given = {name: FLAGS[name].value for name in CUT_OPTIONS} | read(TaskSettings).given()
  for name, value in given.items():
    if value is not None:
      raise ValueError(
        f"--{name}={value} goes with --data; the images of a run are as it has them."
      )


def main() -> None:
  options = read(ExportOptions)
  start_tensorflow("nadv2-export")
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder

  folder, progress = RunFolder(FLAGS.output), Progress()
  folder.check_place()
  if not FLAGS.data:
    _check_without_data()
  if FLAGS.network:
    export_file(pathlib.Path(FLAGS.network), folder, options, progress)
    return
  if FLAGS.data:
    raise ValueError("--data goes with --network; a run has its own images.")
  if FLAGS.image_size or FLAGS.input_range != "auto":
    raise ValueError("--image_size and --input_range go with --network; a run has its own.")
  export_of_run(folder, options, progress)


def start() -> None:
  define_flags()
  start_program(main)


if __name__ == "__main__":
  start()
