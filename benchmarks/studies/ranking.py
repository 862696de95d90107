"""How well shared weights rank sub-networks, by what normalises them while they are scored.

  python -m nadv2_tf.benchmarks.studies.ranking --data=npz:cifar10.npz --cache=ranking

Trains sub-networks alone, trains super-networks, scores the sub-networks in every way and prints
Kendall's tau against the accuracy alone, with its 95 % interval, and seconds per sample. What is in
--cache is not trained again, so the study can be killed and started anew.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import pathlib
import random
import statistics
import sys
import time
from typing import TYPE_CHECKING

import keras
import tensorflow as tf
from absl import app, flags

from nadv2_tf.benchmarks.tables.partial import PartialTable
from nadv2_tf.benchmarks.tables.plan import networks_over_range
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.flags.define import define, read_space
from nadv2_tf.models import stand_alone, super_network
from nadv2_tf.options import NetworkOptions
from nadv2_tf.resources import MacsMeter
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recalibration import recalibrate
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.scoring.evaluation import evaluate, keras_predictor
from nadv2_tf.training.scoring.rank_correlation import kendall_tau, tau_interval
from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator
from nadv2_tf.training.widths import WidthSampler

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence
  from typing import Any

  from nadv2_tf.spec import NetworkSpec, SearchSpace
  from nadv2_tf.tasks.examples import Datasets
  from nadv2_tf.tasks.task import Task

FLAGS = flags.FLAGS
CACHE = flags.DEFINE_string("cache", None, "Folder of what has been trained.", required=True)
SPREAD = flags.DEFINE_integer("spread", 16, "Sub-networks spread over the range of MACs.")
UNEVEN = flags.DEFINE_integer(
  "uneven", 0, "Sub-networks of which every block keeps another share, of 20 to 80 % of the MACs."
)
NEAR = flags.DEFINE_integer("near", 8, "Sub-networks within 5 % of half of the largest MACs.")
ALONE = flags.DEFINE_float("alone_epochs", 8, "Epochs of a sub-network alone.")
EPOCHS = flags.DEFINE_float("super_epochs", 12, "Epochs of a super-network.")
FULL = flags.DEFINE_float("full_epochs", 2, "Of these, epochs of the full network.")
ELSEWHERE = flags.DEFINE_string(
  "alone_from",
  None,
  "Cache of a study that trained the sub-networks alone, maybe with another hold-out.",
)
BATCH = flags.DEFINE_integer("batch_size", 64, "Images per step of a sub-network alone.")
SUPER_BATCH = flags.DEFINE_integer("super_batch_size", 128, "Images per step of a super-network.")


@dataclasses.dataclass(frozen=True)
class Variant:
  """A way to train the super-network; `subnetworks` None is one for each image."""

  subnetworks: int | None = 8
  statistics: str = "mixture"
  full: int = 1
  smallest: int = 0
  own_kernels: bool = False
  distillation: float = 0.0
  ema: float = 0.0
  size_noise: float = 0.2
  block_noise: float = 0.0


VARIANT = {
  "G8": Variant(),
  "G4": Variant(4),
  "G16": Variant(16),
  "G8_no_full": Variant(full=0),
  "G8_independent": Variant(size_noise=math.inf),
  "G8_smallest": Variant(smallest=1),
  "G8_own_kernels": Variant(own_kernels=True),
  "G8_distillation": Variant(distillation=0.5),
  "G8_ema": Variant(ema=0.998),
  "G8_sandwich": Variant(smallest=1, distillation=0.5),
  "G8_blocks": Variant(block_noise=0.8),
  "G8_sandwich_blocks": Variant(smallest=1, distillation=0.5, block_noise=0.8),
  "G8_smallest_blocks": Variant(smallest=1, block_noise=0.8),
  "G8_distillation_blocks": Variant(distillation=0.5, block_noise=0.8),
  "G8_sandwich_blocks_no_full": Variant(full=0, smallest=1, distillation=0.5, block_noise=0.8),
  "G8_sandwich_blocks_own_kernels": Variant(
    smallest=1, distillation=0.5, block_noise=0.8, own_kernels=True
  ),
  "G8_sandwich_blocks_ema": Variant(smallest=1, distillation=0.5, block_noise=0.8, ema=0.998),
  "G4_sandwich": Variant(4, smallest=1, distillation=0.5),
  "G4_sandwich_blocks": Variant(4, smallest=1, distillation=0.5, block_noise=0.8),
  "G16_sandwich_blocks": Variant(16, smallest=1, distillation=0.5, block_noise=0.8),
  "paper": Variant(None),
  "paper_live": Variant(None, "live"),
}
VARIANTS = flags.DEFINE_list("variants", list(VARIANT), f"Some of {', '.join(VARIANT)}.")
CALIBRATIONS = (128, 256, 512, 1000, 2000)


def networks(
  space: SearchSpace, spread: int, near: int, uneven: int = 0
) -> tuple[list[NetworkSpec], list[NetworkSpec], list[NetworkSpec]]:
  """(specs over the range of MACs, uneven ones, specs within 5 % of half of the largest)."""
  macs = MacsMeter().measure
  largest = macs(space.largest())
  close = _uneven(space, near, 1, 0.25, lambda spec, _: abs(macs(spec) / largest - 0.5) <= 0.025)
  # One in each part of the range, so that they are spread evenly.
  parts = _uneven(
    space, uneven, 2, 0.1, lambda spec, n: 0 <= (macs(spec) / largest - 0.2) * uneven / 0.6 - n < 1
  )
  return networks_over_range(space, spread, 0, macs), parts, close


def _uneven(
  space: SearchSpace,
  count: int,
  seed: int,
  least: float,
  fits: Callable[[NetworkSpec, int], bool],
) -> list[NetworkSpec]:
  """`count` networks of which every block keeps another share, from `least` on; the n-th fits n."""
  rng = random.Random(seed)
  found: dict[tuple[int, ...], NetworkSpec] = {}
  while len(found) < count:
    shares = [rng.uniform(least, 1) for _ in space.network.blocks]
    row = []
    for decision in space.decisions:
      share = shares[decision.blocks[0]] * rng.uniform(0.7, 1)
      row.append(decision.choices[round(share * (len(decision.choices) - 1))])
    spec = space.decode(row)
    if fits(spec, len(found)):
      found[space.encode(spec)] = spec
  return list(found.values())


def accuracy_alone(spec: NetworkSpec, task: Task, datasets: Datasets, seed: int) -> float:
  """Test accuracy of a sub-network trained from scratch."""
  keras.utils.set_random_seed(seed)
  model = stand_alone(spec)
  recipe = Recipe(ALONE.value, BATCH.value, "adam", 3e-3, weight_decay=0.0)
  TrainingLoop(model, task, recipe, seed=seed).run(datasets.train)
  recalibrate(model, datasets.train.take(slice(2000)))
  return evaluate(keras_predictor(model), datasets.test, len(datasets.class_names)).accuracy


def accuracies_alone(
  specs: Sequence[NetworkSpec],
  space: SearchSpace,
  task: Task,
  datasets: Datasets,
  folder: pathlib.Path,
) -> list[float]:
  """Test accuracies of sub-networks trained from scratch, those of --alone_from if it is given."""
  path, images = folder / "alone.jsonl", len(datasets.train)
  if ELSEWHERE.value:
    path = pathlib.Path(ELSEWHERE.value) / "alone.jsonl"
    images = json.loads(path.read_text(encoding="utf-8").splitlines()[0])["images"]
    print(f"trained alone by another study, on {images} images: {path}")
  settings = {"backbone": FLAGS.backbone, "epochs": ALONE.value, "images": images}
  table = PartialTable(path, settings)
  for index, spec in enumerate(specs):
    if space.encode(spec) not in table:
      if ELSEWHERE.value:
        raise app.UsageError(f"{path} lacks sub-network {index + 1} of {len(specs)}.")
      table.add({space.encode(spec): accuracy_alone(spec, task, datasets, index)})
      print(f"alone {index + 1}/{len(specs)}: {table[space.encode(spec)]:.3f}", flush=True)
  return [table[space.encode(spec)] for spec in specs]


def trained(
  variant: str, space: SearchSpace, task: Task, datasets: Datasets, folder: pathlib.Path
) -> tuple[keras.Model, float | None]:
  """The super-network of a variant, and its training's seconds."""
  how, size = VARIANT[variant], SUPER_BATCH.value
  keras.utils.set_random_seed(0)
  model = super_network(space, groups=how.subnetworks or 1, statistics=how.statistics)
  path, seconds = folder / f"{variant}.weights.h5", None
  if path.exists():
    model.load_weights(path)
    return model, seconds
  steps = len(datasets.train) // size
  sampler = WidthSampler(
    space,
    size,
    how.subnetworks or size,
    how.full,
    round(FULL.value * steps),
    size_noise=how.size_noise,
    smallest=how.smallest,
    block_noise=how.block_noise,
    own_kernels=how.own_kernels,
  )
  execution = "sliced" if how.subnetworks else "masked"
  start = time.monotonic()
  recipe = Recipe(EPOCHS.value, size, "adam", 3e-3, weight_decay=0.0, ema=how.ema)
  loop = TrainingLoop(
    model, task, recipe, sampler, execution=execution, distillation=how.distillation
  )
  loop.run(datasets.train)
  model.save_weights(path)
  return model, time.monotonic() - start


def scores(
  evaluator: SharedWeightsEvaluator, specs: Sequence[NetworkSpec]
) -> tuple[list[float], float]:
  """(accuracies, median seconds per sample), the trace not counted."""
  evaluator.accuracy(specs[:1])
  found, seconds = [], []
  for spec in specs:
    start = time.perf_counter()
    found += evaluator.accuracy([spec])
    seconds.append(time.perf_counter() - start)
  return found, statistics.median(seconds)


def tau_line(
  title: str, found: Sequence[float], alone: Sequence[float], near: int, seconds: str
) -> str:
  tau = kendall_tau(found, alone)
  low, high = tau_interval(found, alone)
  among = kendall_tau(found[-near:], alone[-near:])
  return f"{title:34s} {tau:6.2f} ({low:5.2f} to {high:4.2f}) {among:6.2f}   {seconds}"


def main(_: list[str]) -> None:
  folder = pathlib.Path(CACHE.value)
  folder.mkdir(parents=True, exist_ok=True)
  space = read_space()
  task = Classification(FLAGS.data, space.network.input_shape[0], FLAGS.holdout, FLAGS.seed)
  datasets = task.datasets()
  spread, uneven, near = networks(space, SPREAD.value, NEAR.value, UNEVEN.value)
  specs = [*spread, *uneven, *near]
  alone = accuracies_alone(specs, space, task, datasets, folder)

  print("$ python -m nadv2_tf.benchmarks.studies.ranking", *sys.argv[1:])
  print(f"{datetime.date.today()}, {processor_name()}, TensorFlow {tf.__version__}")
  print(
    f"{space.network.name}, {len(datasets.train)} images, hold-out {len(datasets.holdout)}, "
    f"{len(spread)} sub-networks over the range, {len(uneven)} uneven ones, {len(near)} of about "
    f"half the MACs; alone {min(alone):.3f} to {max(alone):.3f}, those of half the MACs "
    f"{min(alone[-len(near) :]):.3f} to {max(alone[-len(near) :]):.3f}"
  )
  print(f"{'scored by':34s}    tau (95 % interval)   near   seconds per sample; accuracies")
  macs = [spec.macs() for spec in specs]
  print(tau_line("MACs", macs, alone, len(near), "-"))
  for variant in VARIANTS.value:
    model, seconds = trained(variant, space, task, datasets, folder)
    took = "trained before" if seconds is None else f"trained in {seconds:.0f} s"
    print(f"{variant} ({took})", flush=True)
    ways: dict[str, Any] = {"running statistics": "moving", "the scored batches": None}
    ways |= {
      f"{count} training images": datasets.train.take(slice(count)) for count in CALIBRATIONS
    }
    for title, calibration in ways.items():
      if calibration == "moving" and VARIANT[variant].subnetworks:
        continue  # sliced training moves no averages
      evaluator = SharedWeightsEvaluator(model, task, datasets.holdout, calibration)
      found, each = scores(evaluator, specs)
      tail = f"{each:.3f} s; {min(found):.3f} to {max(found):.3f}"
      print(tau_line(f"  {title}", found, alone, len(near), tail), flush=True)


if __name__ == "__main__":
  define(NetworkOptions, "backbone", "image_size", "data", "input", "input_cache_gib", "seed")
  flags.DEFINE_integer("holdout", 2000, "Images cut from the training set to score with.")
  FLAGS.set_default("backbone", "mobilenet_v3_cifar_small")
  app.run(main)
