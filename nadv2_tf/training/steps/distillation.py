"""What a network learns beside the labels: another network's outputs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import keras


@dataclasses.dataclass(frozen=True)
class Teacher:
  """A trained network, and how much of the loss compares with it.

  Attributes:
    model: plain Keras model of the same images and outputs; never changed.
    share: of the loss, in [0, 1]; the rest is that of the labels.

  Raises:
    ValueError: for another share.

  Source: Hinton et al., Distilling the Knowledge in a Neural Network, 2015; temperature 1.
  """

  model: keras.Model
  share: float

  def __post_init__(self) -> None:
    check_share(self.share)


def check_share(share: float, flag: str = "finetune_distillation") -> None:
  """Raises ValueError if no training can imitate with such a share of its loss."""
  if not 0 <= share <= 1:
    raise ValueError(f"--{flag} must be from 0 to 1, got {share}.")
