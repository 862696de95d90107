"""The options of a run, as frozen dataclasses; `flags/groups.py` makes them from flags."""

import dataclasses

#: options that say how something runs and not what it gives; a run may go on with others
HOW_IT_RUNS = ("strategy", "jit_compile", "input_cache_gib")


@dataclasses.dataclass(frozen=True)
class NetworkOptions:
  """Which search space, for which images.

  `task_settings` are the flags that only the backbone's task takes, {flag: value}, as far as they
  were given.
  """

  backbone: str
  image_size: int
  data: str
  holdout: int
  seed: int
  task_settings: dict = dataclasses.field(default_factory=dict)
  input: str = "auto"
  input_cache_gib: float = 0.0
  fixed_blocks: str = ""


#: what trains the full network: a plain training before the super-network's, or its first epochs
ORDERS = ("full_first", "paper")


@dataclasses.dataclass(frozen=True)
class TrainOptions:
  """How the full network and the super-network are trained."""

  epochs: float
  full_epochs: float
  batch_size: int
  optimizer: str
  learning_rate: float
  schedule: str
  weight_decay: float
  label_smoothing: float
  ema: float
  subnetworks_per_batch: int
  full_subnetworks: int
  smallest_subnetworks: int
  own_kernels: bool
  distillation: float
  size_noise: float
  execution: str
  strategy: str
  encoder_weights: str | None = None
  decay: float = 0.963
  decay_epochs: float = 3.0
  mixed_precision: str = "none"
  jit_compile: bool = False
  augmentation: str = "shift"
  mirror: bool = True
  l2: float = 0.0
  stochastic_depth: float = 0.0
  block_noise: float = 0.0
  order: str = "paper"
  full_learning_rate: float = 3e-3
  soft_targets: float | None = 0.0
  cut_subnetworks: int | None = 0


@dataclasses.dataclass(frozen=True)
class SearchOptions:
  """What is searched for, and how."""

  metric: str
  target: str
  limit: str
  device: str
  benchmark_binary: str | None
  benchmark_url: str | None
  num_threads: int
  cpu_mask: str | None
  delegate: str
  confirm_every: int
  tighten: int
  search_optimizer: str
  samples_per_iteration: int
  layers_per_sample: int
  initial_reduction: float
  reduction_decay: float
  samples: int | None
  generations: int | None
  search_precision: str = "float32"
  race: bool = False


@dataclasses.dataclass(frozen=True)
class CheckpointOptions:
  """How trainings are kept against a kill; may differ from one command of a run to the next."""

  checkpoint_every: float = 60.0
  keep_checkpoints: int = 2


DEFAULT_CHECKPOINTS = CheckpointOptions()


@dataclasses.dataclass(frozen=True)
class FinetuneOptions:
  """How a network that was cut out is trained on."""

  finetune_epochs: float
  finetune_learning_rate: float
  transfer: str = "direct"
  transfer_epochs: float = 2.0
  finetune_augmentation: str | None = None
  finetune_stochastic_depth: float | None = None
  finetune_distillation: float = 0.0
  finetune_holdout: bool = False
  finetune_batch_size: int | None = None


@dataclasses.dataclass(frozen=True)
class TrustOptions:
  """How many samples of the search are trained to see whether it ranked them right."""

  trust_samples: int = 0
  trust_epochs: float = 2.0
