"""nadv2-evaluate: quality of a spec, a .keras or a .tflite file on a data source."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import TYPE_CHECKING

from absl import flags

from nadv2_tf.flags.define import define, read
from nadv2_tf.options import NetworkOptions, TaskSettings
from nadv2_tf.options.network import CUT_OPTIONS
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow

if TYPE_CHECKING:
  import keras

  from nadv2_tf.pipeline.stages.given.file import FileNetwork

FLAGS = flags.FLAGS


def define_flags() -> None:
  flags.DEFINE_string(
    "network",
    None,
    "A .keras or .tflite file, or the .json file of a spec, which is cut out of the super-network "
    "in --run.",
    required=True,
  )
  flags.DEFINE_string("run", None, "Folder of a run, for the super-network of a .json spec.")
  define(
    NetworkOptions,
    *("data", "input", "input_cache_gib", "image_size", "input_range"),
    *CUT_OPTIONS,
  )
  define(TaskSettings)
  flags.DEFINE_enum("part", "test", ["train", "test"], "Which images to evaluate on.")
  flags.DEFINE_bool("json", False, "Print JSON instead of a table.")


def network_of(path: pathlib.Path) -> FileNetwork:
  """The network of --network.

  Raises:
    ValueError: in one line, if it cannot be had, or not run on images.
  """
  from nadv2_tf.pipeline.stages.given import file
  from nadv2_tf.training.network_files import load_keras

  if path.suffix not in (".keras", ".tflite", ".json"):
    raise ValueError(f"--network must be a .keras, .tflite or .json file, got {path}.")
  if not path.is_file():
    raise ValueError(f"There is no file {path}.")
  if FLAGS.run and path.suffix != ".json":
    raise ValueError(f"--run goes with the .json file of a spec; {path} has weights of its own.")
  name, size, given = f"--network={path}", FLAGS.image_size, FLAGS.input_range
  if path.suffix == ".tflite":
    return file.of_tflite(path, name, size, given)
  if path.suffix == ".keras":
    return file.of_keras(load_keras(path), name, path, size, given)
  return file.of_keras(_cut_out(path), name, None, size, given)


def _cut_out(path: pathlib.Path) -> keras.Model:
  """The network of a spec with the weights and recalibrated statistics of a super-network."""
  from nadv2_tf.models import slice_network
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages import halves, plain_training, workbench
  from nadv2_tf.pipeline.stages import super_network as super_stage
  from nadv2_tf.programs.count import load_network

  spec = load_network(str(path))
  if not FLAGS.run:
    raise ValueError(f"{path} is a spec and has no weights; --run names the run to cut it from.")
  bench = workbench.reopen_workbench(FLAGS.run, strategy="one")
  bench.folder.need(bench.folder.super_weights, "nadv2-train")
  bench.space.encode(spec)  # one clear line if it is of another space
  super_model = super_stage.train_super_network(bench, Progress())
  halves.load_last(bench.folder, super_model)
  model = slice_network(super_model, spec)
  plain_training.recalibrate_on(bench, model)
  return model


def main() -> None:
  start_tensorflow("nadv2-evaluate")
  from nadv2_tf import tasks
  from nadv2_tf.tasks import chance
  from nadv2_tf.tasks.cut import Cut
  from nadv2_tf.training.scoring.evaluation import measure_beside_chance

  network = network_of(pathlib.Path(FLAGS.network))
  size, settings = network.size(), read(TaskSettings).given()
  task_type = tasks.task_type(network.output_shape())
  tasks.check_settings(task_type, settings)
  cache, cut = int(FLAGS.input_cache_gib * 2**30), Cut(FLAGS.test_split, FLAGS.test_share)
  loading = {"how": FLAGS.input, "cache_bytes": cache, "cut": cut}
  task = task_type(FLAGS.data, size, holdout=1, seed=0, **loading, **settings)
  data = task.source()
  network.check_data(task, data, f"--data={FLAGS.data}")
  result, same = measure_beside_chance(task, network.fed, getattr(data, FLAGS.part))
  if FLAGS.json:
    about = {"chance": same, "class_names": data.class_names}
    print(json.dumps({**dataclasses.asdict(result), **about}, indent=2))
    return
  doubts = chance.told(result.accuracy, same, result.examples, task.quality_name)
  for line in (*data.notes, network.line, *task.describe(result, data), *doubts):
    print(line)


def start() -> None:
  define_flags()
  start_program(main)


if __name__ == "__main__":
  start()
