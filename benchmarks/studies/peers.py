"""What else can be made of the trained network that a run began with: the cells of `adapted`.

Every arm begins with the run's trained full network (scratch with none), looks for a network that
is as fast as the found one on the device, and trains it as the run trained that: the same recipe,
images and teacher.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import time
from typing import TYPE_CHECKING

from nadv2_tf.benchmarks.studies.peer_networks import ARMS, Peer, Setting

if TYPE_CHECKING:
  from collections.abc import Mapping
  from typing import Any

  from nadv2_tf.options import FinetuneOptions, SearchOptions
  from nadv2_tf.training.steps.distillation import Teacher
  from nadv2_tf.types import AnyPath

#: learning rates of the training from scratch
RATES = (1e-3, 3e-3, 1e-2)


def cell(path: AnyPath) -> None:
  """Reads a job from a file and writes what came out.

  The job: "run" (the folder of a finished run), "arm" (one of `ARMS`), of scratch also "rate" and
  "holdout" (keep it out and measure on it, for the largest target alone), of NetAdaptV1 also
  "search_times" (see `Setting`), and "result", the file to write: {folder of a target:
  {"test_accuracy", "macs", "spec", "seconds"}}.
  """
  job = json.loads(pathlib.Path(path).read_text())
  setting = opened(job["run"])._replace(search_times=job.get("search_times", 1.0))
  begun = time.monotonic()
  peers = ARMS[job["arm"]](setting)
  searched = time.monotonic() - begun
  if job.get("holdout"):
    peers = dict(list(peers.items())[:1])
  result = {
    place: _trained(setting, peer, job) | {"search_seconds": searched}
    for place, peer in peers.items()
  }
  pathlib.Path(job["result"]).write_text(json.dumps(result))


def times(path: AnyPath) -> None:
  """Times networks in turns.

  The job: "run", "specs" (JSON texts) and "result", the file to write: {"milliseconds": [...]}.
  """
  from nadv2_tf.benchmarks.tables.meter import DeviceMeter
  from nadv2_tf.pipeline.aim.device import device_of, network_timing
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.resources.latency_table import LatencyTable
  from nadv2_tf.spec import NetworkSpec

  job = json.loads(pathlib.Path(path).read_text())
  options, folder = _options(job["run"])[1], RunFolder(job["run"])
  form = None  # a run for a count has no table that knows faster forms
  if folder.latency_table.exists():
    form = LatencyTable.from_csv(folder.latency_table).fastest_form
  with device_of(options) as device:
    settings = network_timing(options, device, runs=100, repeats=7)
    meter = DeviceMeter(device, settings, form)
    measured = meter.measure_all([NetworkSpec.from_json(text) for text in job["specs"]])
  pathlib.Path(job["result"]).write_text(json.dumps({"milliseconds": measured}))


def _options(run: AnyPath) -> tuple[FinetuneOptions, SearchOptions]:
  from nadv2_tf.options import FinetuneOptions, NetworkOptions, SearchOptions
  from nadv2_tf.options.settled import settled_finetune
  from nadv2_tf.pipeline.run_folder.folder import RunFolder

  folder = RunFolder(run)
  finetune = settled_finetune(
    folder.options("network", NetworkOptions), folder.options("finetune", FinetuneOptions)
  )
  return finetune, folder.options("search", SearchOptions)


def opened(run: AnyPath) -> Setting:
  """A finished run's folder; starts TensorFlow as the run did."""
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.stages import workbench
  from nadv2_tf.programs import threads
  from nadv2_tf.programs.start import start_tensorflow
  from nadv2_tf.training.network_files import load_keras

  start_tensorflow(threads=threads.of_folder(run))
  folder, bench = RunFolder(run), workbench.reopen_workbench(run)
  return Setting(
    folder, bench, *_options(run), load_keras(folder.keras("full")), bench.network_options.seed
  )


def _trained(setting: Setting, peer: Peer, job: Mapping[str, Any]) -> dict[str, Any]:
  """Trains a peer as the run trained its found network, and measures it."""
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages import plain_training
  from nadv2_tf.pipeline.stages import training as training_stages
  from nadv2_tf.pipeline.stages.recipes import finetune_recipe, imitation
  from nadv2_tf.training.scoring.evaluation import keras_predictor, measure

  bench, begun = setting.bench, time.monotonic()
  there = bench if job.get("holdout") else training_stages.with_holdout(bench)
  recipe = finetune_recipe(bench.train_options, setting.finetune)
  teacher: Teacher | None = None
  if job["arm"] == "scratch":
    recipe = dataclasses.replace(recipe, learning_rate=job["rate"])
  else:
    teacher = plain_training.teacher_of(bench, setting.full, imitation(setting.finetune))
  predict = keras_predictor(peer.model)
  before = measure(bench.task, predict, bench.datasets.holdout).accuracy
  plain_training.train_on(
    there, peer.model, peer.spec, recipe, job["arm"], Progress(), None, teacher
  )
  result = {
    "holdout_accuracy_before": before,
    "test_accuracy": measure(bench.task, predict, bench.datasets.test).accuracy,
    "macs": int(peer.spec.macs()),
    "spec": peer.spec.to_json(),
    "seconds": time.monotonic() - begun,
  }
  if job.get("holdout"):
    result["holdout_accuracy"] = measure(bench.task, predict, bench.datasets.holdout).accuracy
  return result
