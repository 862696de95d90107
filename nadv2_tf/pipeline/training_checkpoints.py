"""The checkpoints of each training of a run."""

import dataclasses
import importlib.metadata
import json

from nadv2_tf.pipeline.options import HOW_IT_RUNS
from nadv2_tf.training import strategies
from nadv2_tf.training.checkpoints import Checkpoints
from nadv2_tf.training.shared_checkpoints import SharedCheckpoints


def training_checkpoints(bench, title, what, progress):
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


def _decisive(options):
  """{option: value} of those that say what comes out."""
  values = dataclasses.asdict(options)
  return {name: value for name, value in values.items() if name not in HOW_IT_RUNS}
