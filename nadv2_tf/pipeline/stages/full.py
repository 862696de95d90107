"""The stage that trains the full network by itself, before the super-network begins with it."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import keras

from nadv2_tf.models import slice_network
from nadv2_tf.models.pruning import order_by_importance
from nadv2_tf.models.slicing import fill_super_network, set_sliced_weights
from nadv2_tf.pipeline.run_folder import lineage
from nadv2_tf.pipeline.stages import plain_training, trained_weights
from nadv2_tf.pipeline.stages import super_network as super_stage
from nadv2_tf.pipeline.stages import training as training_stages
from nadv2_tf.pipeline.stages.recipes import full_recipe, is_full_first
from nadv2_tf.pipeline.stages.training_checkpoints import training_checkpoints
from nadv2_tf.training.network_files import load_keras, save_atomically
from nadv2_tf.training.scoring.evaluation import keras_predictor

if TYPE_CHECKING:
  from collections.abc import Callable

  from nadv2_tf.models.importance import Slopes
  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.training.checkpoints.folder import Checkpoints
  from nadv2_tf.training.checkpoints.shared import SharedCheckpoints

#: of the training, in the log and on the screen
TITLE = "full network"


class Trained(NamedTuple):
  """What the stage leaves.

  Attributes:
    full: the full network, a plain Keras model; None with --order=paper.
    super_model: an untrained super-network with its weights, if one was made on the way.
  """

  full: keras.Model | None = None
  super_model: SuperNetwork | None = None


def train_full(
  bench: Workbench,
  progress: Progress,
  beside: Callable[[SuperNetwork], contextlib.AbstractContextManager[Any]] = lambda _: (
    contextlib.nullcontext()
  ),
) -> Trained:
  """The full network, trained as a plain one, its channels ordered by importance.

  An earlier run's is read from its file. It is what the super-network begins with and imitates, and
  what found networks are cut out of: the order makes their first channels the ones that matter.

  Args:
    beside: while it trains, the context manager `beside(super_model)` is entered.

  Returns:
    `Trained`.

  Raises:
    TrainingDiverged: if it does even with half the learning rate.
    CheckpointError: if there are checkpoints, and none can be used.
    Stopped: when what is needed to go on is saved.
  """
  if not is_full_first(bench.train_options):
    return Trained()
  folder, spec = bench.folder, bench.space.largest()
  path, recipe = folder.keras(training_stages.FULL), full_recipe(bench.train_options)
  checkpoints = training_checkpoints(bench, TITLE, {"recipe": recipe}, progress)
  made_from = {"training images": bench.datasets.train.digest()}
  if path.exists():
    lineage.check(folder, path, **made_from)
    progress.line(f"{TITLE}: trained network in {path} is used")
    checkpoints.clear()
    return Trained(load_keras(path))
  start = time.monotonic()
  keras.utils.set_random_seed(bench.seed)
  super_model = super_stage.new_super_network(bench)
  model, before = _begun(bench, super_model, progress, checkpoints)
  with beside(super_model):
    done = plain_training.train_on(
      bench, model, spec, recipe, TITLE, progress, checkpoints, rate_flag="--full_learning_rate"
    )
  folder.log_training(TITLE, done.reports, done.setbacks)
  fill_super_network(super_model, model)
  order(bench, super_model)
  set_sliced_weights(super_model, model, spec)
  training_stages.record(bench, keras_predictor(model), spec, training_stages.FULL, {})
  folder.update_metrics(seconds={"full": time.monotonic() - start + done.seconds_before})
  folder.write_spec(training_stages.FULL, spec)
  lineage.note(folder, path, **made_from)
  # The file comes last: it is what says that this stage is over.
  save_atomically(model.save, path)
  for each in (checkpoints, *before):
    each.clear()
  return Trained(model, super_model)


def order(bench: Workbench, super_model: SuperNetwork) -> None:
  """Orders the channels of a super-network with the full network's weights by --importance."""
  by = bench.train_options.importance
  slopes: Slopes = ()
  if by == "taylor":
    from nadv2_tf.training.slopes import weight_slopes  # TensorFlow's gradients

    slopes = weight_slopes(
      super_model, bench.task, bench.datasets.train, bench.train_options.batch_size, bench.seed
    )
  order_by_importance(super_model, by, slopes)


def _begun(
  bench: Workbench,
  super_model: SuperNetwork,
  progress: Progress,
  checkpoints: Checkpoints | SharedCheckpoints,
) -> tuple[keras.Model, list[Checkpoints | SharedCheckpoints]]:
  """(the full network as its training begins, checkpoints of what was trained for it before)."""
  if bench.given:
    from nadv2_tf.pipeline.stages.given import stage

    goes_on = checkpoints.latest() is not None
    model, before = stage.begun(bench, bench.given, progress, goes_on)
    return model, [before]
  super_stage.prepare(bench, super_model, progress)
  model = slice_network(super_model, bench.space.largest())
  if trained_weights.lacks_statistics(bench):
    plain_training.recalibrate_on(bench, model)
  return model, []
