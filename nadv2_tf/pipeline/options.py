"""The options of a run, as frozen dataclasses; `flags/groups.py` makes them from flags."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class NetworkOptions:
  """Which search space, for which images."""

  backbone: str
  image_size: int
  data: str
  holdout: int
  seed: int


@dataclasses.dataclass(frozen=True)
class TrainOptions:
  """How the super-network is trained."""

  epochs: float
  full_epochs: float
  batch_size: int
  optimizer: str
  learning_rate: float
  schedule: str
  weight_decay: float
  label_smoothing: float
  subnetworks_per_batch: int
  full_subnetworks: int
  size_noise: float
  execution: str
  strategy: str


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


@dataclasses.dataclass(frozen=True)
class FinetuneOptions:
  """How a network that was cut out is trained on."""

  finetune_epochs: float
  finetune_learning_rate: float
