"""How networks that were cut out are trained on."""

import dataclasses

from nadv2_tf.option import OptionGroup, option
from nadv2_tf.options.training import AUGMENTATIONS, AUGMENTED

#: those that the trained full network is needed for
FROM_FULL = ("full", "tried")
TRANSFERS = ("direct", "full", "tried", "trajectory")


@dataclasses.dataclass(frozen=True)
class FinetuneOptions(OptionGroup):
  """How a network that was cut out is trained on."""

  finetune_epochs: float = option(
    15.0, "Epochs of training for the network that was cut out.", low=0
  )
  finetune_learning_rate: float | None = option(
    None,
    "Largest learning rate of fine-tuning; default: 1e-2, and 1e-3 where a given network began "
    "with trained weights.",
  )
  transfer: str = option(
    "full",
    "What training starts from: the super-network's weights; those of the full network, which is "
    "trained before (with --order=paper for --finetune_epochs); tried: of these two what has more "
    "accuracy on the hold-out after a quarter of an epoch; or, for the found network, weights "
    "trained and cut down from the full network along the search's trajectory.",
    choices=TRANSFERS,
  )
  transfer_epochs: float = option(2.0, "Epochs for each network of the trajectory.", low=0)
  finetune_augmentation: str | None = option(
    None,
    f"In fine-tuning, by default as --augmentation says: {AUGMENTED}",
    choices=AUGMENTATIONS,
  )
  finetune_stochastic_depth: float | None = option(
    None,
    "--stochastic_depth of fine-tuning; default: that of the super-network.",
    low=0,
    high=1,
  )
  finetune_distillation: float | None = option(
    None,
    "Share of the loss that compares with the outputs of the full network, trained before; "
    "default: 0, and 0.5 where a given network began with trained weights.",
    low=0,
    high=1,
  )
  finetune_holdout: bool = option(
    True,
    "Whether networks that were cut out are trained on the hold-out's images too: the search is "
    "over, and nothing is chosen by them any more.",
  )
  finetune_batch_size: int | None = option(
    None, "Images per step of fine-tuning; default: --batch_size.", low=1
  )


@dataclasses.dataclass(frozen=True)
class TrustOptions(OptionGroup):
  """How many samples of the search are trained to see whether it ranked them right."""

  trust_samples: int = option(
    0,
    "How many samples of the search, spread over its range, are cut out and trained as well, to "
    "report how well the search's scores rank them (Kendall's tau); 0 reports nothing, else at "
    "least 3, and some 20 for a useful interval.",
    low=0,
  )
  trust_epochs: float = option(2.0, "Epochs of training for each of these samples.", low=0)
