"""What a network's last training begins with, where two beginnings are tried."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import keras

from nadv2_tf.models import slice_network
from nadv2_tf.pipeline.stages import plain_training, transfer
from nadv2_tf.training.scoring.evaluation import keras_predictor, measure

if TYPE_CHECKING:
  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.training.recipe import Recipe
  from nadv2_tf.training.steps.distillation import Teacher

#: epochs that each is tried for
TRIAL_EPOCHS = 0.25
FULL, SUPER_NETWORK = "full", "super-network"


def tried(
  bench: Workbench,
  super_model: SuperNetwork,
  full: keras.Model,
  spec: NetworkSpec,
  recipe: Recipe,
  progress: Progress,
  teacher: Teacher | None,
) -> tuple[keras.Model, str]:
  """The network cut out of the full one or of the super-network, and which of them that is.

  Each is trained for `TRIAL_EPOCHS` without the hold-out, on which the better one is chosen, the
  full network's where they are equal; it is given back as it was before that. A super-network that
  was not trained has the weights of the full network: then nothing is tried.

  Args:
    bench: the `Workbench`.
    recipe: of the training that follows.
    teacher: which both imitate, as in that training.
  """
  keras.utils.set_random_seed(bench.seed + 1)
  model = transfer.cut_down(full, spec)
  plain_training.recalibrate_on(bench, model)
  if not bench.train_options.epochs:
    progress.line("beginning with the full network's weights; the super-network has no others")
    return model, FULL
  models = {FULL: model, SUPER_NETWORK: slice_network(super_model, spec)}
  plain_training.recalibrate_on(bench, models[SUPER_NETWORK])
  short, reached = dataclasses.replace(recipe, epochs=TRIAL_EPOCHS), {}
  for name, one in models.items():
    weights = one.get_weights()
    title = f"beginning with the {name}'s weights"
    plain_training.train_on(bench, one, spec, short, title, progress, None, teacher)
    reached[name] = measure(bench.task, keras_predictor(one), bench.datasets.holdout).accuracy
    one.set_weights(weights)
  best = max(reached, key=reached.__getitem__)  # the first of equal ones
  told = ", ".join(f"{accuracy:.4f} with the {name}'s" for name, accuracy in reached.items())
  progress.line(f"hold-out {bench.task.quality_name} after {TRIAL_EPOCHS:g} epochs: {told}")
  return models[best], best
