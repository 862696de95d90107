"""Super-networks of a finished run's full network, trained for as long as a study asks."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.benchmarks.studies.peer_networks import Setting
  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.spec import NetworkSpec


def trained_from_full(
  setting: Setting, epochs: float, importance: str | None = None
) -> tuple[SuperNetwork, float]:
  """A super-network that begins with the full network, and the seconds of its training.

  Args:
    setting: a finished run.
    epochs: of its training; the recipe and what is drawn are the run's.
    importance: what channels are ordered by; None: as the run has them.
  """
  from nadv2_tf.models.slicing import fill_super_network
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.stages import full as full_stage
  from nadv2_tf.pipeline.stages import super_network as super_stage

  own = setting.bench.train_options
  options = dataclasses.replace(own, importance=importance or own.importance, epochs=epochs)
  with tempfile.TemporaryDirectory() as folder:
    bench = dataclasses.replace(
      setting.bench, train_options=options, folder=RunFolder(pathlib.Path(folder))
    )
    model = super_stage.new_super_network(bench)
    fill_super_network(model, setting.full)
    full_stage.order(bench, model)
    begun = time.monotonic()
    super_stage.train_super_network(bench, Progress(), setting.full, model=model)
    return model, time.monotonic() - begun


def scores_of(setting: Setting, model: SuperNetwork, specs: Sequence[NetworkSpec]) -> list[float]:
  """What a search's evaluator says of sub-networks, on all images of the hold-out."""
  from nadv2_tf.pipeline.stages.search import CALIBRATION_IMAGES
  from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator

  bench = setting.bench
  calibration = bench.datasets.train.take(slice(CALIBRATION_IMAGES))
  evaluator = SharedWeightsEvaluator(model, bench.task, bench.datasets.holdout, calibration)
  return [float(one) for one in evaluator.accuracy(specs)]
