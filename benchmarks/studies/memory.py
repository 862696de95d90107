"""Resident memory of a process that trains a super-network and then scores samples with it.

  python -m nadv2_tf.benchmarks.studies.memory --backbone=mobilenet_v3_demo

Weights and images are random; memory depends on their sizes alone. The growth is counted from the
warm-up on, in which TensorFlow and oneDNN fill their pools.
"""

import datetime
import pathlib
import random
import resource
import sys

import numpy as np
import tensorflow as tf
from absl import app, flags
from nadv2_tf.benchmarks.devices.host import processor_name

from nadv2_tf import backbones
from nadv2_tf.models import super_network
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.scoring import SharedWeightsEvaluator
from nadv2_tf.training.widths import WidthSampler

BACKBONE = flags.DEFINE_string("backbone", "mobilenet_v3_demo", "Initial network.")
SIZE = flags.DEFINE_integer("image_size", None, "Of the images; default: the backbone's own.")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images of a training step.")
STEPS = flags.DEFINE_integer("steps", 10, "Training steps.")
HOLDOUT = flags.DEFINE_integer("holdout", 64, "Images that each sample is scored on.")
WARM_UP = flags.DEFINE_integer("warm_up", 200, "Samples before memory is compared.")
SAMPLES = flags.DEFINE_integer("samples", 2000, "Samples after the warm-up.")
MIB = 2**20


def resident():
  """Resident bytes of this process now."""
  pages = int(pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
  return pages * resource.getpagesize()


def peak():
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(_):
  space = backbones.search_space(BACKBONE.value)
  if SIZE.value:
    shape = (SIZE.value, SIZE.value, space.network.input_shape[-1])
    space = backbones.search_space(BACKBONE.value, shape)
  rng = np.random.default_rng(0)
  batch, shape = BATCH_SIZE.value, space.network.input_shape

  def examples(count):
    return Examples(rng.integers(0, 256, (count, *shape), np.uint8), rng.integers(0, 10, count))

  task = Classification("demo", shape[0], 1, 0)
  model = super_network(space, groups=8)
  sampler = WidthSampler(space, batch, 8, size_noise=0.2)
  train = examples(batch)
  TrainingLoop(model, task, Recipe(STEPS.value, batch), sampler).run(train)
  trained = peak()
  evaluator = SharedWeightsEvaluator(model, task, examples(HOLDOUT.value), train)
  draws = random.Random(0)
  evaluator.accuracy([space.sample(draws) for _ in range(WARM_UP.value)])
  before = resident()
  print("$ python -m nadv2_tf.benchmarks.studies.memory", *sys.argv[1:])
  print(
    f"{datetime.date.today()}, {BACKBONE.value} at {shape[0]}x{shape[1]}, batch {batch}, hold-out "
    f"of {HOLDOUT.value}, {processor_name()}, TensorFlow {tf.__version__}"
  )
  print(f"peak after {STEPS.value} training steps {trained / MIB:8.0f} MiB")
  print(f"resident after {WARM_UP.value} samples    {before / MIB:8.0f} MiB", flush=True)
  for part in range(4):
    evaluator.accuracy([space.sample(draws) for _ in range(SAMPLES.value // 4)])
    now = resident()
    print(
      f"and {(part + 1) * SAMPLES.value // 4:5d} more          {now / MIB:8.0f} MiB "
      f"({now / before - 1:+.1%})",
      flush=True,
    )
  print(f"peak of all              {peak() / MIB:8.0f} MiB")


if __name__ == "__main__":
  app.run(main)
