"""How a network is trained: one frozen value from which optimizer and schedule are made."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import keras

from nadv2_tf.options.training import OPTIMIZERS, SCHEDULES
from nadv2_tf.tasks.augmentation import Augmentation
from nadv2_tf.training.steps.precision import with_loss_scale

if TYPE_CHECKING:
  from collections.abc import Iterable, Sequence
  from typing import Any

#: parts of the names of variables that neither weight decay nor l2 is for
NO_DECAY = ("bias", "gamma", "beta")


@dataclasses.dataclass(frozen=True)
class Recipe:
  """Settings of one training.

  Attributes:
    epochs: passes over the training images.
    batch_size: global batch.
    optimizer: "sgd" (Nesterov, momentum 0.9), "rmsprop" or "adam".
    learning_rate: its largest value.
    schedule: "cosine" down to 0, or "exponential": times `decay` every `decay_epochs`.
    warmup: share of a cosine schedule in which the rate rises linearly from 1 % of its largest.
    weight_decay: decoupled, on kernels only.
    l2: of kernels, in the loss: `l2` times half their squares, so that the optimizer sees its
      gradient, `l2` times the kernel. Source: NetAdaptV2, section 4.1.1.
    decay, decay_epochs: of the exponential schedule. Source: NetAdaptV2, section 4.1.1.
    ema: momentum of the exponential moving average of the weights that training ends with; 0 for
      the weights of the last step themselves.
    mixed_precision: what the model's layers compute in; float16 scales the loss.
    shift: augmentation moves images by up to this many pixels (and mirrors half of them).
    stochastic_depth: of the model that is trained; whoever makes it reads it here.
    augmentation: one of `AUGMENTATIONS`; only "shift" uses `shift`.
    mirror: whether augmentation mirrors.
  """

  epochs: float
  batch_size: int
  optimizer: str = "sgd"
  learning_rate: float = 0.1
  schedule: str = "cosine"
  warmup: float = 0.1
  weight_decay: float = 1e-4
  l2: float = 0.0
  decay: float = 0.963
  decay_epochs: float = 3.0
  ema: float = 0.0
  shift: int = 1
  mixed_precision: str = "none"
  augmentation: str = "shift"
  mirror: bool = True
  stochastic_depth: float = 0.0

  def __post_init__(self) -> None:
    if self.optimizer not in OPTIMIZERS or self.schedule not in SCHEDULES:
      raise ValueError(
        f"--optimizer must be one of {', '.join(OPTIMIZERS)} and --schedule one of "
        f"{', '.join(SCHEDULES)}, got {self.optimizer!r} and {self.schedule!r}."
      )
    if self.epochs < 0 or self.batch_size < 1 or not self.learning_rate > 0:
      raise ValueError(
        "--epochs must be at least 0, --batch_size at least 1 and --learning_rate above 0, got "
        f"{self.epochs}, {self.batch_size} and {self.learning_rate}."
      )

    if not 0 <= self.ema < 1:
      raise ValueError(f"--ema must be at least 0 and below 1, got {self.ema}.")
    Augmentation(self.augmentation, self.shift)  # which knows its kinds

  def steps(self, examples: int) -> int:
    """Training steps over `examples` images; an epoch drops what fills no batch.

    Raises:
      ValueError: if there are fewer images than a batch.
    """
    if examples < self.batch_size:
      raise ValueError(
        f"--batch_size={self.batch_size} is more than the {examples} training images that are "
        "left after the hold-out."
      )
    return round(self.epochs * (examples // self.batch_size))

  def make_optimizer(
    self, examples: int, variables: Sequence[keras.Variable]
  ) -> keras.optimizers.Optimizer:
    """A built Keras optimizer for `variables`."""
    steps = max(self.steps(examples), 1)
    rate = self._schedule(steps, examples // self.batch_size)
    decay = self.weight_decay or None  # None spares a pass over all variables
    common: dict[str, Any] = {"weight_decay": decay}
    if self.ema:
      common |= {"use_ema": True, "ema_momentum": self.ema}
    optimizers = _optimizers()
    if self.optimizer == "sgd":
      optimizer = optimizers.SGD(rate, momentum=0.9, nesterov=True, **common)
    elif self.optimizer == "rmsprop":
      # Rho, momentum and epsilon are MobileNetV3's; NetAdaptV2 does not give them.
      optimizer = optimizers.RMSprop(rate, rho=0.9, momentum=0.9, epsilon=1e-3, **common)
    else:
      optimizer = optimizers.Adam(rate, **common)
    if decay:
      optimizer.exclude_from_weight_decay(var_names=list(NO_DECAY))
    optimizer = with_loss_scale(optimizer, self.mixed_precision)
    optimizer.build(variables)
    return optimizer

  def _schedule(
    self, steps: int, steps_per_epoch: int
  ) -> keras.optimizers.schedules.LearningRateSchedule:
    warmup = round(self.warmup * steps)
    low = self.learning_rate / 100
    if self.schedule == "cosine":
      return keras.optimizers.schedules.CosineDecay(
        low, steps - warmup, warmup_target=self.learning_rate, warmup_steps=warmup
      )
    return keras.optimizers.schedules.ExponentialDecay(
      self.learning_rate,
      max(round(self.decay_epochs * steps_per_epoch), 1),
      self.decay,
      staircase=True,
    )


def _optimizers() -> Any:
  """Where optimizers come from: on TensorFlow those whose update of a variable is one operation."""
  if keras.config.backend() != "tensorflow":
    return keras.optimizers
  from nadv2_tf.training import fused_optimizers

  return fused_optimizers


def kernels_of(variables: Iterable[keras.Variable]) -> list[keras.Variable]:
  """Those that weight decay and l2 are for."""
  return [one for one in variables if not any(part in one.name for part in NO_DECAY)]
