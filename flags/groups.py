"""Groups of absl flags, read into the frozen dataclasses of `pipeline/options.py`.

A program calls `define_*` for the groups it takes, and `read` after parsing; library functions
only see the dataclasses.
"""

import dataclasses

from absl import flags
from nadv2_tf.flags.finetune import define_finetune, define_trust  # noqa: F401  (programs)
from nadv2_tf.flags.images import define_data, define_recipe
from nadv2_tf.flags.tasks import define_task, read_task
from nadv2_tf.flags.timing import define_device, define_timing, read_timing  # noqa: F401  (as well)

from nadv2_tf.pipeline.options import (  # noqa: F401  (programs read them by these names)
  CheckpointOptions,
  FinetuneOptions,
  NetworkOptions,
  SearchOptions,
  TrainOptions,
  TrustOptions,
)

FLAGS = flags.FLAGS
#: the field that holds the flags of `flags/tasks.py`
TASK_SETTINGS = "task_settings"


def define_space():
  flags.DEFINE_string(
    "backbone",
    "mobilenet_v3_demo",
    "Initial network, whose sub-networks are searched: mobilenet_v3_demo, mobilenet_v3_cifar, "
    "mobilenet_v3_cifar_small, mobilenet_v1, mobilenet_v3_large, netadaptv2_latency, "
    "netadaptv2_mac, single_path, fastdepth.",
  )
  flags.DEFINE_integer(
    "image_size",
    None,
    "Height and width of the images; default: the backbone's own.",
    lower_bound=8,
  )


def read_space(classes=None):
  """The `SearchSpace` of --backbone at --image_size, for as many classes."""
  from nadv2_tf import backbones

  shape = None
  if FLAGS.image_size:
    own = backbones.search_space(FLAGS.backbone).network.input_shape
    shape = (FLAGS.image_size, FLAGS.image_size, own[-1])
  return backbones.search_space(FLAGS.backbone, shape, classes)


def define_preset():
  flags.DEFINE_string(
    "preset",
    None,
    "Flags that belong together: cifar10, demo, depth_pairs, imagenet_latency, imagenet_mac, "
    "nyu_depth, or paper, which searches as NetAdaptV2 does. Flags after it overrule it.",
  )


def define_network():
  define_space()
  define_data()
  define_task()
  flags.DEFINE_integer(
    "holdout", 1000, "Images cut from the training set to score samples with.", lower_bound=1
  )
  flags.DEFINE_string(
    "fixed_blocks",
    "",
    "Blocks that keep their full widths and kernels, such as 1-7,13; all others are searched. With "
    "few images, the first blocks of a trained encoder know more than a search can tell.",
  )
  define_seed()


def define_seed():
  flags.DEFINE_integer("seed", 0, "Of everything that is random.", lower_bound=0)


def define_output():
  flags.DEFINE_string(
    "output", None, "Folder of the run; all files of all stages are in it.", required=True
  )


def define_train():
  flags.DEFINE_enum(
    "order",
    "full_first",
    ["full_first", "paper"],
    "full_first trains the full network as a plain one; the super-network then begins with its "
    "weights, channels ordered by importance. paper trains the super-network from the start.",
  )
  flags.DEFINE_float(
    "epochs",
    0,
    "Epochs of super-network training. 0 scores what is cut out of the full network as it is: with "
    "minutes to spend it found better networks (docs/decisions/0008).",
    lower_bound=0,
  )
  flags.DEFINE_float(
    "full_epochs",
    10,
    "Epochs of the full network alone: before those of the super-network, or with --order=paper "
    "the first ones among them.",
    lower_bound=0,
  )
  flags.DEFINE_integer("batch_size", 64, "Images per step, over all replicas.", lower_bound=1)
  flags.DEFINE_enum(
    "optimizer",
    "adam",
    ["sgd", "rmsprop", "adam"],
    "Of all trainings; that of the search is --search_optimizer.",
  )
  flags.DEFINE_float("learning_rate", 1e-3, "Largest learning rate of the super-network.")
  flags.DEFINE_float(
    "full_learning_rate", 1e-2, "Largest learning rate of the full network, trained first."
  )
  flags.DEFINE_float(
    "soft_targets",
    None,
    "Share of the super-network's loss that compares every sub-network with the full network as it "
    "was trained first; default: 0.5, and 0 with --order=paper, which trains none before.",
    0,
    1,
  )
  flags.DEFINE_enum(
    "schedule",
    "cosine",
    ["cosine", "exponential"],
    "Of the learning rate: cosine down to 0, or times --decay every --decay_epochs.",
  )
  flags.DEFINE_float(
    "decay", 0.963, "Factor of the exponential schedule; the paper's for ImageNet.", 0, 1
  )
  flags.DEFINE_float("decay_epochs", 3.0, "How often it applies.", lower_bound=0)
  flags.DEFINE_float("weight_decay", 0.0, "Decoupled weight decay of kernels.", lower_bound=0)
  flags.DEFINE_float(
    "l2", 0.0, "Of kernels, in the loss: that times half their squares.", lower_bound=0
  )
  flags.DEFINE_float(
    "ema",
    0.0,
    "Momentum of the moving average of the weights that every training ends with; 0 for none.",
    0,
    1,
  )
  define_recipe()
  flags.DEFINE_float("label_smoothing", 0.0, "Of the cross entropy.", 0, 1)
  flags.DEFINE_integer(
    "subnetworks_per_batch",
    8,
    "Different sub-networks in a batch, each on an equal share of its images and with batch-norm "
    "statistics of its own; the batch size gives every image another sub-network and the "
    "statistics of their mixture, as in the paper.",
    lower_bound=1,
  )
  flags.DEFINE_integer(
    "full_subnetworks", 1, "How many of them are the full network.", lower_bound=0
  )
  flags.DEFINE_integer(
    "smallest_subnetworks", 0, "How many of them are the smallest network.", lower_bound=0
  )
  flags.DEFINE_integer(
    "cut_subnetworks",
    None,
    "How many of them are the full network with a few layers cut, as the search proposes them; "
    "default: half of them, and none with --order=paper.",
    lower_bound=0,
  )
  flags.DEFINE_boolean(
    "own_kernels",
    False,
    "Whether every sub-network of a batch draws its own kernel sizes; needs --execution=sliced.",
  )
  flags.DEFINE_float(
    "distillation",
    0.0,
    "Share of the loss that compares every sub-network with the full network on the same images; "
    "needs --execution=sliced.",
    0,
    1,
  )
  flags.DEFINE_float(
    "size_noise",
    0.2,
    "How far the layers of a sampled sub-network differ in relative width: small values give "
    "sub-networks of all sizes from near-empty to near-full, inf draws every layer by itself.",
    lower_bound=0,
  )
  flags.DEFINE_float(
    "block_noise",
    0.0,
    "How unevenly the blocks of a sampled sub-network may be cut: with 0.5 some have nearly empty "
    "blocks beside full ones.",
    lower_bound=0,
  )
  flags.DEFINE_enum(
    "execution",
    "masked",
    ["masked", "sliced"],
    "How a batch of sub-networks runs: all channels with masks, or each sub-network's images with "
    "its own narrower weights, which can pay where each of a few sub-networks has many images; "
    "benchmarks/studies/training_step.py measures both.",
  )
  flags.DEFINE_enum(
    "mixed_precision",
    "none",
    ["none", "bfloat16", "float16"],
    "What layers compute in when they train, with variables in float32; float16 scales the loss. "
    "Scoring and the networks that are kept are float32.",
  )
  flags.DEFINE_bool(
    "jit_compile", False, "Compile loss and gradients with XLA; needs --execution=masked."
  )
  define_strategy()
  define_encoder_weights()


def define_strategy():
  flags.DEFINE_enum(
    "strategy",
    "auto",
    ["auto", "one", "mirrored", "multi_worker", "tpu"],
    "tf.distribute strategy of training and scoring: one device, all GPUs of this machine, the "
    "machines that TF_CONFIG names, or a TPU; auto takes multi_worker where TF_CONFIG names "
    "several workers, and mirrored where there are several GPUs.",
  )


def define_encoder_weights():
  flags.DEFINE_string(
    "encoder_weights",
    None,
    "File with trained weights for the first layers of the backbone: a Keras MobileNetV1 (.keras, "
    ".h5) or a float MobileNetV1 in TFLite.",
  )


def read(options_type):
  """The dataclass of one group, from the flags of the same names."""
  names = [field.name for field in dataclasses.fields(options_type)]
  values = {name: getattr(FLAGS, name) for name in names if name != TASK_SETTINGS}
  if TASK_SETTINGS in names:
    values[TASK_SETTINGS] = read_task()
  return options_type(**values)
