"""How the full network and the super-network are trained."""

import dataclasses

from nadv2_tf.option import OptionGroup, option

#: what trains the full network: a plain training before the super-network's, or its first epochs
ORDERS = ("full_first", "paper")
OPTIMIZERS = ("sgd", "rmsprop", "adam")
SCHEDULES = ("cosine", "exponential")
AUGMENTATIONS = ("shift", "inception", "autoaugment")
EXECUTIONS = ("masked", "sliced")
PRECISIONS = ("none", "bfloat16", "float16")
STRATEGIES = ("auto", "one", "mirrored", "multi_worker", "tpu")
#: how much the full network makes of a channel, see nadv2_tf/models/importance.py
IMPORTANCES = ("readers", "unscaled_readers", "filters", "scaled_filters", "taylor")
AUGMENTED = (
  "shift (mirrored, moved by a pixel), inception (mirrored, a crop of random size and aspect), or "
  "autoaugment (the ImageNet policy of AutoAugment after that)."
)


@dataclasses.dataclass(frozen=True)
class TrainOptions(OptionGroup):
  """How the full network and the super-network are trained."""

  epochs: float = option(
    0.0,
    "Epochs of super-network training. 0 scores what is cut out of the full network as it is: with "
    "minutes to spend it found better networks (docs/decisions/0008).",
    low=0,
  )
  full_epochs: float = option(
    5.0,
    "Epochs of the full network alone: before those of the super-network, or with --order=paper "
    "the first ones among them.",
    low=0,
  )
  batch_size: int = option(64, "Images per step, over all replicas.", low=1)
  optimizer: str = option(
    "adam", "Of all trainings; that of the search is --search_optimizer.", choices=OPTIMIZERS
  )
  learning_rate: float = option(1e-3, "Largest learning rate of the super-network.")
  schedule: str = option(
    "cosine",
    "Of the learning rate: cosine down to 0, or times --decay every --decay_epochs.",
    choices=SCHEDULES,
  )
  weight_decay: float = option(0.0, "Decoupled weight decay of kernels.", low=0)
  label_smoothing: float = option(
    0.0, "Share of the target that the cross entropy spreads over all classes.", low=0, high=1
  )
  ema: float = option(
    0.0,
    "Momentum of the moving average of the weights that every training ends with; 0 for none.",
    low=0,
    high=1,
  )
  subnetworks_per_batch: int = option(
    8,
    "Different sub-networks in a batch, each on an equal share of its images and with batch-norm "
    "statistics of its own; the batch size gives every image another sub-network and the "
    "statistics of their mixture, as in the paper.",
    low=1,
  )
  full_subnetworks: int = option(1, "How many sub-networks of a batch are the full network.", low=0)
  smallest_subnetworks: int = option(
    0, "How many sub-networks of a batch are the smallest network.", low=0
  )
  own_kernels: bool = option(
    False,
    "Whether every sub-network of a batch draws its own kernel sizes; needs --execution=sliced.",
  )
  distillation: float = option(
    0.0,
    "Share of the loss that compares every sub-network with the full network on the same images; "
    "needs --execution=sliced.",
    low=0,
    high=1,
  )
  size_noise: float = option(
    0.2,
    "How far the layers of a sampled sub-network differ in relative width: small values give "
    "sub-networks of all sizes from near-empty to near-full, inf draws every layer by itself.",
    low=0,
  )
  execution: str = option(
    "masked",
    "How a batch of sub-networks runs: all channels with masks, or each sub-network's images with "
    "its own narrower weights, which can pay where each of a few sub-networks has many images; "
    "benchmarks/studies/training_step.py measures both.",
    choices=EXECUTIONS,
  )
  strategy: str = option(
    "auto",
    "tf.distribute strategy of training and scoring: one device, all GPUs of this machine, the "
    "machines that TF_CONFIG names, or a TPU; auto takes multi_worker where TF_CONFIG names "
    "several workers, and mirrored where there are several GPUs.",
    choices=STRATEGIES,
    is_how=True,
  )
  encoder_weights: str | None = option(
    None,
    "File with trained weights for the first layers of the backbone: a Keras MobileNetV1 (.keras, "
    ".h5) or a float MobileNetV1 in TFLite.",
  )
  decay: float = option(
    0.963, "Factor of the exponential schedule; the paper's for ImageNet.", low=0, high=1
  )
  decay_epochs: float = option(3.0, "How often the exponential schedule's --decay applies.", low=0)
  mixed_precision: str = option(
    "none",
    "What layers compute in when they train, with variables in float32; float16 scales the loss. "
    "Scoring and the networks that are kept are float32.",
    choices=PRECISIONS,
  )
  jit_compile: bool = option(
    False, "Compile loss and gradients with XLA; needs --execution=masked.", is_how=True
  )
  augmentation: str = option(
    "shift", f"How training images are augmented: {AUGMENTED}", choices=AUGMENTATIONS
  )
  mirror: bool = option(
    True,
    "Whether augmentation mirrors half of the images; --nomirror for those that mean something "
    "else mirrored: digits, text, signs.",
  )
  l2: float = option(0.0, "Of kernels, in the loss: that times half their squares.", low=0)
  stochastic_depth: float = option(
    0.0,
    "Share of images that skip the last block's residual branch in a training step; rises linearly "
    "from the first block to the last.",
    low=0,
    high=1,
  )
  block_noise: float = option(
    0.0,
    "How unevenly the blocks of a sampled sub-network may be cut: with 0.5 some have nearly empty "
    "blocks beside full ones.",
    low=0,
  )
  order: str = option(
    "full_first",
    "full_first trains the full network as a plain one; the super-network then begins with its "
    "weights, channels ordered by importance. paper trains the super-network from the start.",
    choices=ORDERS,
  )
  full_learning_rate: float | None = option(
    None,
    "Largest learning rate of the full network, trained first; default: 1e-2, and 1e-3 where it "
    "begins with trained weights (--network, --backbone=keras:NAME).",
  )
  soft_targets: float | None = option(
    None,
    "Share of the super-network's loss that compares every sub-network with the full network as it "
    "was trained first; default: 0.5, and 0 with --order=paper, which trains none before.",
    low=0,
    high=1,
  )
  cut_subnetworks: int | None = option(
    None,
    "How many sub-networks of a batch are the full network with a few layers cut, as the search "
    "proposes them; default: half of them, and none with --order=paper.",
    low=0,
  )
  importance: str = option(
    "unscaled_readers",
    "What the full network's channels are ordered by, of which narrower networks keep the first: "
    "the L2 norms of the weights that read a channel, times the scale of its batch norm or alone; "
    "of the filters that make it, alone or times that scale; or by how much the loss would change "
    "without it, to first order.",
    choices=IMPORTANCES,
  )
  head_epochs: float = option(
    3.0,
    "Epochs in which the new classifier of a given network is trained alone, before everything is: "
    "where the network tells other classes apart than the data has.",
    low=0,
  )
  head_learning_rate: float = option(
    3e-3, "Largest learning rate of the new classifier while it is trained alone."
  )


#: nothing but the defaults
PLAIN = TrainOptions()
