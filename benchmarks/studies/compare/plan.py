"""How large a comparison is."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Plan:
  """Sizes of a comparison; equal for all methods.

  Attributes:
    backbone: the initial network.
    seeds: how often every method runs.
    super_epochs, full_epochs: of super-network training; of these with the full network alone.
    found_epochs: of every found network, and of the uniformly scaled one, after it was cut out.
    batch_size, subnetworks, size_noise: of super-network training.
    holdout, calibration: images for scoring.
    targets: shares of the largest network's latency.
    samples_per_iteration, layers_per_sample, initial_reduction, reduction_decay: of MCD; the last
      of SCD too.
    score: how MCD and SCD choose among samples, see `descent.choose`.
    largest_kernel: of the initial network; None: the backbone's own. A 7x7 depthwise convolution
      has no fast kernel on many processors: with it every method finds 5x5 and is done.
    block_noise: of super-network training, see `WidthSampler`.
    smallest: how many of a batch's sub-networks are the smallest network.
    distillation: share of the loss that compares a batch's sub-networks with the full network.
    scd_reduction: initial reduction of SCD, smaller: one layer alone has to bring it.
    samples: of random search, evolution and HURRICANE, for each target.
    buckets: of LayerNAS; with 4 a space of eight blocks takes some 200 samples for all targets.
    netadaptv1_steps: training steps of each of NetAdaptV1's samples.
    netadaptv1_reduction, netadaptv1_decay: its schedule. That of its authors, 0.025 and 0.96, ends
      at 0.375 of the initial resource, and so takes some 80 iterations down to 0.4.
  """

  backbone: str
  seeds: int
  super_epochs: float
  full_epochs: float
  found_epochs: float
  batch_size: int
  subnetworks: int
  size_noise: float
  holdout: int
  calibration: int
  targets: tuple[float, ...]
  samples_per_iteration: int
  layers_per_sample: int
  initial_reduction: float
  reduction_decay: float
  samples: int
  largest_kernel: int | None = None
  smallest: int = 0
  block_noise: float = 0.0
  distillation: float = 0.0
  score: str = "accuracy"
  scd_reduction: float = 0.03
  netadaptv1_steps: int = 20
  netadaptv1_reduction: float = 0.04
  netadaptv1_decay: float = 0.98
  buckets: int = 4


PRESETS = {
  # All of CIFAR-10; sized for two cores, far from converged.
  "cifar10": Plan(
    backbone="mobilenet_v3_cifar_small",
    largest_kernel=5,
    seeds=3,
    super_epochs=3,
    full_epochs=1,
    found_epochs=1.0,
    batch_size=128,
    subnetworks=8,
    size_noise=0.2,
    block_noise=0.8,
    smallest=1,
    distillation=0.5,
    holdout=10000,
    calibration=256,
    targets=(0.6, 0.5, 0.4),
    samples_per_iteration=13,
    layers_per_sample=8,
    score="ratio",
    initial_reduction=0.06,
    reduction_decay=0.98,
    samples=70,
    netadaptv1_steps=10,
    netadaptv1_reduction=0.03,
  ),
  # For a machine that has the time: networks trained long enough to tell them apart well.
  "cifar10_long": Plan(
    backbone="mobilenet_v3_cifar",
    seeds=3,
    super_epochs=12,
    full_epochs=3,
    found_epochs=4,
    batch_size=128,
    subnetworks=8,
    size_noise=0.2,
    holdout=5000,
    calibration=512,
    targets=(0.75, 0.6, 0.45, 0.3),
    samples_per_iteration=30,
    layers_per_sample=6,
    initial_reduction=0.06,
    reduction_decay=0.98,
    samples=150,
    netadaptv1_steps=40,
  ),
  # Every stage for real, in minutes: whether the comparison runs, and nothing else.
  "smoke": Plan(
    backbone="mobilenet_v3_cifar",
    seeds=1,
    super_epochs=0.05,
    full_epochs=0,
    found_epochs=0.05,
    batch_size=32,
    subnetworks=4,
    size_noise=0.2,
    holdout=100,
    calibration=64,
    targets=(0.6, 0.4),
    samples_per_iteration=3,
    layers_per_sample=6,
    initial_reduction=0.2,
    reduction_decay=0.98,
    samples=6,
    buckets=1,
    scd_reduction=0.2,
    netadaptv1_steps=2,
    netadaptv1_reduction=0.2,
  ),
}
