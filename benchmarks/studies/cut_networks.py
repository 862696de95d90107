"""What a sub-network is worth: cut out of a run's full network and trained as the run trains it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from nadv2_tf.benchmarks.studies.peer_networks import Setting
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.stream import StreamedExamples


def trained_accuracy(
  setting: Setting,
  spec: NetworkSpec,
  epochs: float,
  images: Examples | StreamedExamples,
  seed: int | None = None,
) -> float:
  """Accuracy on `images` of a network that was cut out and trained without the hold-out.

  Args:
    setting: a finished run.
    spec: a network of its space.
    epochs: of the training; recipe and soft targets are those of the run's found network.
    images: to measure on.
    seed: of the training; None: the run's.
  """
  import keras

  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages import plain_training, transfer
  from nadv2_tf.pipeline.stages.recipes import finetune_recipe, imitation
  from nadv2_tf.training.scoring.evaluation import keras_predictor, measure

  own = setting.bench.network_options
  options = dataclasses.replace(own, seed=own.seed if seed is None else seed)
  bench = dataclasses.replace(setting.bench, network_options=options)
  keras.utils.set_random_seed(options.seed)
  model = transfer.cut_down(setting.full, spec)
  plain_training.recalibrate_on(bench, model)
  recipe = finetune_recipe(bench.train_options, setting.finetune)
  recipe = dataclasses.replace(recipe, epochs=epochs)
  teacher = plain_training.teacher_of(bench, setting.full, imitation(setting.finetune))
  plain_training.train_on(bench, model, spec, recipe, "network", Progress(), None, teacher)
  return measure(bench.task, keras_predictor(model), images).accuracy
