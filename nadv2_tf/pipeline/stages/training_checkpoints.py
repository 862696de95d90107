"""The checkpoints of each training of a run."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
from typing import TYPE_CHECKING, Any

from nadv2_tf.options import is_how
from nadv2_tf.training import strategies
from nadv2_tf.training.checkpoints.folder import Checkpoints
from nadv2_tf.training.checkpoints.shared import SharedCheckpoints

if TYPE_CHECKING:
  from collections.abc import Mapping

  from nadv2_tf.options import NetworkOptions, TrainOptions
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages.workbench import Workbench


def training_checkpoints(
  bench: Workbench, title: str, what: Mapping[str, Any], progress: Progress
) -> Checkpoints | SharedCheckpoints:
  """The `Checkpoints` of one training of a run.

  Args:
    title: of the training; names their folder.
    what: {name: dataclass} that says, beside the options of the run, what is trained.
  """
  about = {
    "version": importlib.metadata.version("nadv2-tf"),
    "network": _decisive(bench.network_options),
    "train": _decisive(bench.train_options),
    "training images": bench.datasets.train.digest(),
    **{name: dataclasses.asdict(value) for name, value in what.items()},
  }
  options = bench.checkpoint_options
  own = Checkpoints(
    bench.folder.checkpoints(title),
    json.loads(json.dumps(about)),
    options.keep_checkpoints,
    options.checkpoint_every,
    lambda text: progress.line(f"  {title}: {text}"),
  )
  several = strategies.is_multi_worker(bench.strategy)
  return SharedCheckpoints(own, bench.strategy) if several else own


def _decisive(options: NetworkOptions | TrainOptions) -> dict[str, Any]:
  """{option: value} of those that say what comes out."""
  values = dataclasses.asdict(options)
  return {name: value for name, value in values.items() if not is_how(name)}
