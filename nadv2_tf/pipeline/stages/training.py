"""Stages that train plain networks, most of them cut out of a larger one."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import keras

from nadv2_tf.models import slice_network
from nadv2_tf.options.finetune import FROM_FULL
from nadv2_tf.pipeline.run_folder import lineage
from nadv2_tf.pipeline.run_folder.records import NetworkMetrics
from nadv2_tf.pipeline.stages import beginning, plain_training, transfer
from nadv2_tf.pipeline.stages.recipes import finetune_recipe, imitation, is_full_first
from nadv2_tf.pipeline.stages.training_checkpoints import training_checkpoints
from nadv2_tf.resources import COUNTS
from nadv2_tf.training.network_files import load_keras, load_weights, save_atomically
from nadv2_tf.training.scoring.evaluation import keras_predictor, measure
from nadv2_tf.training.steps.distillation import Teacher

if TYPE_CHECKING:
  from collections.abc import Callable, Mapping

  import numpy as np

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.options import FinetuneOptions
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.training.checkpoints.folder import Checkpoints
  from nadv2_tf.training.checkpoints.shared import SharedCheckpoints

FOUND, FULL = "found", "full"


def cut_out(bench: Workbench, super_model: SuperNetwork, spec: NetworkSpec) -> keras.Model:
  """The sub-network as a Keras model with batch-norm statistics of its own, ready for training."""
  keras.utils.set_random_seed(bench.seed + 1)
  model = slice_network(super_model, spec)
  plain_training.recalibrate_on(bench, model)
  return model


def trained_full(
  bench: Workbench,
  super_model: SuperNetwork,
  finetune_options: FinetuneOptions,
  progress: Progress,
) -> keras.Model | None:
  """The full network, trained as others will be that begin with it or imitate it; else None.

  It is cut out of the super-network: for --order=paper, where no stage trained it before.
  """
  if not finetune_options.finetune_distillation and finetune_options.transfer not in FROM_FULL:
    return None
  full = bench.space.largest()
  return finetune(bench, super_model, full, finetune_options, FULL, progress)[0]


def _carried_over(
  bench: Workbench,
  super_model: SuperNetwork,
  spec: NetworkSpec,
  finetune_options: FinetuneOptions,
  progress: Progress,
  teacher: Teacher | None,
) -> keras.Model:
  """The found network as a Keras model with weights trained along the search's trajectory.

  Each network of it has checkpoints of its own, and a file when it is trained: a kill undoes none.
  All but the full one, with which it begins, imitate the `Teacher` if there is one.
  """
  keras.utils.set_random_seed(bench.seed + 1)
  recipe = finetune_recipe(bench.train_options, finetune_options)
  recipe = dataclasses.replace(recipe, epochs=finetune_options.transfer_epochs)
  path = transfer.trajectory(bench.folder, bench.space, spec)
  networks, begins_with = enumerate(path, start=1), lineage.of_weights(super_model)

  def train(model: keras.Model, title: str) -> None:
    number, here = next(networks)
    trained = bench.folder.transferred(number)
    what = {"recipe": recipe, "spec": here, "finetune": finetune_options}
    checkpoints = training_checkpoints(bench, title, what, progress)
    made_from = {
      "a network of the trajectory": lineage.of_spec(here),
      "trained weights": begins_with,
    }
    if trained.exists():
      lineage.check(bench.folder, trained, **made_from)
      load_weights(model, trained)
    else:
      imitated = teacher if number > 1 else None
      plain_training.train_on(bench, model, here, recipe, title, progress, checkpoints, imitated)
      lineage.note(bench.folder, trained, **made_from)
      save_atomically(model.save_weights, trained)
    checkpoints.clear()

  model = transfer.walk(super_model, path, spec, train)
  plain_training.recalibrate_on(bench, model)
  return model


def finetune(
  bench: Workbench,
  super_model: SuperNetwork,
  spec: NetworkSpec,
  finetune_options: FinetuneOptions,
  name: str,
  progress: Progress,
  full: keras.Model | None = None,
) -> tuple[keras.Model, NetworkMetrics]:
  """Cuts `spec` out, trains it on, saves it as `NAME.json` and `NAME.keras`.

  Args:
    full: the model of `trained_full`, which the network begins with or imitates.

  Returns:
    The Keras model and its metrics: quality on the test set, and on the hold-out before and after.
  """
  folder = bench.folder
  path = folder.keras(name)
  recipe = finetune_recipe(bench.train_options, finetune_options)
  what = {"recipe": recipe, "spec": spec, "finetune": finetune_options}
  all_images = with_holdout(bench) if finetune_options.finetune_holdout else bench
  checkpoints = training_checkpoints(all_images, name, what, progress)
  made_from = {
    "a network (found.json and the like)": lineage.of_spec(spec),
    "trained weights": _digest_of_beginning(finetune_options, full, super_model),
    "training images": all_images.datasets.train.digest(),
  }
  if finetune_options.finetune_distillation:
    made_from["a network that it imitates"] = lineage.of_weights(full)
  if path.exists():
    # The full network may be of the stage that trains it first.
    if name != FULL or not is_full_first(bench.train_options):
      lineage.check(folder, path, **made_from)
    progress.line(f"{name}: trained network in {path} is used")
    _clear(folder, checkpoints)
    return load_keras(path), folder.network_metrics(name)
  start = time.monotonic()
  folder.write_spec(name, spec)
  teacher = plain_training.teacher_of(bench, full, imitation(finetune_options))
  start_of = FULL if _begins_with_full(finetune_options, full) else beginning.SUPER_NETWORK
  if name == FOUND and finetune_options.transfer == "trajectory":
    model = _carried_over(bench, super_model, spec, finetune_options, progress, teacher)
  elif finetune_options.transfer == "tried" and full is not None:
    model, start_of = beginning.tried(bench, super_model, full, spec, recipe, progress, teacher)
  else:
    model = begun(bench, super_model, spec, finetune_options, full)
  predict = keras_predictor(model)
  before = measure(bench.task, predict, bench.datasets.holdout).accuracy
  title = f"fine-tune {name}"
  done = plain_training.train_on(
    all_images, model, spec, recipe, title, progress, checkpoints, teacher
  )
  folder.log_training(f"fine-tuning of the {name} network", done.reports, done.setbacks)
  seconds = {"finetune": round(time.monotonic() - start + done.seconds_before, 1)}
  metrics = record(all_images, predict, spec, name, seconds, before, start_of)
  lineage.note(folder, path, **made_from)
  save_atomically(model.save, path)
  _clear(folder, checkpoints)
  return model, metrics


def begun(
  bench: Workbench,
  super_model: SuperNetwork,
  spec: NetworkSpec,
  finetune_options: FinetuneOptions,
  full: keras.Model | None = None,
) -> keras.Model:
  """The network `spec` as its last training begins, with batch-norm statistics of its own.

  Args:
    full: the trained full network, which --transfer=full and tried cut it out of; None, and any
      other transfer: the super-network.
  """
  if not _begins_with_full(finetune_options, full):
    return cut_out(bench, super_model, spec)
  keras.utils.set_random_seed(bench.seed + 1)
  model = transfer.cut_down(full, spec)
  plain_training.recalibrate_on(bench, model)
  return model


def _begins_with_full(finetune_options: FinetuneOptions, full: keras.Model | None) -> bool:
  return full is not None and finetune_options.transfer in FROM_FULL


def _digest_of_beginning(
  finetune_options: FinetuneOptions, full: keras.Model | None, super_model: SuperNetwork
) -> Any:
  of_full, of_super = lineage.of_weights(full), lineage.of_weights(super_model)
  if finetune_options.transfer == "tried":
    return [of_full, of_super]
  return of_full if _begins_with_full(finetune_options, full) else of_super


def with_holdout(bench: Workbench) -> Workbench:
  """The workbench whose training images are the hold-out's as well: nothing is chosen any more."""
  datasets: Any = bench.datasets
  everything = dataclasses.replace(datasets, train=datasets.given_back(), holdout=None)
  return dataclasses.replace(bench, datasets=everything)


def record(
  bench: Workbench,
  predict: Callable[[np.ndarray], np.ndarray],
  spec: NetworkSpec,
  name: str,
  seconds: Mapping[str, float],
  before: float | None = None,
  begins_with: str | None = None,
) -> NetworkMetrics:
  """Measures a trained network and writes its figures down, which it returns.

  Args:
    bench: the `Workbench` that it was trained on; without a hold-out nothing is said of one.
    predict: its `keras_predictor`.
    seconds: {stage: how long it took} of what was done for this network alone.
    before: accuracy on the hold-out before the training, if it began with trained weights.
    begins_with: "full" or "super-network", whose weights these were.
  """
  metrics: dict[str, Any]
  tested, metrics = measure(bench.task, predict, bench.datasets.test), {}
  if before is not None:
    metrics |= {"holdout_accuracy_before": before, "begins_with": begins_with}
  if bench.datasets.holdout is not None:
    metrics["holdout_accuracy"] = measure(bench.task, predict, bench.datasets.holdout).accuracy
  metrics |= {
    "test_accuracy": tested.accuracy,
    "measures": tested.measures,
    **{count: int(COUNTS[count]().measure(spec)) for count in COUNTS},
    "seconds": seconds,
  }
  network = NetworkMetrics().updated(**metrics)
  lineage.note_test(bench.folder, bench.datasets.test.digest())
  bench.folder.update_metrics(networks={**bench.folder.metrics().networks, name: network})
  return network


def _clear(folder: RunFolder, checkpoints: Checkpoints | SharedCheckpoints) -> None:
  """Removes what only a training that is not over needs."""
  checkpoints.clear()
  for path in folder.path.glob(folder.transferred("*").name):
    path.unlink()
