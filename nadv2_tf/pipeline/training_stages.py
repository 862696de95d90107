"""Stages that train plain networks, most of them cut out of a larger one."""

import dataclasses
import time

import keras

from nadv2_tf.models import slice_network, stand_alone
from nadv2_tf.pipeline import lineage, transfer
from nadv2_tf.pipeline.recipes import finetune_recipe, is_full_first
from nadv2_tf.pipeline.training_checkpoints import training_checkpoints
from nadv2_tf.resources import COUNTS
from nadv2_tf.training.distillation import Teacher
from nadv2_tf.training.evaluation import keras_predictor, measure
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.network_files import load_keras, load_weights, save_atomically
from nadv2_tf.training.precision import computing_in
from nadv2_tf.training.recalibration import recalibrate, recent_averages

RECALIBRATION_IMAGES = 1024
FOUND, FULL = "found", "full"
#: of the learning rate of networks that were cut out
RATE_FLAG = "--finetune_learning_rate"


def recalibrate_on(bench, model):
  """Gives a network that was just cut out batch-norm statistics of its own."""
  recalibrate(model, bench.datasets.train.take(slice(RECALIBRATION_IMAGES)))


def run_loop(bench, loop, progress, title, recipe, checkpoints):
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


def train_on(
  bench, model, spec, recipe, title, progress, checkpoints=None, teacher=None, rate_flag=RATE_FLAG
):
  """Trains the plain network `spec`; without `Checkpoints` a kill undoes all of it.

  It imitates the `Teacher` if there is one. `rate_flag` gives its learning rate.

  Returns:
    The `TrainingState` of its end.
  """
  trained = training_copy(bench, model, spec, recipe)
  loop = plain_loop(bench, trained, recipe, teacher, rate_flag)
  with recent_averages(trained, recipe.steps(len(bench.datasets.train))):
    run_loop(bench, loop, progress, title, recipe, checkpoints)
  if trained is not model:
    model.set_weights(trained.get_weights())
  if recipe.ema:
    recalibrate_on(bench, model)  # the averages of batch norm are those of the last weights
  return loop.state


def plain_loop(bench, model, recipe, teacher=None, rate_flag=RATE_FLAG):
  """The `TrainingLoop` of a plain network."""
  return TrainingLoop(
    model,
    bench.task,
    recipe,
    strategy=bench.strategy,
    seed=bench.seed + 1,
    jit_compile=bench.train_options.jit_compile,
    teacher=teacher,
    rate_flag=rate_flag,
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
  """The full network, trained as others will be that begin with it or imitate it; else None.

  It is cut out of the super-network: for --order=paper, where no stage trained it before.
  """
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
  networks, begins_with = enumerate(path, start=1), lineage.of_weights(super_model)

  def train(model, title):
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
      train_on(bench, model, here, recipe, title, progress, checkpoints, imitated)
      lineage.note(bench.folder, trained, **made_from)
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
  recipe = finetune_recipe(bench.train_options, finetune_options)
  what = {"recipe": recipe, "spec": spec, "finetune": finetune_options}
  all_images = with_holdout(bench) if finetune_options.finetune_holdout else bench
  checkpoints = training_checkpoints(all_images, name, what, progress)
  begins_with = full if _begins_with_full(finetune_options, full) else super_model
  made_from = {
    "a network (found.json and the like)": lineage.of_spec(spec),
    "trained weights": lineage.of_weights(begins_with),
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
  teacher = teacher_of(bench, full, finetune_options.finetune_distillation)
  if name == FOUND and finetune_options.transfer == "trajectory":
    model = _carried_over(bench, super_model, spec, finetune_options, progress, teacher)
  else:
    model = begun(bench, super_model, spec, finetune_options, full)
  predict = keras_predictor(model)
  before = measure(bench.task, predict, bench.datasets.holdout).accuracy
  title = f"fine-tune {name}"
  done = train_on(all_images, model, spec, recipe, title, progress, checkpoints, teacher)
  folder.log_training(f"fine-tuning of the {name} network", done.reports, done.setbacks)
  seconds = {"finetune": round(time.monotonic() - start, 1)}
  start_of = FULL if begins_with is full else "super-network"
  metrics = record(all_images, predict, spec, name, seconds, before, start_of)
  lineage.note(folder, path, **made_from)
  save_atomically(model.save, path)
  _clear(folder, checkpoints)
  return model, metrics


def begun(bench, super_model, spec, finetune_options, full=None):
  """The network `spec` as its last training begins, with batch-norm statistics of its own.

  Args:
    full: the trained full network, which --transfer=full cuts it out of; None, and any other
      transfer: the super-network.
  """
  if not _begins_with_full(finetune_options, full):
    return cut_out(bench, super_model, spec)
  keras.utils.set_random_seed(bench.seed + 1)
  model = transfer.cut_down(full, spec)
  recalibrate_on(bench, model)
  return model


def _begins_with_full(finetune_options, full):
  return full is not None and finetune_options.transfer == "full"


def with_holdout(bench):
  """The workbench whose training images are the hold-out's as well: nothing is chosen any more."""
  datasets = bench.datasets
  everything = dataclasses.replace(datasets, train=datasets.given_back(), holdout=None)
  return dataclasses.replace(bench, datasets=everything)


def record(bench, predict, spec, name, seconds, before=None, begins_with=None):
  """Measures a trained network and writes its figures down, which it returns.

  Args:
    bench: the `Workbench` that it was trained on; without a hold-out nothing is said of one.
    predict: its `keras_predictor`.
    seconds: {stage: how long it took} of what was done for this network alone.
    before: accuracy on the hold-out before the training, if it began with trained weights.
    begins_with: "full" or "super-network", whose weights these were.
  """
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
  networks = bench.folder.metrics().get("networks", {})
  bench.folder.update_metrics(networks=networks | {name: metrics})
  return metrics


def _clear(folder, checkpoints):
  """Removes what only a training that is not over needs."""
  checkpoints.clear()
  for path in folder.path.glob(folder.transferred("*").name):
    path.unlink()
