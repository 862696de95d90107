"""Seconds of a masked training step in half precision and compiled with XLA, against float32.

  python -m nadv2_tf.benchmarks.studies.precision --backbone=mobilenet_v3_cifar --batch_size=64

All are built, traced and stepped in one process, in turns; the ratio of the medians is what counts.
"""

from __future__ import annotations

import datetime
import functools
import statistics
import sys
import time
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

from nadv2_tf import backbones
from nadv2_tf.benchmarks.studies.in_turns import ratio_text, round_medians
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.models import super_network
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.steps.precision import computing_in
from nadv2_tf.training.steps.tensorflow import make_step
from nadv2_tf.training.strategies import make_strategy
from nadv2_tf.training.widths import WidthSampler

if TYPE_CHECKING:
  from collections.abc import Callable

  from nadv2_tf.spec import SearchSpace
  from nadv2_tf.types import Tensor

BACKBONE = flags.DEFINE_string("backbone", "mobilenet_v3_cifar", "Initial network.")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images per step.")
STEPS = flags.DEFINE_integer("steps", 5, "Timed steps of each in a round.")
ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds; each gives a ratio.")
SUBNETWORKS = 8
FORMS = {
  "float32": ("none", False),
  "float32 XLA": ("none", True),
  "bfloat16": ("bfloat16", False),
  "bfloat16 XLA": ("bfloat16", True),
  "float16": ("float16", False),
  "float16 XLA": ("float16", True),
}
PLAIN = "float32"
CHOSEN = flags.DEFINE_list("forms", list(FORMS), f"Some of {', '.join(FORMS)}; {PLAIN} always is.")


def make_steps(space: SearchSpace, batch: int) -> dict[str, Callable[..., tuple[Tensor, Tensor]]]:
  """{title: step(inputs, targets)}."""
  task, strategy = Classification("demo", 32, 1, 0), make_strategy("one")
  steps = {}
  for title in dict.fromkeys([PLAIN, *CHOSEN.value]):
    precision, jit_compile = FORMS[title]
    keras.utils.set_random_seed(0)
    with computing_in(precision):
      model = super_network(space, groups=SUBNETWORKS)
    recipe = Recipe(1, batch, "sgd", 0.01, mixed_precision=precision)
    optimizer = recipe.make_optimizer(batch, model.trainable_variables)
    steps[title] = make_step(
      model, task, optimizer, batch, None, strategy, jit_compile, lambda: None
    )
  return steps


def main(_: list[str]) -> None:
  batch = BATCH_SIZE.value
  space = backbones.search_space(BACKBONE.value)
  rng = np.random.default_rng(0)
  images = tf.constant(rng.normal(size=(batch, *space.largest().input_shape)), tf.float32)
  labels = tf.constant(rng.integers(0, space.largest().blocks[-1].classes, batch))
  sampler = WidthSampler(space, batch, SUBNETWORKS, size_noise=0.2)
  steps, first = make_steps(space, batch), {}

  def call(step, index):
    return float(step((images, tf.constant(sampler.batch(index))), labels)[0])

  for title, step in steps.items():
    start = time.perf_counter()
    call(step, STEPS.value * ROUNDS.value)
    first[title] = time.perf_counter() - start
  calls = {title: functools.partial(call, step) for title, step in steps.items()}
  medians = round_medians(calls, ROUNDS.value, STEPS.value)
  print("$ python -m nadv2_tf.benchmarks.studies.precision", *sys.argv[1:])
  print(
    f"{datetime.date.today()}, {BACKBONE.value}, batch {batch}, {processor_name()}, TensorFlow "
    f"{tf.__version__}"
  )
  print(f"{'':16s}step (ms)  ratio to float32        first step (s)")
  for title, values in medians.items():
    print(
      f"{title:16s}{1e3 * statistics.median(values):9.1f}   {ratio_text(values, medians[PLAIN])} "
      f"{first[title]:12.1f}"
    )


if __name__ == "__main__":
  app.run(main)
