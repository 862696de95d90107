"""Memory of a process that trains a preset's super-network and then scores samples with it.

  python -m nadv2_tf.benchmarks.studies.memory --flagfile=flags/presets/demo.flags

Takes the flags of `nadv2-run`; what is trained is the preset's super-network with its optimizer,
batch and execution. Weights and images are random: memory depends on their sizes alone. All images
are in memory, and the data set itself, which another process would hold too, is not counted. The
growth is counted from the warm-up on, in which TensorFlow and oneDNN fill their pools; it begins
with the largest network.
"""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
import random
import resource
import sys
import tempfile
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from absl import app, flags

from nadv2_tf import backbones
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.flags.define import read
from nadv2_tf.options import NetworkOptions, TrainOptions
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages.data import make_task
from nadv2_tf.pipeline.stages.search import CALIBRATION_IMAGES
from nadv2_tf.pipeline.stages.super_network import train_super_network
from nadv2_tf.pipeline.stages.workbench import Workbench, space_of
from nadv2_tf.programs import run
from nadv2_tf.tasks.examples import Datasets, Examples
from nadv2_tf.training import strategies
from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator

if TYPE_CHECKING:
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.types import AnyPath

FLAGS = flags.FLAGS
CLASSES = {"demo": 10, "tfds:cifar10": 10}  # of --data; else as many as ImageNet
MIB = 2**20


def define_flags() -> None:
  run.define_flags()
  FLAGS.set_default("output", "")  # a run needs one; nothing is kept here
  flags.DEFINE_integer("steps", 10, "Training steps.")
  flags.DEFINE_integer("images", 500, "Images that each sample is scored on, in one batch.")
  flags.DEFINE_integer(
    "calibration", CALIBRATION_IMAGES, "Images whose batch-norm statistics each sample takes."
  )
  flags.DEFINE_integer("warm_up", 200, "Samples before memory is compared.")
  flags.DEFINE_integer("scored", 2000, "Samples after the warm-up.")


def random_examples(count: int, network: NetworkSpec, rng: np.random.Generator) -> Examples:
  """`Examples` of the network's input, with labels or maps of its output's shape."""
  images = rng.integers(0, 256, (count, *network.input_shape), np.uint8)
  if network.blocks[-1].kind == "head":
    return Examples(images, rng.integers(0, network.blocks[-1].classes, count))
  return Examples(images, rng.uniform(1, 9, (count, *network.input_shape[:2], 1)).astype("float32"))


def make_workbench(folder: AnyPath) -> Workbench:
  """A `Workbench` with the settings of the flags and random images."""
  network_options = dataclasses.replace(read(NetworkOptions), input="memory")
  options = read(TrainOptions)
  first = backbones.search_space(network_options.backbone).largest()
  size = network_options.image_size or first.input_shape[0]
  channels = 1 if network_options.data == "demo" else 3
  is_classifier = first.blocks[-1].kind == "head"
  classes = CLASSES.get(network_options.data, 1000) if is_classifier else 1
  space = space_of(network_options, (size, size, channels), classes)
  rng = np.random.default_rng(0)
  train, holdout = (
    random_examples(count, space.network, rng)
    for count in (max(options.batch_size, FLAGS.calibration), FLAGS.images)
  )
  options = dataclasses.replace(
    options,
    epochs=FLAGS.steps / (len(train) // options.batch_size),
    full_epochs=0,
    augmentation="shift",
    encoder_weights=None,
  )
  task = make_task(network_options, size, options)
  strategy = strategies.make_strategy(options.strategy)
  data = Datasets(train, holdout, holdout, ())
  return Workbench(RunFolder(folder), space, task, data, network_options, options, strategy)


def resident() -> int:
  """Resident bytes of this process now."""
  pages = int(pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
  return pages * resource.getpagesize()


def peak() -> int:
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(_: list[str]) -> None:
  started = resident()
  with tempfile.TemporaryDirectory() as folder:
    bench = make_workbench(folder)
    ready = resident()
    model = train_super_network(bench, Progress(sys.stderr))
  trained, data, options = peak(), bench.datasets, bench.train_options
  print("$ python -m nadv2_tf.benchmarks.studies.memory", *sys.argv[1:])
  print(
    f"{datetime.date.today()}, {bench.network_options.backbone} at "
    f"{'x'.join(map(str, bench.space.network.input_shape))}, batch {options.batch_size}, "
    f"{options.execution}, {options.optimizer}; {len(data.holdout)} images for scoring "
    f"and {FLAGS.calibration} for statistics; {processor_name()}, TensorFlow {tf.__version__}"
  )
  print(f"programs loaded              {started / MIB:8.0f} MiB")
  print(f"with {len(data.train) + len(data.holdout):5d} images            {ready / MIB:8.0f} MiB")
  print(f"peak after {FLAGS.steps:3d} training steps {trained / MIB:8.0f} MiB", flush=True)
  evaluator = SharedWeightsEvaluator(
    model, bench.task, data.holdout, data.train.take(slice(FLAGS.calibration))
  )
  draws = random.Random(0)

  def score(count):
    evaluator.accuracy([bench.space.sample(draws) for _ in range(count)])
    return resident()

  evaluator.accuracy([bench.space.largest()])  # which needs the most
  before = score(FLAGS.warm_up)
  print(f"resident after {FLAGS.warm_up:4d} samples  {before / MIB:8.0f} MiB", flush=True)
  for part in range(1, 5):
    now = score(FLAGS.scored // 4)
    growth = now / before - 1
    print(
      f"and {part * FLAGS.scored // 4:5d} more             {now / MIB:8.0f} MiB ({growth:+.1%})",
      flush=True,
    )
  print(f"peak of all                  {peak() / MIB:8.0f} MiB")


if __name__ == "__main__":
  define_flags()
  app.run(main)
