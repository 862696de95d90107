"""The training of one plain network with the images and the strategy of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from nadv2_tf.models import stand_alone
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recalibration import recalibrate, recent_averages
from nadv2_tf.training.steps.distillation import Teacher
from nadv2_tf.training.steps.precision import computing_in

if TYPE_CHECKING:
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.training.checkpoints.folder import Checkpoints
  from nadv2_tf.training.checkpoints.shared import SharedCheckpoints
  from nadv2_tf.training.checkpoints.state import StepReport, TrainingState
  from nadv2_tf.training.recipe import Recipe

RECALIBRATION_IMAGES = 1024
#: of the learning rate of networks that were cut out
RATE_FLAG = "--finetune_learning_rate"


def recalibrate_on(bench: Workbench, model: keras.Model) -> None:
  """Gives a network that was just cut out batch-norm statistics of its own."""
  recalibrate(model, bench.datasets.train.take(slice(RECALIBRATION_IMAGES)))


def run_loop(
  bench: Workbench,
  loop: TrainingLoop,
  progress: Progress,
  title: str,
  recipe: Recipe,
  checkpoints: Checkpoints | SharedCheckpoints | None,
  examples: Examples | StreamedExamples | None = None,
) -> list[StepReport]:
  """Runs a `TrainingLoop` on `examples`, by default all training images, with a bar."""
  examples = bench.datasets.train if examples is None else examples
  quality = bench.task.quality_name
  steps = recipe.steps(len(examples))
  with progress.bar(title, steps * recipe.batch_size, "images") as bar:
    return loop.run(
      examples,
      lambda item: bar(item.images, f"loss {item.loss:.3f}, {quality} {item.accuracy:.3f}"),
      checkpoints=checkpoints,
    )


def train_on(
  bench: Workbench,
  model: keras.Model,
  spec: NetworkSpec,
  recipe: Recipe,
  title: str,
  progress: Progress,
  checkpoints: Checkpoints | SharedCheckpoints | None = None,
  teacher: Teacher | None = None,
  rate_flag: str = RATE_FLAG,
) -> TrainingState:
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
  if recipe.ema and loop.state.steps:
    recalibrate_on(bench, model)  # the averages of batch norm are those of the last weights
  return loop.state


def plain_loop(
  bench: Workbench,
  model: keras.Model,
  recipe: Recipe,
  teacher: Teacher | None = None,
  rate_flag: str = RATE_FLAG,
) -> TrainingLoop:
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


def training_copy(
  bench: Workbench, model: keras.Model, spec: NetworkSpec, recipe: Recipe
) -> keras.Model:
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


def teacher_of(bench: Workbench, full: keras.Model | None, share: float) -> Teacher | None:
  """`Teacher` with the weights of a full network, or None if it has no share in the loss."""
  if full is None or not share:
    return None
  with bench.strategy.scope():
    model = stand_alone(bench.space.largest())
  model.set_weights(full.get_weights())
  return Teacher(model, share)
