"""One training from scratch for a given time: a cell of `worth`."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.search import ResourceMeter
  from nadv2_tf.spec import NetworkSpec, SearchSpace
  from nadv2_tf.training.recipe import Recipe
  from nadv2_tf.types import AnyPath

START = time.monotonic()  # libraries count, as they do in a run

#: steps that say how long one takes; the first few trace and warm up
PROBE, WARM = 60, 10


def cell(path: AnyPath) -> None:
  """Reads a job from a file and writes what came out.

  The job: "run" (a finished run's folder), "arm" ("found": its network, or "uniform": the scaled
  one of that resource), "seed", "rate", "seconds", "holdout" (keep it out, and measure on it) and
  "result", the file to write.
  """
  job = json.loads(pathlib.Path(path).read_text())
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.stages import plain_training, workbench
  from nadv2_tf.pipeline.stages import training as training_stages
  from nadv2_tf.programs import threads
  from nadv2_tf.programs.start import start_tensorflow

  start_tensorflow(threads=threads.of_folder(job["run"]))
  import keras

  from nadv2_tf.models import stand_alone
  from nadv2_tf.search.uniform import scaled_to
  from nadv2_tf.training.recalibration import recent_averages
  from nadv2_tf.training.recipe import Recipe
  from nadv2_tf.training.scoring.evaluation import keras_predictor, measure

  folder = RunFolder(job["run"])
  bench = workbench.reopen_workbench(job["run"])
  bench = dataclasses.replace(
    bench, network_options=dataclasses.replace(bench.network_options, seed=job["seed"])
  )
  spec = folder.read_spec("found")
  if job["arm"] == "uniform":
    meter = meter_of(folder, bench.space)
    spec = scaled_to(bench.space, meter.measure, meter.measure(spec))
  there = bench if job["holdout"] else training_stages.with_holdout(bench)
  images, options = len(there.datasets.train), bench.train_options
  recipe = Recipe(
    1, options.batch_size, "adam", job["rate"], weight_decay=0.0, mirror=options.mirror
  )
  started = time.monotonic() - START  # the probe is not counted
  trace, step = _seconds_of_step(there, spec, recipe)
  steps = max(int((job["seconds"] - started - trace) / step), 1)
  recipe = dataclasses.replace(recipe, epochs=steps / (images // options.batch_size))
  keras.utils.set_random_seed(job["seed"])
  model, begun = stand_alone(spec), time.monotonic()
  loop = plain_training.plain_loop(there, model, recipe)
  with recent_averages(model, steps):
    loop.run(there.datasets.train)
  result = {
    "seconds": started + time.monotonic() - begun,
    "epochs": recipe.epochs,
    "test_accuracy": measure(bench.task, keras_predictor(model), bench.datasets.test).accuracy,
  }
  if job["holdout"]:
    predict = keras_predictor(model)
    result["holdout_accuracy"] = measure(bench.task, predict, bench.datasets.holdout).accuracy
  pathlib.Path(job["result"]).write_text(json.dumps(result))


def meter_of(folder: RunFolder, space: SearchSpace) -> ResourceMeter:
  """What the run of a folder searched with.

  Raises:
    ValueError: if that is a device, which the study's runs have a table of.
  """
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.aim.metric import metric_of

  metric = metric_of(folder.options("search", SearchOptions))
  if metric.is_timed:
    raise ValueError(f"{folder.path} is of a run without --device=table:FILE.")
  return metric.meter(space, folder)


def _seconds_of_step(bench: Workbench, spec: NetworkSpec, recipe: Recipe) -> tuple[float, float]:
  """(seconds until a training's first step is done, of each later one)."""
  from nadv2_tf.models import stand_alone
  from nadv2_tf.pipeline.stages import plain_training

  begun, times = time.monotonic(), []
  epochs = PROBE / (len(bench.datasets.train) // recipe.batch_size)
  loop = plain_training.plain_loop(
    bench, stand_alone(spec), dataclasses.replace(recipe, epochs=epochs)
  )
  loop.run(bench.datasets.train, lambda _: times.append(time.monotonic()), report_every=1)
  gaps = [b - a for a, b in zip(times[WARM:], times[WARM + 1 :], strict=False)]
  return times[0] - begun, statistics.mean(gaps)
