"""Measures what training and evaluation cost, with the run's own loop, on its own images."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import statistics
import tempfile
import time
from typing import TYPE_CHECKING

import keras
import numpy as np

from nadv2_tf.export import deployment, predictor
from nadv2_tf.models import slice_network
from nadv2_tf.options import ExportOptions
from nadv2_tf.options.export import MIXED, OF_MIXED
from nadv2_tf.pipeline.plan.costs import NetworkCosts
from nadv2_tf.pipeline.stages import export as export_stage
from nadv2_tf.pipeline.stages import optimizers, plain_training, recipes
from nadv2_tf.pipeline.stages import search as search_stage
from nadv2_tf.pipeline.stages import super_network as super_stage
from nadv2_tf.pipeline.stages import training as training_stages
from nadv2_tf.pipeline.stages.racing import race_of
from nadv2_tf.search import SpreadingEvaluator
from nadv2_tf.training.scoring.evaluation import batches_of, keras_predictor, measure

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.options import FinetuneOptions, SearchOptions
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.search import SlopingEvaluator
  from nadv2_tf.spec import NetworkSpec, SearchSpace
  from nadv2_tf.training.loop import TrainingLoop
  from nadv2_tf.training.recipe import Recipe
  from nadv2_tf.training.steps.distillation import Teacher

#: steps that are measured: of each kind, and at most; the first of all traces
FULL_STEPS, STEPS = 5, 8
#: after so many seconds of steps two of a kind do
SECONDS = 8.0
#: test images that a file is tried on
FILE_IMAGES = 200


class _Enough(Exception):
  """Ends a training that has said what it was to say."""


def super_network_costs(
  bench: Workbench, half_epochs: float = 0.0
) -> tuple[SuperNetwork, dict[str, float]]:
  """(the super-network, {cost: seconds}); its weights are worthless.

  `half_epochs` are those of `SearchOptions`: with any, what a step costs is asked in any case.
  """
  options = bench.train_options
  recipe = recipes.super_recipe(options)
  keras.utils.set_random_seed(bench.seed)
  sampler = recipes.width_sampler(bench)
  start = time.monotonic()
  model = super_stage.new_super_network(bench)
  built = time.monotonic() - start
  # As many steps of each kind as tell; a run has them in this order too.
  full = FULL_STEPS + 1 if sampler.full_steps else 0
  few = dataclasses.replace(sampler, full_steps=full)
  has_more = recipe.steps(len(bench.datasets.train)) > sampler.full_steps or half_epochs > 0
  count = full + STEPS if has_more else full
  teacher = None
  if recipes.is_full_first(options):
    imitated = slice_network(model, bench.space.largest())
    teacher = plain_training.teacher_of(bench, imitated, recipes.soft_targets(options))
  loop = super_stage.super_loop(bench, model, _long_enough(bench, recipe, count), few, teacher)
  steps = _steps(loop, bench, count)
  first = steps[1:full] or steps[1:]
  later = (steps[max(full, 1) :] or first) if has_more else first
  found = {"super_full_step": _usual(first or steps), "super_step": _usual(later or steps)}
  traced = steps[0] - found["super_full_step" if full else "super_step"] if steps else 0.0
  return model, found | {"super_build": built + max(traced, 0.0)}


def _long_enough(bench: Workbench, recipe: Recipe, steps: int) -> Recipe:
  """`recipe`, with more epochs if they have fewer steps."""
  epochs = steps / (len(bench.datasets.train) // recipe.batch_size)
  return dataclasses.replace(recipe, epochs=max(epochs, recipe.epochs))


def _steps(loop: TrainingLoop, bench: Workbench, count: int) -> list[float]:
  """Seconds of the first steps of a training; the first holds all that comes before it."""
  times = [time.monotonic()]

  def report(_):
    times.append(time.monotonic())
    late = len(times) > 3 and times[-1] - times[1] > SECONDS * len(times) / count
    if len(times) > count or (late and len(times) > count / 2):
      raise _Enough

  with contextlib.suppress(_Enough):
    loop.run(bench.datasets.train, report, report_every=1)
  return [end - begin for begin, end in zip(times, times[1:], strict=False)]


def _usual(seconds: Sequence[float]) -> float:
  return statistics.median(seconds) if seconds else 0.0


def score_costs(
  bench: Workbench,
  model: SuperNetwork,
  specs: Sequence[NetworkSpec],
  options: SearchOptions,
  descent_images: int = 0,
) -> dict[str, float]:
  """{cost: seconds} of scoring, on the networks `specs`, as `SearchOptions` ask for.

  With `descent_images` also of a step downhill on so many.
  """
  start = time.monotonic()
  evaluator = search_stage.make_evaluator(bench, model, options)
  race = race_of(options, len(bench.datasets.holdout))
  samples = optimizers.samples_per_iteration(options)
  first, *others = [bench.space.largest(), *specs]
  evaluator.accuracy([first])
  build = time.monotonic() - start
  times = []
  for spec in others:
    times.append(_sample_seconds(evaluator, spec, race, samples))
  sample = statistics.mean(times) if times else build
  found = {"score_build": max(build - sample, 0.0), "sample": sample}
  if descent_images:
    traced, found["descend"] = _descent_seconds(evaluator, bench.space, descent_images)
    found["score_build"] += traced
  return found


def _descent_seconds(
  evaluator: SlopingEvaluator, space: SearchSpace, images: int
) -> tuple[float, float]:
  """(seconds of the trace, of a step downhill)."""
  shares = np.zeros((len(space), max(len(one.choices) for one in space.decisions)))
  for row, decision in zip(shares, space.decisions, strict=True):
    row[len(decision.choices) - 1] = 1
  times = []
  for step in range(3):
    start = time.monotonic()
    evaluator.loss_slopes(shares, step, images)
    times.append(time.monotonic() - start)
  return max(times[0] - min(times[1:]), 0.0), min(times[1:])


def _sample_seconds(evaluator, spec, race, count):
  """Of one of `count` samples, on average; in a race few are scored on all parts."""
  total = 0.0
  at_once = evaluator.at_once if isinstance(evaluator, SpreadingEvaluator) else 1
  for part, entrants in enumerate(race.entrants(count)) if race else [(None, count)]:
    start = time.monotonic()
    evaluator.accuracy([spec], part)  # further replicas score it again meanwhile
    total += (time.monotonic() - start) * -(-entrants // at_once) / count
  return total


def network_costs(
  bench: Workbench,
  model: SuperNetwork,
  spec: NetworkSpec,
  finetune_options: FinetuneOptions,
  teacher: Teacher | None,
  export_options: ExportOptions | None,
) -> NetworkCosts:
  """`NetworkCosts` of one stand-alone network."""
  start = time.monotonic()
  network = training_stages.cut_out(bench, model, spec)
  prepare = time.monotonic() - start
  trace, image = _evaluation(bench, network)
  recipe = recipes.finetune_recipe(bench.train_options, finetune_options)
  start = time.monotonic()
  copy = plain_training.training_copy(bench, network, spec, recipe)
  loop = plain_training.plain_loop(bench, copy, _long_enough(bench, recipe, STEPS), teacher)
  built = time.monotonic() - start
  steps = _steps(loop, bench, STEPS)
  step = _usual(steps[1:] or steps)
  with tempfile.TemporaryDirectory() as made:
    place = pathlib.Path(made)
    start = time.monotonic()
    network.save(place / "network.keras")
    prepare += time.monotonic() - start
    exports = _exports(bench, network, spec, export_options, place)
  prepare += trace + built + max(steps[0] - step, 0.0)
  return NetworkCosts(prepare=prepare, step=step, image=image, **exports)


def _evaluation(bench: Workbench, network: keras.Model) -> tuple[float, float]:
  """(seconds of the trace, seconds of an image) in Keras."""
  predict, task = keras_predictor(network), bench.task
  _, size = batches_of(bench.datasets.holdout)
  part, times = bench.datasets.holdout.take(slice(size)), []
  for _ in range(2):
    start = time.monotonic()
    measure(task, predict, part)
    times.append(time.monotonic() - start)
  return max(times[0] - times[1], 0.0), times[1] / len(part)


def _exports(bench, network, spec, options, place):
  """{cost: seconds} of the files; int8_qat without its training, mixed without single blocks."""
  plain = ExportOptions()
  found, modes = {}, {"export": ("none", plain)}
  if options and options.quantization != "none":
    mode = options.quantization
    if mode in ("int8_qat", MIXED):
      options = dataclasses.replace(options, quantization="int8", **dict.fromkeys(OF_MIXED, ""))
    modes["export_quantized"] = (mode, options)
  for cost, (mode, own) in modes.items():
    path, start = place / f"{mode}.tflite", time.monotonic()
    # Without labels the gate lets a worthless network pass: what it takes is the same.
    evidence = dataclasses.replace(
      export_stage.evidence_of(bench.task, bench.datasets), quality=lambda _: 0.0
    )
    description = export_stage.describe(
      spec.name, bench.datasets.class_names, own, bench.task.output
    )
    # An untrained network may not pass the gate; the time is spent all the same.
    with contextlib.suppress(deployment.parity.ParityError):
      deployment.export(network, path, own, evidence, description, spec)
    found[cost] = time.monotonic() - start
  part = bench.datasets.test.take(slice(FILE_IMAGES))
  start = time.monotonic()
  measure(bench.task, predictor(place / "none.tflite"), part)
  return found | {"file_image": (time.monotonic() - start) / len(part)}
