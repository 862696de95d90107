"""The full network of a run that begins with a given one: its weights, a classifier of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from nadv2_tf import reading
from nadv2_tf.models.parts.names import layer_name
from nadv2_tf.pipeline.stages import plain_training
from nadv2_tf.pipeline.stages import training as training_stages
from nadv2_tf.pipeline.stages.recipes import head_recipe
from nadv2_tf.pipeline.stages.training_checkpoints import training_checkpoints
from nadv2_tf.training.scoring.evaluation import keras_predictor

if TYPE_CHECKING:
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages.given.network import GivenNetwork
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.training.checkpoints.folder import Checkpoints
  from nadv2_tf.training.checkpoints.shared import SharedCheckpoints

#: of the classifier's training, in the log and on the screen
TITLE = "new classifier"
#: name of the given network's figures, where its classifier was kept
ORIGINAL = "original"


def begun(
  bench: Workbench, given: GivenNetwork, progress: Progress, goes_on: bool
) -> tuple[keras.Model, Checkpoints | SharedCheckpoints]:
  """The given network as a plain Keras model, and checkpoints to clear when it is trained.

  Its test accuracy goes into the metrics; a new classifier is trained alone first.

  Args:
    goes_on: whether a later training has checkpoints, which hold a trained classifier.
  """
  model = reading.build(given.read)
  recipe = head_recipe(bench.train_options)
  checkpoints = training_checkpoints(bench, TITLE, {"recipe": recipe}, progress)
  if not given.is_new_classifier:
    if ORIGINAL not in bench.folder.metrics().networks:
      metrics = training_stages.record(bench, keras_predictor(model), given.spec, ORIGINAL, {})
      quality = f"test {bench.task.quality_name} {metrics.test_accuracy:.2%}"
      progress.line(f"network: as it was given it has a {quality}")
  elif recipe.epochs and not goes_on:
    _train_classifier(bench, model, given, progress, checkpoints)
  return model, checkpoints


def _train_classifier(
  bench: Workbench,
  model: keras.Model,
  given: GivenNetwork,
  progress: Progress,
  checkpoints: Checkpoints | SharedCheckpoints,
) -> None:
  """Trains the classifier and nothing else; batch norms keep their statistics."""
  recipe = head_recipe(bench.train_options)
  trained = plain_training.training_copy(bench, model, given.spec, recipe)
  classifier = trained.get_layer(layer_name(len(given.spec.blocks) - 1, "classes"))
  for layer in trained.layers:
    layer.trainable = layer is classifier
  loop = plain_training.plain_loop(bench, trained, recipe, rate_flag="--head_learning_rate")
  reports = plain_training.run_loop(bench, loop, progress, TITLE, recipe, checkpoints)
  for layer in trained.layers:
    layer.trainable = True
  if trained is not model:
    model.set_weights(trained.get_weights())
  bench.folder.log_training(TITLE, reports, loop.state.setbacks)
