"""Images per second of the input pipeline, of training, and of both together.

  python -m nadv2_tf.benchmarks.studies.input_pipeline --backbone=netadaptv2_latency \\
    --image_size=224 --batch_size=256 --augmentation=autoaugment

Without --data it writes JPEG files of noise that was blurred, as large as ImageNet's on average,
into a temporary folder. Each figure is the median over --rounds: of the pipeline alone, then of
training on one batch over and over and of training on the pipeline's, these two in turns. The
pipeline is the limit where "both" is about "pipeline", and not where it is about "training".
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
import pathlib
import statistics
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import keras
import numpy as np
from absl import app, flags
from PIL import Image, ImageFilter

from nadv2_tf import backbones
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.models import super_network
from nadv2_tf.tasks import sources
from nadv2_tf.tasks.augmentation import AUGMENTATIONS, Augmentation
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.steps.precision import computing_in
from nadv2_tf.training.widths import WidthSampler

if TYPE_CHECKING:
  from collections.abc import Iterator
  from typing import Any

  from nadv2_tf.spec import SearchSpace
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.types import Tensor

BACKBONE = flags.DEFINE_string("backbone", "mobilenet_v3_cifar", "Initial network.")
DATA = flags.DEFINE_string("data", None, "folder:DIR or tfds:NAME; default: generated files.")
FILES = flags.DEFINE_integer("files", 256, "How many files are generated.", lower_bound=4)
SIZE = flags.DEFINE_integer("image_size", 32, "Of the network's input.")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images per step.")
GROUPS = flags.DEFINE_integer("subnetworks_per_batch", 8, "Sub-networks of a batch.")
AUGMENTATION = flags.DEFINE_enum("augmentation", "inception", AUGMENTATIONS, "Of the pictures.")
CACHE = flags.DEFINE_float("input_cache_gib", 0, "Files kept in memory.", lower_bound=0)
PRECISION = flags.DEFINE_enum(
  "mixed_precision", "none", ["none", "bfloat16"], "Of the layers when they train."
)
STEPS = flags.DEFINE_integer("steps", 10, "Batches of each in a round.", lower_bound=1)
ROUNDS = flags.DEFINE_integer("rounds", 3, "Rounds.", lower_bound=1)
#: of ImageNet's training pictures on average, in pixels; quality 90 makes files of some 100 kB
PICTURE = (500, 400)


def write_pictures(folder: pathlib.Path) -> None:
  """FILES JPEG files of two classes under folder/train, and four under folder/val."""
  rng = np.random.default_rng(0)
  for part, count in (("train", FILES.value), ("val", 4)):
    for number in range(count):
      path = folder / part / f"class{number % 2}" / f"{number}.jpg"
      path.parent.mkdir(parents=True, exist_ok=True)
      noise = rng.integers(0, 256, (*PICTURE[::-1], 3), np.uint8)
      Image.fromarray(noise).filter(ImageFilter.GaussianBlur(1)).save(path, quality=90)


class InTurns:
  """Examples whose batches are, `STEPS` at a time: one and the same, streamed, streamed again."""

  def __init__(self, examples: Examples | StreamedExamples) -> None:
    self._examples = examples

  def __len__(self) -> int:
    return len(self._examples)

  def take(self, indices: slice | np.ndarray) -> Examples | StreamedExamples:
    return self._examples.take(indices)

  def training_batches(self, *how: Any) -> Iterator[tuple[Tensor, Tensor]]:
    streamed = self._examples.training_batches(*how)
    same = next(streamed)
    while True:
      yield from itertools.repeat(same, STEPS.value)
      # The first of these were made ahead while the others ran.
      yield from itertools.islice(streamed, 2 * STEPS.value)


def training_rates(
  examples: Examples | StreamedExamples, classes: int
) -> tuple[np.ndarray, np.ndarray]:
  """Images per second of every round: (training, both)."""
  batch, groups = BATCH_SIZE.value, GROUPS.value
  space = backbones.search_space(BACKBONE.value, examples.image_shape, classes)
  keras.utils.set_random_seed(0)
  with computing_in(PRECISION.value):
    model = super_network(space, groups=1 if groups == batch else groups)
  steps = 3 * STEPS.value * (1 + ROUNDS.value)  # the first round waits for the trace
  recipe = Recipe(
    steps / (len(examples) // batch),
    batch,
    "rmsprop",
    1e-6,
    augmentation=AUGMENTATION.value,
    mixed_precision=PRECISION.value,
  )
  loop = TrainingLoop(model, Classification("demo", 32, 1, 0), recipe, _sampler(space))
  times: list[float] = []
  in_turns: Any = InTurns(examples)  # has what the loop asks of examples
  loop.run(in_turns, lambda unused: times.append(time.perf_counter()), STEPS.value)
  rates = STEPS.value * batch / np.diff(times)
  # Report 3 ends the first round; then each round has three intervals.
  return rates[2::3], rates[4::3]


def _sampler(space: SearchSpace) -> WidthSampler:
  return WidthSampler(space, BATCH_SIZE.value, GROUPS.value)


def pipeline_rates(examples: Examples | StreamedExamples) -> list[float]:
  """Images per second of every round."""
  augmentation = Augmentation(AUGMENTATION.value)
  batches = examples.training_batches(BATCH_SIZE.value, augmentation, 0)
  rates = []
  for _ in range(1 + ROUNDS.value):  # the first starts the threads
    start = time.perf_counter()
    for _ in range(STEPS.value):
      next(batches)
    rates.append(STEPS.value * BATCH_SIZE.value / (time.perf_counter() - start))
  return rates[1:]


def main(_: list[str]) -> None:
  with contextlib.ExitStack() as stack:
    data = DATA.value
    if data is None:
      folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
      write_pictures(folder)
      data = f"folder:{folder}"
    cache = round(CACHE.value * 2**30)
    loaded = sources.load(data, SIZE.value, "stream", cache_bytes=cache)
    pipeline = pipeline_rates(loaded.train)
    training, both = training_rates(loaded.train, len(loaded.class_names))
    count = len(loaded.train)
  print("$ python -m nadv2_tf.benchmarks.studies.input_pipeline", *sys.argv[1:])
  print(
    f"{datetime.date.today()}, {BACKBONE.value}, {SIZE.value}x{SIZE.value}, batch "
    f"{BATCH_SIZE.value}, {AUGMENTATION.value}, {count} "
    + ("generated files" if DATA.value is None else "images")
    + f", {processor_name()}, {os.cpu_count()} processors"
  )
  for title, values in (("pipeline", pipeline), ("training", training), ("both", both)):
    print(
      f"{title:10s}{statistics.median(values):9.1f} images/s ({min(values):.1f} to "
      f"{max(values):.1f})"
    )


if __name__ == "__main__":
  app.run(main)
