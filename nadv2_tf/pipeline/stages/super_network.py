"""The stage that trains the super-network."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import keras

from nadv2_tf.models import super_network
from nadv2_tf.models.parts.names import layer_name
from nadv2_tf.models.slicing import fill_super_network
from nadv2_tf.pipeline.run_folder import lineage
from nadv2_tf.pipeline.stages import plain_training, trained_weights
from nadv2_tf.pipeline.stages.recipes import soft_targets, super_recipe, width_sampler
from nadv2_tf.pipeline.stages.training_checkpoints import training_checkpoints
from nadv2_tf.training import strategies
from nadv2_tf.training.loop import TrainingDiverged, TrainingLoop
from nadv2_tf.training.network_files import load_weights, save_atomically
from nadv2_tf.training.steps.precision import computing_in

if TYPE_CHECKING:
  from collections.abc import Callable

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages.in_turn import InTurn
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.training.checkpoints.folder import Checkpoints
  from nadv2_tf.training.checkpoints.shared import SharedCheckpoints
  from nadv2_tf.training.recipe import Recipe
  from nadv2_tf.training.steps.distillation import Teacher
  from nadv2_tf.training.widths import WidthSampler

#: of the training, in the log and on the screen
TITLE = "super-network"


def train_super_network(
  bench: Workbench,
  progress: Progress,
  full: keras.Model | None = None,
  beside: Callable[[SuperNetwork], contextlib.AbstractContextManager[Any]] = lambda _: (
    contextlib.nullcontext()
  ),
  model: Any = None,
  in_turn: InTurn | None = None,
) -> SuperNetwork:
  """Trains the super-network, or reads its weights if an earlier run saved them.

  Args:
    full: the trained full network that it begins with and imitates; None: it begins untrained.
    beside: unless `model` is given, the context manager `beside(model)` is entered meanwhile.
    model: an untrained super-network with the weights of `full`; None makes one.
    in_turn: how a distribution is trained with it; None: it is trained alone.

  Raises:
    TrainingDiverged: if it does even with half the learning rate; the last good weights are saved.
    CheckpointError: if there are checkpoints, and none can be used.
    Stopped: when what is needed to go on is saved.
  """
  recipe = super_recipe(bench.train_options)
  given = model
  if given is None:
    keras.utils.set_random_seed(bench.seed)
    model = new_super_network(bench)
  weights = bench.folder.super_weights
  what = {"recipe": recipe} | (in_turn.what if in_turn else {})
  checkpoints = training_checkpoints(bench, TITLE, what, progress)
  made_from: dict[str, Any] = {"training images": bench.datasets.train.digest()}
  if full is not None:
    made_from["a full network"] = lineage.of_weights(full)
  if weights.exists():
    lineage.check(bench.folder, weights, **made_from)
    progress.line(f"{TITLE}: weights in {weights} are used")
    load_weights(model, weights)
    checkpoints.clear()
    return model
  if full is None:
    prepare(bench, model, progress)
  elif given is None:
    fill_super_network(model, full)
  with beside(model) if given is None else contextlib.nullcontext():
    _train(bench, model, recipe, full, progress, checkpoints, in_turn)
  # The weights come last: they are what says that this stage is over.
  lineage.note(bench.folder, weights, **made_from)
  save_atomically(model.save_weights, weights)
  checkpoints.clear()
  return model


def _train(
  bench: Workbench,
  model: SuperNetwork,
  recipe: Recipe,
  full: keras.Model | None,
  progress: Progress,
  checkpoints: Checkpoints | SharedCheckpoints,
  in_turn: InTurn | None,
) -> None:
  seconds = 0.0
  examples = in_turn.examples if in_turn else bench.datasets.train
  if recipe.steps(len(examples)):
    teacher = plain_training.teacher_of(bench, full, soft_targets(bench.train_options))
    if in_turn:
      loop: TrainingLoop = in_turn.loop(model, recipe, teacher)
    else:
      loop = super_loop(bench, model, recipe, width_sampler(bench), teacher)
    seconds = train_with(bench, model, loop, recipe, TITLE, progress, checkpoints, examples)
    if in_turn:
      in_turn.keep(model, progress)
  else:
    weights = "fresh weights" if full is None else "the weights of the full network"
    progress.line(f"{TITLE}: not trained (--epochs=0); it scores with {weights}")
  bench.folder.update_metrics(seconds={"train": seconds})


def train_with(
  bench: Workbench,
  model: SuperNetwork,
  loop: TrainingLoop,
  recipe: Recipe,
  title: str,
  progress: Progress,
  checkpoints: Checkpoints | SharedCheckpoints,
  examples: Any = None,
) -> float:
  """Runs a loop that trains the super-network, and logs it; the seconds that it took.

  Args:
    title: of the training.
    examples: the training images, None: all that the run has.

  Raises:
    TrainingDiverged, CheckpointError, Stopped: see `train_super_network`.
  """
  folder = bench.folder
  try:
    reports = plain_training.run_loop(bench, loop, progress, title, recipe, checkpoints, examples)
  except TrainingDiverged as error:
    save_atomically(model.save_weights, folder.last_good_weights)
    raise TrainingDiverged(f"{error} They are in {folder.last_good_weights}.") from None
  folder.log_training(title, reports, loop.state.setbacks)
  return loop.state.seconds


def new_super_network(bench: Workbench) -> SuperNetwork:
  """An untrained one, in the strategy's scope."""
  options = bench.train_options
  form = strategies.batch_norm_form(
    bench.strategy, options.batch_size, options.subnetworks_per_batch
  )
  with bench.strategy.scope(), computing_in(options.mixed_precision):
    return super_network(bench.space, stochastic_depth=options.stochastic_depth, **form)


def super_loop(
  bench: Workbench,
  model: SuperNetwork,
  recipe: Recipe,
  sampler: WidthSampler,
  teacher: Teacher | None = None,
) -> TrainingLoop:
  """The `TrainingLoop` of the super-network."""
  options = bench.train_options
  how = (options.execution, options.distillation, options.jit_compile)
  return TrainingLoop(
    model, bench.task, recipe, sampler, bench.strategy, bench.seed, *how, teacher=teacher
  )


def prepare(bench: Workbench, model: SuperNetwork, progress: Progress) -> None:
  """What is known before training: an encoder's trained weights, and the usual outputs."""
  path = trained_weights.path_of(bench)
  if path:
    taken = trained_weights.load(path, model, bench.datasets.train)
    progress.line(f"super-network: {taken} layers start with the weights in {path}")
    if trained_weights.is_whole(path):
      return
  usual = bench.task.usual_outputs(bench.datasets.train)
  if usual:
    last = len(bench.space.network.blocks) - 1
    norm = model.get_layer(layer_name(last, "filters")).norm
    norm.beta.assign([usual[0]])
    norm.gamma.assign([usual[1]])
