"""Stages that train: the super-network, and networks cut out of it."""

import contextlib
import dataclasses
import time

import keras

from nadv2_tf.models import slice_network, stand_alone, super_network
from nadv2_tf.models.parts.names import layer_name
from nadv2_tf.pipeline import encoder_weights, transfer
from nadv2_tf.pipeline.recipes import finetune_recipe, super_recipe, width_sampler
from nadv2_tf.pipeline.training_checkpoints import training_checkpoints
from nadv2_tf.resources import COUNTS
from nadv2_tf.training import strategies
from nadv2_tf.training.distillation import Teacher
from nadv2_tf.training.evaluation import keras_predictor, measure
from nadv2_tf.training.loop import TrainingDiverged, TrainingLoop
from nadv2_tf.training.network_files import load_keras, load_weights, save_atomically
from nadv2_tf.training.precision import computing_in
from nadv2_tf.training.recalibration import recalibrate, recent_averages

RECALIBRATION_IMAGES = 1024
FOUND, FULL = "found", "full"


def recalibrate_on(bench, model):
  """Gives a network that was just cut out batch-norm statistics of its own."""
  recalibrate(model, bench.datasets.train.take(slice(RECALIBRATION_IMAGES)))


def train_super_network(bench, progress, beside=lambda model: contextlib.nullcontext()):
  """Trains the super-network, or reads its weights if an earlier run saved them.

  While it trains, the context manager `beside(model)` is entered.

  Raises:
    TrainingDiverged: if it does even with half the learning rate; the last good weights are saved.
    CheckpointError: if there are checkpoints, and none can be used.
    Stopped: when what is needed to go on is saved.
  """
  recipe = super_recipe(bench.train_options)
  keras.utils.set_random_seed(bench.seed)
  model = new_super_network(bench, recipe)
  weights, title = bench.folder.super_weights, "super-network"
  checkpoints = training_checkpoints(bench, title, {"recipe": recipe}, progress)
  if weights.exists():
    progress.line(f"super-network: trained weights in {weights} are used")
    load_weights(model, weights)
    checkpoints.clear()
    return model
  _prepare(bench, model, progress)
  loop = super_loop(bench, model, recipe, width_sampler(bench))
  try:
    with beside(model):
      reports = _run(bench, loop, progress, title, recipe, checkpoints)
  except TrainingDiverged as error:
    save_atomically(model.save_weights, bench.folder.last_good_weights)
    raise TrainingDiverged(f"{error} They are in {bench.folder.last_good_weights}.") from None
  # The weights come last: they are what says that this stage is over.
  bench.folder.log_training(title, reports, loop.state.setbacks)
  bench.folder.update_metrics(seconds={"train": loop.state.seconds})
  save_atomically(model.save_weights, weights)
  checkpoints.clear()
  return model


def new_super_network(bench, recipe):
  """An untrained one, in the strategy's scope."""
  options = bench.train_options
  form = strategies.batch_norm_form(
    bench.strategy, options.batch_size, options.subnetworks_per_batch
  )
  with bench.strategy.scope(), computing_in(options.mixed_precision):
    return super_network(bench.space, stochastic_depth=recipe.stochastic_depth, **form)


def super_loop(bench, model, recipe, sampler):
  """The `TrainingLoop` of the super-network."""
  options = bench.train_options
  how = (options.execution, options.distillation, options.jit_compile)
  return TrainingLoop(model, bench.task, recipe, sampler, bench.strategy, bench.seed, *how)


def _prepare(bench, model, progress):
  """What is known before training: an encoder's trained weights, and the usual outputs."""
  path = bench.train_options.encoder_weights
  if path:
    taken = encoder_weights.load(path, model, bench.datasets.train)
    progress.line(f"super-network: {taken} layers start with the weights in {path}")
  usual = bench.task.usual_outputs(bench.datasets.train)
  if usual:
    last = len(bench.space.network.blocks) - 1
    norm = model.get_layer(layer_name(last, "filters")).norm
    norm.beta.assign([usual[0]])
    norm.gamma.assign([usual[1]])


def _run(bench, loop, progress, title, recipe, checkpoints):
  examples, quality = bench.datasets.train, bench.task.quality_name
  steps = recipe.steps(len(examples))
  with progress.bar(title, steps * recipe.batch_size, "images") as bar:
    return loop.run(
      examples,
      lambda item: bar(item.images, f"loss {item.loss:.3f}, {quality} {item.accuracy:.3f}"),
      checkpoints=checkpoints,
    )


def cut_out(bench, super_model, spec):
  """The sub-network as a Keras model with batch-norm statistics of its own, ready for training."""
  keras.utils.set_random_seed(bench.seed + 1)
  model = slice_network(super_model, spec)
  recalibrate_on(bench, model)
  return model


def train_on(bench, model, spec, recipe, title, progress, checkpoints=None, teacher=None):
  """Trains the network `spec`, cut out; without `Checkpoints` a kill undoes all of it.

  It imitates the `Teacher` if there is one.

  Returns:
    The `TrainingState` of its end.
  """
  trained = training_copy(bench, model, spec, recipe)
  loop = plain_loop(bench, trained, recipe, teacher)
  with recent_averages(trained, recipe.steps(len(bench.datasets.train))):
    _run(bench, loop, progress, title, recipe, checkpoints)
  if trained is not model:
    model.set_weights(trained.get_weights())
  return loop.state


def plain_loop(bench, model, recipe, teacher=None):
  """The `TrainingLoop` of a network that was cut out."""
  return TrainingLoop(
    model,
    bench.task,
    recipe,
    strategy=bench.strategy,
    seed=bench.seed + 1,
    jit_compile=bench.train_options.jit_compile,
    teacher=teacher,
  )


def training_copy(bench, model, spec, recipe):
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


def trained_full(bench, super_model, finetune_options, progress):
  """The full network, trained as others will be that begin with it or imitate it; else None."""
  if not finetune_options.finetune_distillation and finetune_options.transfer != "full":
    return None
  full = bench.space.largest()
  return finetune(bench, super_model, full, finetune_options, FULL, progress)[0]


def teacher_of(bench, full, share):
  """`Teacher` with the weights of a full network, or None if it has no share in the loss."""
  if full is None or not share:
    return None
  with bench.strategy.scope():
    model = stand_alone(bench.space.largest())
  model.set_weights(full.get_weights())
  return Teacher(model, share)


def _carried_over(bench, super_model, spec, finetune_options, progress, teacher):
  """The found network as a Keras model with weights trained along the search's trajectory.

  Each network of it has checkpoints of its own, and a file when it is trained: a kill undoes none.
  All but the full one, with which it begins, imitate the `Teacher` if there is one.
  """
  keras.utils.set_random_seed(bench.seed + 1)
  recipe = finetune_recipe(bench.train_options, finetune_options)
  recipe = dataclasses.replace(recipe, epochs=finetune_options.transfer_epochs)
  path = transfer.trajectory(bench.folder, bench.space, spec)
  networks = enumerate(path, start=1)

  def train(model, title):
    number, here = next(networks)
    trained = bench.folder.transferred(number)
    what = {"recipe": recipe, "spec": here, "finetune": finetune_options}
    checkpoints = training_checkpoints(bench, title, what, progress)
    if trained.exists():
      load_weights(model, trained)
    else:
      imitated = teacher if number > 1 else None
      train_on(bench, model, here, recipe, title, progress, checkpoints, imitated)
      save_atomically(model.save_weights, trained)
    checkpoints.clear()

  model = transfer.walk(super_model, path, spec, train)
  recalibrate_on(bench, model)
  return model


def finetune(bench, super_model, spec, finetune_options, name, progress, full=None):
  """Cuts `spec` out, trains it on, saves it as `NAME.json` and `NAME.keras`.

  Args:
    full: the model of `trained_full`, which the network begins with or imitates.

  Returns:
    The Keras model and its metrics: quality on the test set, and on the hold-out before and after.
  """
  folder = bench.folder
  path = folder.keras(name)
  folder.write_spec(name, spec)
  recipe = finetune_recipe(bench.train_options, finetune_options)
  what = {"recipe": recipe, "spec": spec, "finetune": finetune_options}
  checkpoints = training_checkpoints(bench, name, what, progress)
  if path.exists():
    progress.line(f"{name}: trained network in {path} is used")
    _clear(folder, checkpoints)
    return load_keras(path), folder.network_metrics(name)
  start = time.monotonic()
  teacher = teacher_of(bench, full, finetune_options.finetune_distillation)
  if name == FOUND and finetune_options.transfer == "trajectory":
    model = _carried_over(bench, super_model, spec, finetune_options, progress, teacher)
  elif full is not None and finetune_options.transfer == "full":
    keras.utils.set_random_seed(bench.seed + 1)
    model = transfer.cut_down(full, spec)
    recalibrate_on(bench, model)
  else:
    model = cut_out(bench, super_model, spec)
  predict = keras_predictor(model)
  before = measure(bench.task, predict, bench.datasets.holdout).accuracy
  done = train_on(bench, model, spec, recipe, f"fine-tune {name}", progress, checkpoints, teacher)
  folder.log_training(f"fine-tuning of the {name} network", done.reports, done.setbacks)
  tested = measure(bench.task, predict, bench.datasets.test)
  metrics = {
    "holdout_accuracy_before": before,
    "holdout_accuracy": measure(bench.task, predict, bench.datasets.holdout).accuracy,
    "test_accuracy": tested.accuracy,
    "measures": tested.measures,
    **{name: int(COUNTS[name]().measure(spec)) for name in COUNTS},
    "seconds": {"finetune": round(time.monotonic() - start, 1)},
  }
  folder.update_metrics(
    networks=folder.metrics().get("networks", {}) | {name: metrics},
  )
  save_atomically(model.save, path)
  _clear(folder, checkpoints)
  return model, metrics


def _clear(folder, checkpoints):
  """Removes what only a training that is not over needs."""
  checkpoints.clear()
  for path in folder.path.glob(folder.transferred("*").name):
    path.unlink()
