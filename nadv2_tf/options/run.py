"""All that a run is asked for."""

import dataclasses

from nadv2_tf.option import OptionGroup, option
from nadv2_tf.options.checkpoints import DEFAULT_CHECKPOINTS, CheckpointOptions
from nadv2_tf.options.export import ExportOptions
from nadv2_tf.options.finetune import FinetuneOptions, TrustOptions
from nadv2_tf.options.network import NetworkOptions
from nadv2_tf.options.search import SearchOptions
from nadv2_tf.options.training import TrainOptions

#: {field of `RunOptions`: its type}
GROUPS = {
  "network": NetworkOptions,
  "train": TrainOptions,
  "search": SearchOptions,
  "finetune": FinetuneOptions,
  "trust": TrustOptions,
  "checkpoint": CheckpointOptions,
  "export": ExportOptions,
}


@dataclasses.dataclass(frozen=True)
class RunOptions(OptionGroup):
  """All option groups of a run. `trust`, `checkpoint` and `export` may change when it goes on."""

  network: NetworkOptions = dataclasses.field(default_factory=NetworkOptions)
  train: TrainOptions = dataclasses.field(default_factory=TrainOptions)
  search: SearchOptions = dataclasses.field(default_factory=SearchOptions)
  finetune: FinetuneOptions = dataclasses.field(default_factory=FinetuneOptions)
  trust: TrustOptions = dataclasses.field(default_factory=TrustOptions)
  checkpoint: CheckpointOptions = DEFAULT_CHECKPOINTS
  export: ExportOptions = dataclasses.field(default_factory=ExportOptions)
  references: bool = option(
    False,
    "Also train and time the full network and the uniformly scaled one that is as fast as the "
    "found network.",
  )
