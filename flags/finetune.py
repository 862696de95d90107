"""Flags of the trainings of networks that were cut out."""

from absl import flags
from nadv2_tf.flags.images import define_finetune_recipe


def define_finetune():
  flags.DEFINE_float(
    "finetune_epochs", 10, "Epochs of training for the network that was cut out.", lower_bound=0
  )
  flags.DEFINE_integer(
    "finetune_batch_size", None, "Images per step of fine-tuning; default: --batch_size.", 1
  )
  flags.DEFINE_float("finetune_learning_rate", 1e-2, "Largest learning rate of fine-tuning.")
  flags.DEFINE_enum(
    "transfer",
    "full",
    ["direct", "full", "trajectory"],
    "What training starts from: the super-network's weights; those of the full network, which is "
    "trained before (with --order=paper for --finetune_epochs); or, for the found network, "
    "weights trained and cut down from the full network along the search's trajectory.",
  )
  flags.DEFINE_float(
    "transfer_epochs", 2, "Epochs for each network of the trajectory.", lower_bound=0
  )
  flags.DEFINE_float(
    "finetune_distillation",
    0,
    "Share of the loss that compares with the outputs of the full network, trained before.",
    0,
    1,
  )
  flags.DEFINE_boolean(
    "finetune_holdout",
    True,
    "Whether networks that were cut out are trained on the hold-out's images too: the search is "
    "over, and nothing is chosen by them any more.",
  )
  define_finetune_recipe()


def define_trust():
  flags.DEFINE_integer(
    "trust_samples",
    0,
    "How many samples of the search, spread over its range, are cut out and trained as well, to "
    "report how well the search's scores rank them (Kendall's tau); 0 reports nothing, else at "
    "least 3, and some 20 for a useful interval.",
    lower_bound=0,
  )
  flags.DEFINE_float(
    "trust_epochs", 2, "Epochs of training for each of these samples.", lower_bound=0
  )
