"""nadv2-evaluate: quality of a spec, a .keras or a .tflite file on a data source."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import TYPE_CHECKING

from absl import flags

from nadv2_tf.flags.define import define, read
from nadv2_tf.options import NetworkOptions, TaskSettings
from nadv2_tf.options.network import CUT_OPTIONS, INPUT_RANGES
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow

if TYPE_CHECKING:
  from collections.abc import Callable

  import keras
  import numpy as np

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
  define(NetworkOptions, "data", "input", "input_cache_gib", "input_range", *CUT_OPTIONS)
  define(TaskSettings)
  flags.DEFINE_enum("part", "test", ["train", "test"], "Which images to evaluate on.")
  flags.DEFINE_bool("json", False, "Print JSON instead of a table.")


def predictor_of(path: pathlib.Path) -> tuple[Callable[[np.ndarray], np.ndarray], tuple[int, ...]]:
  """(predict, input shape) of a network file."""
  from nadv2_tf import export
  from nadv2_tf.export import metadata
  from nadv2_tf.training.network_files import load_keras
  from nadv2_tf.training.scoring.evaluation import keras_predictor

  if not path.is_file():
    raise ValueError(f"There is no file {path}.")
  if path.suffix == ".tflite":
    shape = export.interpreter(path).get_input_details()[0]["shape"]
    own = _input_range(metadata.input_range(path.read_bytes()))
    return fed(export.predictor(path), own), tuple(int(size) for size in shape[1:])
  own = _input_range(metadata.INPUT_RANGE)
  if path.suffix == ".keras":
    model = load_keras(path)
  elif path.suffix == ".json":
    model = _cut_out(path)
  else:
    raise ValueError(f"--network must be a .keras, .tflite or .json file, got {path}.")
  return fed(keras_predictor(model), own), model.inputs[0].shape[1:]


def _input_range(own: tuple[float, float]) -> tuple[float, float]:
  """What the file takes for black and white: as --input_range says, or what is known of it."""
  return INPUT_RANGES.get(FLAGS.input_range, own)


def fed(
  predict: Callable[[np.ndarray], np.ndarray], input_range: tuple[float, float]
) -> Callable[[np.ndarray], np.ndarray]:
  """`predict` as a function of images from -1 to 1."""
  from nadv2_tf.pipeline.stages.given.form import Form

  return Form(*input_range).predictor(predict)


def _cut_out(path: pathlib.Path) -> keras.Model:
  """The network of a spec with the weights and recalibrated statistics of a super-network."""
  from nadv2_tf.models import slice_network
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages import plain_training, workbench
  from nadv2_tf.pipeline.stages import super_network as super_stage
  from nadv2_tf.programs.count import load_network

  spec = load_network(str(path))
  if not FLAGS.run:
    raise ValueError(f"{path} is a spec and has no weights; --run names the run to cut it from.")
  bench = workbench.reopen_workbench(FLAGS.run, strategy="one")
  bench.folder.need(bench.folder.super_weights, "nadv2-train")
  bench.space.encode(spec)  # one clear line if it is of another space
  model = slice_network(super_stage.train_super_network(bench, Progress()), spec)
  plain_training.recalibrate_on(bench, model)
  return model


def main() -> None:
  start_tensorflow("nadv2-evaluate")
  import numpy as np

  from nadv2_tf import tasks
  from nadv2_tf.tasks.cut import Cut
  from nadv2_tf.training.scoring.evaluation import measure

  predict, (height, width, channels) = predictor_of(pathlib.Path(FLAGS.network))
  if height != width:
    raise ValueError(f"The network takes {height}x{width} images; only squares can be read.")
  shape = predict(np.zeros((1, height, width, channels), np.float32)).shape[1:]
  task_type, settings = tasks.task_type(shape), read(TaskSettings).given()
  tasks.check_settings(task_type, settings)
  cut = Cut(FLAGS.test_split, FLAGS.test_share)
  task = task_type(FLAGS.data, height, holdout=1, seed=0, how=FLAGS.input, cut=cut, **settings)
  data = task.source()
  examples = getattr(data, FLAGS.part)
  if examples.image_shape[-1] != channels:
    raise ValueError(
      f"The network takes images of {channels} channel(s), --data={FLAGS.data} has "
      f"{examples.image_shape[-1]}."
    )
  task.check_outputs(shape, data)
  result = measure(task, predict, examples)
  if FLAGS.json:
    print(json.dumps({**dataclasses.asdict(result), "class_names": data.class_names}, indent=2))
    return
  for line in (*data.notes, *task.describe(result, data)):
    print(line)


def start() -> None:
  define_flags()
  start_program(main)


if __name__ == "__main__":
  start()
