"""Stages that train: the super-network, and networks cut out of it."""

import dataclasses
import time

import keras

from nadv2_tf import backbones
from nadv2_tf.models import slice_network, stand_alone, super_network
from nadv2_tf.pipeline import workers
from nadv2_tf.pipeline.data import make_task
from nadv2_tf.pipeline.folder import RunFolder
from nadv2_tf.pipeline.options import NetworkOptions, TrainOptions
from nadv2_tf.pipeline.recipes import finetune_recipe, super_recipe
from nadv2_tf.resources import COUNTS
from nadv2_tf.training import strategies
from nadv2_tf.training.evaluation import evaluate, keras_predictor
from nadv2_tf.training.execution import check_execution
from nadv2_tf.training.loop import TrainingDiverged, TrainingLoop
from nadv2_tf.training.precision import computing_in
from nadv2_tf.training.recalibration import recalibrate
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
  strategy: object

  @property
  def seed(self):
    return self.network_options.seed


def make_workbench(folder, network_options, train_options, strategy=None):
  """Reads the data and builds the search space.

  Args:
    folder: the `RunFolder`; workers other than the chief get one of their own.
    network_options, train_options: the option groups.
    strategy: if it was made already; None makes that of `train_options`.

  Raises:
    ValueError: one line, if an option or the data cannot be used.
  """
  if strategy is None:
    strategy = strategies.make_strategy(train_options.strategy)
    folder = workers.own_folder(strategy, folder)
  size = network_options.image_size or _default_size(network_options.backbone)
  task = make_task(network_options, size, train_options.label_smoothing, train_options.augmentation)
  datasets = task.datasets()
  space = backbones.search_space(
    network_options.backbone,
    input_shape=(size, size, datasets.train.image_shape[-1]),
    classes=len(datasets.class_names),
  )
  bench = Workbench(folder, space, task, datasets, network_options, train_options, strategy)
  workers.check_same_run(strategy, bench)
  return bench


def reopen_workbench(path, strategy="auto"):
  """The workbench of a run that an earlier command started.

  Args:
    path: of the run.
    strategy: name of the one to go on with.

  Raises:
    ValueError: if the folder holds no run.
  """
  strategy = strategies.make_strategy(strategy)
  folder = workers.own_folder(strategy, RunFolder(path))
  network, train = folder.options("network", NetworkOptions), folder.options("train", TrainOptions)
  return make_workbench(folder, network, train, strategy)


def _default_size(backbone):
  return backbones.search_space(backbone).largest().input_shape[0]


def check_recipes(bench, finetune_options=None):
  """Raises ValueError for settings that training would trip over only later."""
  examples = len(bench.datasets.train)
  options = bench.train_options
  super_recipe(options).steps(examples)
  check_execution(
    options.execution,
    _sampler(bench),
    options.distillation,
    options.jit_compile,
    options.mixed_precision,
  )
  strategies.check_replicas(
    bench.strategy, options.batch_size, options.subnetworks_per_batch, options.execution
  )
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
    TrainingDiverged: if the loss is not finite; the last good weights are saved.
  """
  options = bench.train_options
  recipe = super_recipe(options)
  keras.utils.set_random_seed(bench.seed)
  form = strategies.batch_norm_form(
    bench.strategy, options.batch_size, options.subnetworks_per_batch
  )
  with bench.strategy.scope(), computing_in(options.mixed_precision):
    model = super_network(bench.space, stochastic_depth=recipe.stochastic_depth, **form)
  weights = bench.folder.super_weights
  if weights.exists():
    progress.line(f"super-network: trained weights in {weights} are used")
    model.load_weights(weights)
    return model
  start = time.monotonic()
  loop = TrainingLoop(
    model,
    bench.task,
    recipe,
    _sampler(bench),
    bench.strategy,
    bench.seed,
    options.execution,
    options.distillation,
    options.jit_compile,
  )
  try:
    reports = _run(loop, bench.datasets.train, progress, "super-network", recipe)
  except TrainingDiverged as error:
    model.save_weights(bench.folder.last_good_weights)
    raise TrainingDiverged(f"{error} They are in {bench.folder.last_good_weights}.") from None
  _save_weights(model, weights)
  bench.folder.write_json(
    bench.folder.training_log, {"super-network": [dataclasses.asdict(item) for item in reports]}
  )
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


def _training_copy(bench, model, spec, recipe):
  """`model` as it is to be trained: on all replicas, in mixed precision, with stochastic depth.

  The file that is kept holds none of them: it is a plain float32 network.
  """
  replicas = bench.strategy.num_replicas_in_sync
  precision, rate = recipe.mixed_precision, recipe.stochastic_depth
  if replicas == 1 and precision == "none" and not rate:
    return model
  with bench.strategy.scope(), computing_in(precision):
    copy = stand_alone(spec, rate)
  for layer in copy.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
      layer.synchronized = replicas > 1
  copy.set_weights(model.get_weights())
  return copy


def cut_out(bench, super_model, spec):
  """The sub-network as a Keras model with batch-norm statistics of its own, ready for training."""
  keras.utils.set_random_seed(bench.seed + 1)
  model = slice_network(super_model, spec)
  recalibrate_on(bench, model)
  return model


def train_on(bench, model, spec, recipe, title, progress):
  """Trains a network that was cut out, the sub-network `spec`."""
  trained = _training_copy(bench, model, spec, recipe)
  loop = TrainingLoop(
    trained,
    bench.task,
    recipe,
    strategy=bench.strategy,
    seed=bench.seed + 1,
    jit_compile=bench.train_options.jit_compile,
  )
  _run(loop, bench.datasets.train, progress, title, recipe)
  if trained is not model:
    model.set_weights(trained.get_weights())


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
  model = cut_out(bench, super_model, spec)
  classes = len(bench.datasets.class_names)
  before = evaluate(keras_predictor(model), bench.datasets.holdout, classes).accuracy
  recipe = finetune_recipe(bench.train_options, finetune_options)
  train_on(bench, model, spec, recipe, f"fine-tune {name}", progress)
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
