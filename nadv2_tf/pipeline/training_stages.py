"""Stages that train: the super-network, and networks cut out of it."""

import dataclasses
import time

import keras

from nadv2_tf import backbones
from nadv2_tf.models import slice_network, super_network
from nadv2_tf.pipeline.data import make_task
from nadv2_tf.pipeline.folder import RunFolder
from nadv2_tf.pipeline.options import NetworkOptions, TrainOptions
from nadv2_tf.resources import COUNTS
from nadv2_tf.training.evaluation import evaluate, keras_predictor
from nadv2_tf.training.gradients import check_execution
from nadv2_tf.training.loop import TrainingDiverged, TrainingLoop
from nadv2_tf.training.recalibration import recalibrate
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.strategy import make_strategy
from nadv2_tf.training.widths import WidthSampler

RECALIBRATION_IMAGES = 1024


@dataclasses.dataclass(frozen=True)
class Workbench:
  """What every stage of one run works with."""

  folder: object
  space: object
  task: object
  datasets: object
  network_options: object
  train_options: object

  @property
  def seed(self):
    return self.network_options.seed


def make_workbench(folder, network_options, train_options):
  """Reads the data and builds the search space.

  Raises:
    ValueError: one line, if an option or the data cannot be used.
  """
  size = network_options.image_size or _default_size(network_options.backbone)
  task = make_task(network_options, size, train_options.label_smoothing)
  datasets = task.datasets()
  space = backbones.search_space(
    network_options.backbone,
    input_shape=(size, size, datasets.train.images.shape[-1]),
    classes=len(datasets.class_names),
  )
  return Workbench(folder, space, task, datasets, network_options, train_options)


def reopen_workbench(path):
  """The workbench of a run that an earlier command started.

  Raises:
    ValueError: if the folder holds no run.
  """
  folder = RunFolder(path)
  return make_workbench(
    folder, folder.options("network", NetworkOptions), folder.options("train", TrainOptions)
  )


def _default_size(backbone):
  return backbones.search_space(backbone).largest().input_shape[0]


def _batch_norm_groups(options):
  """One group of images per sub-network; every image its own is the paper's mixture."""
  groups = options.subnetworks_per_batch
  return 1 if groups == options.batch_size else groups


def super_recipe(options):
  return Recipe(
    options.epochs,
    options.batch_size,
    options.optimizer,
    options.learning_rate,
    options.schedule,
    weight_decay=options.weight_decay,
  )


def check_recipes(bench, finetune_options=None):
  """Raises ValueError for settings that training would trip over only later."""
  examples = len(bench.datasets.train)
  super_recipe(bench.train_options).steps(examples)
  check_execution(bench.train_options.execution, _sampler(bench))
  if finetune_options:
    finetune_recipe(bench.train_options, finetune_options).steps(examples)


def recalibrate_on(bench, model):
  """Gives a network that was just cut out batch-norm statistics of its own."""
  recalibrate(model, bench.datasets.train.take(slice(RECALIBRATION_IMAGES)))


def _sampler(bench):
  options = bench.train_options
  steps_per_epoch = len(bench.datasets.train) // options.batch_size
  return WidthSampler(
    bench.space,
    options.batch_size,
    options.subnetworks_per_batch,
    options.full_subnetworks,
    full_steps=round(options.full_epochs * steps_per_epoch),
    size_noise=options.size_noise,
    seed=bench.seed,
  )


def train_super_network(bench, progress):
  """Trains the super-network, or reads its weights if an earlier run saved them.

  Raises:
    TrainingDiverged: if the loss is not finite; the last good weights are saved.
  """
  options = bench.train_options
  recipe = super_recipe(options)
  strategy = make_strategy(options.strategy)
  keras.utils.set_random_seed(bench.seed)
  with strategy.scope():
    model = super_network(bench.space, groups=_batch_norm_groups(options))
  weights = bench.folder.super_weights
  if weights.exists():
    progress.line(f"super-network: trained weights in {weights} are used")
    model.load_weights(weights)
    return model
  start = time.monotonic()
  loop = TrainingLoop(
    model, bench.task, recipe, _sampler(bench), strategy, bench.seed, options.execution
  )
  try:
    reports = _run(loop, bench.datasets.train, progress, "super-network", recipe)
  except TrainingDiverged as error:
    model.save_weights(bench.folder.last_good_weights)
    raise TrainingDiverged(f"{error} They are in {bench.folder.last_good_weights}.") from None
  _save_weights(model, weights)
  bench.folder.log_training("super-network", reports)
  bench.folder.update_metrics(seconds={"train": time.monotonic() - start})
  return model


def _save_weights(model, path):
  """Writes the weights under another name first: a killed run leaves no half file."""
  temporary = path.with_name(f"partial_{path.name}")
  model.save_weights(temporary)
  temporary.replace(path)


def _run(loop, examples, progress, title, recipe):
  steps = recipe.steps(len(examples))
  with progress.bar(title, steps * recipe.batch_size, "images") as bar:
    return loop.run(
      examples,
      lambda item: bar(item.images, f"loss {item.loss:.3f}, accuracy {item.accuracy:.3f}"),
    )


def finetune_recipe(train_options, finetune_options):
  return Recipe(
    finetune_options.finetune_epochs,
    train_options.batch_size,
    train_options.optimizer,
    finetune_options.finetune_learning_rate,
    train_options.schedule,
    weight_decay=train_options.weight_decay,
  )


def finetune(bench, super_model, spec, finetune_options, name, progress):
  """Cuts `spec` out, trains it on, saves it as `NAME.json` and `NAME.keras`.

  Returns:
    The Keras model and its metrics: test accuracy, and on the hold-out before and after.
  """
  folder = bench.folder
  path = folder.keras(name)
  folder.write_spec(name, spec)
  if path.exists():
    progress.line(f"{name}: trained network in {path} is used")
    return keras.saving.load_model(path, safe_mode=True), folder.metrics()["networks"][name]
  start = time.monotonic()
  keras.utils.set_random_seed(bench.seed + 1)
  model = slice_network(super_model, spec)
  recalibrate_on(bench, model)
  classes = len(bench.datasets.class_names)
  before = evaluate(keras_predictor(model), bench.datasets.holdout, classes).accuracy
  recipe = finetune_recipe(bench.train_options, finetune_options)
  loop = TrainingLoop(model, bench.task, recipe, seed=bench.seed + 1)
  title = f"fine-tuning of the {name} network"
  folder.log_training(
    title, _run(loop, bench.datasets.train, progress, f"fine-tune {name}", recipe)
  )
  predict = keras_predictor(model)
  metrics = {
    "holdout_accuracy_before": before,
    "holdout_accuracy": evaluate(predict, bench.datasets.holdout, classes).accuracy,
    "test_accuracy": evaluate(predict, bench.datasets.test, classes).accuracy,
    **{name: int(COUNTS[name]().measure(spec)) for name in COUNTS},
    "seconds": {"finetune": round(time.monotonic() - start, 1)},
  }
  temporary = path.with_name(f"partial_{path.name}")
  model.save(temporary)
  folder.update_metrics(
    networks=folder.metrics().get("networks", {}) | {name: metrics},
  )
  temporary.replace(path)
  return model, metrics
