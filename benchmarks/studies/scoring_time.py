"""Seconds per scored sample: shared weights, sliced, against the sub-network in plain Keras.

  python -m nadv2_tf.benchmarks.studies.scoring_time --backbone=mobilenet_v3_cifar

The plain network is traced once for every sub-network, which is not timed, and scores the same
images with ready statistics; the shared weights include what batch norm needs. Both take turns.
"""

from __future__ import annotations

import datetime
import functools
import random
import statistics
import sys
import time
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

from nadv2_tf import backbones
from nadv2_tf.benchmarks.tables.plan import networks_over_range
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.models import slice_network, super_network
from nadv2_tf.resources import MacsMeter
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence
  from typing import Any

  from nadv2_tf.tasks.task import Task
  from nadv2_tf.types import Tensor

BACKBONE = flags.DEFINE_string("backbone", "mobilenet_v3_cifar", "Initial network.")
HOLDOUT = flags.DEFINE_integer("holdout", 2000, "Images that are scored.")
BATCH = flags.DEFINE_integer("batch_size", 500, "Images at once.")
CALIBRATION = flags.DEFINE_list("calibration", ["0", "128", "256", "512"], "Calibration images.")
NETWORKS = flags.DEFINE_integer("networks", 10, "Sub-networks over the range of MACs.")
REPEATS = flags.DEFINE_integer("repeats", 5, "Timings of each.")
SAMPLES = 200


def random_examples(count: int, shape: Sequence[int], rng: np.random.Generator) -> Examples:
  return Examples(
    rng.integers(0, 256, (count, *shape)).astype(np.uint8), rng.integers(0, 10, count)
  )


def plain_scorer(
  network: keras.Model, task: Task, holdout: Examples, batch: int
) -> Callable[[], Tensor]:
  """A traced function that scores a plain Keras network on the same images."""
  images, labels = tf.constant(holdout.inputs()), tf.constant(holdout.labels)

  def score():
    total = 0.0
    for start in range(0, len(holdout), batch):
      outputs = network(images[start : start + batch], training=False)
      total += tf.reduce_sum(task.quality(labels[start : start + batch], outputs))
    return total / len(holdout)

  return tf.function(score, autograph=False)


def seconds_of(function: Callable[[], Any]) -> float:
  start = time.perf_counter()
  result = function()
  float(result[0] if isinstance(result, list) else result)  # waits for it
  return time.perf_counter() - start


def main(_: Any) -> None:
  space = backbones.search_space(BACKBONE.value)
  rng = np.random.default_rng(0)
  keras.utils.set_random_seed(0)
  model = super_network(space)
  task = Classification("demo", 32, 1, 0)
  holdout = random_examples(HOLDOUT.value, space.network.input_shape, rng)
  evaluators = {}
  for count in map(int, CALIBRATION.value):
    calibration = random_examples(count, space.network.input_shape, rng) if count else None
    evaluators[count] = SharedWeightsEvaluator(model, task, holdout, calibration, BATCH.value)
    evaluators[count].accuracy([space.largest()])
  ratios: dict[int, list[float]] = {count: [] for count in evaluators}
  specs = networks_over_range(space, NETWORKS.value, 0, MacsMeter().measure)
  for spec in specs:
    plain = plain_scorer(slice_network(model, spec), task, holdout, BATCH.value)
    plain()
    times: dict[int | None, list[float]] = {count: [] for count in [None, *evaluators]}
    for _ in range(REPEATS.value):
      times[None].append(seconds_of(plain))
      for count, evaluator in evaluators.items():
        times[count].append(seconds_of(functools.partial(evaluator.accuracy, [spec])))
    for count in evaluators:
      ratios[count].append(statistics.median(times[count]) / statistics.median(times[None]))
  draws = random.Random(0)
  evaluators[max(evaluators)].accuracy([space.sample(draws) for _ in range(SAMPLES)])
  print("$ python -m nadv2_tf.benchmarks.studies.scoring_time", *sys.argv[1:])
  print(
    f"{datetime.date.today()}, {BACKBONE.value}, {HOLDOUT.value} images in batches of "
    f"{BATCH.value}, {processor_name()}, TensorFlow {tf.__version__}; {len(specs)} sub-networks"
  )
  for count, values in ratios.items():
    title = f"statistics of {count} images" if count else "statistics of the scored batches"
    print(
      f"{title:34s} shared / plain {statistics.median(values):.2f} ({min(values):.2f} to "
      f"{max(values):.2f}), {evaluators[count].traces} trace(s)"
    )


if __name__ == "__main__":
  app.run(main)
