"""What splitting operators among threads gains: steps and scores with 1 thread each, and split.

  python -m nadv2_tf.benchmarks.studies.threads

Every setting runs in a process of its own, since TensorFlow takes it before it starts; the
processes take turns. Images are noise: what they show decides nothing about the time.
"""

from __future__ import annotations

import datetime
import json
import os
import random
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from absl import app, flags

from nadv2_tf.benchmarks.timing.devices.host import processor_name

if TYPE_CHECKING:
  from collections.abc import Sequence
  from typing import Any

#: (backbone, image size, batch size)
CASES = (
  ("mobilenet_v3_demo", 32, 64),
  ("mobilenet_v3_cifar", 32, 256),
  ("mobilenet_v1", 96, 32),
  ("netadaptv2_latency", 96, 32),
)
SPLIT = 0
STEPS = flags.DEFINE_integer("steps", 30, "Timed steps and scores in each process.", lower_bound=1)
REPEATS = flags.DEFINE_integer("repeats", 3, "Processes for each setting.", lower_bound=1)
CHILD = flags.DEFINE_string("child", None, "What a process measures; the study starts them itself.")
WHAT = ("plain step", "super-network step", "score")
IMAGES = 512


def main(_: Any) -> None:
  if CHILD.value:
    backbone, size, batch, threads = json.loads(CHILD.value)
    print(json.dumps(measured(backbone, size, batch, threads)))
    return
  print("$ python -m nadv2_tf.benchmarks.studies.threads", *sys.argv[1:])
  print(
    f"{datetime.date.today()}, {processor_name()}, {os.cpu_count()} cores; milliseconds, median of "
    f"{REPEATS.value} processes (smallest to largest), one thread for each operator and split"
  )
  for case in CASES:
    taken: dict[int, list[list[float]]] = {1: [], SPLIT: []}
    for _ in range(REPEATS.value):
      for threads, all_taken in taken.items():
        all_taken.append(_in_a_process(*case, threads))
    for index, what in enumerate(WHAT):
      one, split = ([values[index] for values in taken[threads]] for threads in (1, SPLIT))
      ratio = statistics.median(one) / statistics.median(split)
      backbone, size, batch = case
      title = f"{backbone}, {batch} x {size}x{size}"
      print(f"{title:34s} {what:20s} {_told(one)} {_told(split)}   ratio {ratio:.2f}")


def _told(values: Sequence[float]) -> str:
  return f"{statistics.median(values):7.1f} ({min(values):.1f} to {max(values):.1f})"


def _in_a_process(*case: Any) -> list[float]:
  command = [sys.executable, "-m", "nadv2_tf.benchmarks.studies.threads"]
  command += [f"--child={json.dumps(case)}", f"--steps={STEPS.value}"]
  done = subprocess.run(command, capture_output=True, text=True, check=True)
  return json.loads(done.stdout.splitlines()[-1])


def measured(backbone: str, size: int, batch: int, threads: int) -> list[float]:
  """Milliseconds of each of `WHAT`, medians, with so many threads for an operator."""
  from nadv2_tf.programs.start import start_tensorflow

  start_tensorflow(threads=threads or None)
  import numpy as np

  from nadv2_tf import backbones
  from nadv2_tf.models import stand_alone, super_network
  from nadv2_tf.tasks.classification import Classification
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.training.loop import TrainingLoop
  from nadv2_tf.training.recipe import Recipe
  from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator
  from nadv2_tf.training.widths import WidthSampler

  space = backbones.search_space(backbone, (size, size, 3), 10)
  rng = np.random.default_rng(0)
  pixels = rng.integers(0, 255, (max(IMAGES, batch), size, size, 3), dtype=np.uint8)
  examples = Examples(pixels, rng.integers(0, 10, len(pixels)))
  task = Classification("demo", size, 1, 0)
  found: list[float] = []
  for model in (stand_alone(space.largest()), super_network(space, groups=8)):
    sampler = None if not found else WidthSampler(space, batch, 8, 1, size_noise=0.2)
    ends: list[float] = []
    loop = TrainingLoop(
      model, task, Recipe((STEPS.value + 5) / (len(pixels) // batch), batch), sampler
    )

    def note(_: Any, ends: list[float] = ends) -> None:
      ends.append(time.perf_counter())

    loop.run(examples, note, report_every=1)
    found.append(_middle(ends[-STEPS.value - 1 :]))
  evaluator = SharedWeightsEvaluator(
    model, task, examples.take(slice(256)), examples.take(slice(64))
  )
  ends = [time.perf_counter()]
  for index in range(STEPS.value + 5):
    evaluator.accuracy([space.sample(random.Random(index))])
    ends.append(time.perf_counter())
  return [*found, _middle(ends[-STEPS.value - 1 :])]


def _middle(ends: Sequence[float]) -> float:
  return 1e3 * statistics.median(end - start for start, end in zip(ends, ends[1:], strict=False))


if __name__ == "__main__":
  app.run(main)
