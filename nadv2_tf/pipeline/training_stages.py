"""Stages that train: the super-network, and networks cut out of it."""

import dataclasses
import importlib.metadata
import json
import time
import zlib

import keras

from nadv2_tf import backbones
from nadv2_tf.models import slice_network, super_network
from nadv2_tf.pipeline.data import make_task
from nadv2_tf.pipeline.folder import RunFolder
from nadv2_tf.pipeline.options import DEFAULT_CHECKPOINTS, NetworkOptions, TrainOptions
from nadv2_tf.resources import COUNTS
from nadv2_tf.training.checkpoints import Checkpoints
from nadv2_tf.training.evaluation import evaluate, keras_predictor
from nadv2_tf.training.gradients import check_execution
from nadv2_tf.training.loop import TrainingDiverged, TrainingLoop
from nadv2_tf.training.network_files import load_keras, load_weights, save_atomically
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
  checkpoint_options: object = DEFAULT_CHECKPOINTS

  @property
  def seed(self):
    return self.network_options.seed


def make_workbench(folder, network_options, train_options, checkpoint_options=DEFAULT_CHECKPOINTS):
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
  return Workbench(
    folder, space, task, datasets, network_options, train_options, checkpoint_options
  )


def reopen_workbench(path, checkpoint_options=DEFAULT_CHECKPOINTS):
  """The workbench of a run that an earlier command started.

  Raises:
    ValueError: if the folder holds no run.
  """
  folder = RunFolder(path)
  return make_workbench(
    folder,
    folder.options("network", NetworkOptions),
    folder.options("train", TrainOptions),
    checkpoint_options,
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
    ema=options.ema,
  )


def check_recipes(bench, finetune_options=None):
  """Raises ValueError for settings that training would trip over only later."""
  examples = len(bench.datasets.train)
  options = bench.train_options
  super_recipe(options).steps(examples)
  check_execution(options.execution, _sampler(bench), options.distillation)
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
    smallest=options.smallest_subnetworks,
    own_kernels=options.own_kernels,
  )


def train_super_network(bench, progress):
  """Trains the super-network, or reads its weights if an earlier run saved them.

  Raises:
    TrainingDiverged: if it does even with half the learning rate; the last good weights are saved.
    CheckpointError: if there are checkpoints, and none can be used.
    Stopped: when what is needed to go on is saved.
  """
  options = bench.train_options
  recipe = super_recipe(options)
  strategy = make_strategy(options.strategy)
  keras.utils.set_random_seed(bench.seed)
  with strategy.scope():
    model = super_network(bench.space, groups=_batch_norm_groups(options))
  weights, title = bench.folder.super_weights, "super-network"
  checkpoints = training_checkpoints(bench, title, {"recipe": recipe}, progress)
  if weights.exists():
    progress.line(f"super-network: trained weights in {weights} are used")
    load_weights(model, weights)
    checkpoints.clear()
    return model
  loop = TrainingLoop(
    model,
    bench.task,
    recipe,
    _sampler(bench),
    strategy,
    bench.seed,
    options.execution,
    options.distillation,
  )
  try:
    reports = _run(loop, bench.datasets.train, progress, title, recipe, checkpoints)
  except TrainingDiverged as error:
    save_atomically(model.save_weights, bench.folder.last_good_weights)
    raise TrainingDiverged(f"{error} They are in {bench.folder.last_good_weights}.") from None
  # The weights come last: they are what says that this stage is over.
  log = {title: [dataclasses.asdict(item) for item in reports]}
  if loop.state.setbacks:
    log["setbacks"] = loop.state.setbacks
  bench.folder.write_json(bench.folder.training_log, log)
  bench.folder.update_metrics(seconds={"train": loop.state.seconds})
  save_atomically(model.save_weights, weights)
  checkpoints.clear()
  return model


def training_checkpoints(bench, title, what, progress):
  """The `Checkpoints` of one training of a run.

  Args:
    title: of the training; names their folder.
    what: {name: dataclass} that says, beside the options of the run, what is trained.
  """
  labels = bench.datasets.train.labels
  about = {
    "version": importlib.metadata.version("nadv2-tf"),
    "network": dataclasses.asdict(bench.network_options),
    "train": dataclasses.asdict(bench.train_options),
    "data": {"training images": len(labels), "their labels": zlib.crc32(labels.tobytes())},
    **{name: dataclasses.asdict(value) for name, value in what.items()},
  }
  options = bench.checkpoint_options
  return Checkpoints(
    bench.folder.checkpoints(title),
    json.loads(json.dumps(about)),
    options.keep_checkpoints,
    options.checkpoint_every,
    lambda text: progress.line(f"  {title}: {text}"),
  )


def _run(loop, examples, progress, title, recipe, checkpoints):
  steps = recipe.steps(len(examples))
  with progress.bar(title, steps * recipe.batch_size, "images") as bar:
    return loop.run(
      examples,
      lambda item: bar(item.images, f"loss {item.loss:.3f}, accuracy {item.accuracy:.3f}"),
      checkpoints=checkpoints,
    )


def finetune_recipe(train_options, finetune_options):
  return Recipe(
    finetune_options.finetune_epochs,
    train_options.batch_size,
    train_options.optimizer,
    finetune_options.finetune_learning_rate,
    train_options.schedule,
    weight_decay=train_options.weight_decay,
    ema=train_options.ema,
  )


def cut_out(bench, super_model, spec):
  """The sub-network as a Keras model with batch-norm statistics of its own, ready for training."""
  keras.utils.set_random_seed(bench.seed + 1)
  model = slice_network(super_model, spec)
  recalibrate_on(bench, model)
  return model


def train_on(bench, model, recipe, title, progress, checkpoints=None):
  """Trains a network that was cut out; without `Checkpoints` a kill undoes all of it."""
  loop = TrainingLoop(model, bench.task, recipe, seed=bench.seed + 1)
  _run(loop, bench.datasets.train, progress, title, recipe, checkpoints)


def finetune(bench, super_model, spec, finetune_options, name, progress):
  """Cuts `spec` out, trains it on, saves it as `NAME.json` and `NAME.keras`.

  Returns:
    The Keras model and its metrics: test accuracy, and on the hold-out before and after.
  """
  folder = bench.folder
  path = folder.keras(name)
  folder.write_spec(name, spec)
  recipe = finetune_recipe(bench.train_options, finetune_options)
  checkpoints = training_checkpoints(bench, name, {"recipe": recipe, "spec": spec}, progress)
  if path.exists():
    progress.line(f"{name}: trained network in {path} is used")
    checkpoints.clear()
    return load_keras(path), folder.network_metrics(name)
  start = time.monotonic()
  model = cut_out(bench, super_model, spec)
  classes = len(bench.datasets.class_names)
  before = evaluate(keras_predictor(model), bench.datasets.holdout, classes).accuracy
  train_on(bench, model, recipe, f"fine-tune {name}", progress, checkpoints)
  predict = keras_predictor(model)
  metrics = {
    "holdout_accuracy_before": before,
    "holdout_accuracy": evaluate(predict, bench.datasets.holdout, classes).accuracy,
    "test_accuracy": evaluate(predict, bench.datasets.test, classes).accuracy,
    **{name: int(COUNTS[name]().measure(spec)) for name in COUNTS},
    "seconds": {"finetune": round(time.monotonic() - start, 1)},
  }
  folder.update_metrics(
    networks=folder.metrics().get("networks", {}) | {name: metrics},
  )
  save_atomically(model.save, path)
  checkpoints.clear()
  return model, metrics
