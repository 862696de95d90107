"""All options of a run, as frozen dataclasses; flags of the same names are made from them."""

from nadv2_tf.options.checkpoints import DEFAULT_CHECKPOINTS, CheckpointOptions
from nadv2_tf.options.export import ExportOptions
from nadv2_tf.options.finetune import FinetuneOptions, TrustOptions
from nadv2_tf.options.how import is_how
from nadv2_tf.options.network import NetworkOptions, TaskSettings
from nadv2_tf.options.run import RunOptions
from nadv2_tf.options.search import SearchOptions
from nadv2_tf.options.timing import TimingSettings, built_as
from nadv2_tf.options.training import TrainOptions

__all__ = [
  "DEFAULT_CHECKPOINTS",
  "CheckpointOptions",
  "ExportOptions",
  "FinetuneOptions",
  "NetworkOptions",
  "RunOptions",
  "SearchOptions",
  "TaskSettings",
  "TimingSettings",
  "TrainOptions",
  "TrustOptions",
  "built_as",
  "is_how",
]
