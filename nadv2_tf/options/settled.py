"""Defaults that depend on what a run begins with: fresh weights or trained ones."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.options.network import begins_trained

if TYPE_CHECKING:
  from nadv2_tf.options.finetune import FinetuneOptions
  from nadv2_tf.options.network import NetworkOptions
  from nadv2_tf.options.run import RunOptions
  from nadv2_tf.options.training import TrainOptions

#: largest learning rate of a plain network with fresh weights, and with trained ones
RATE, TRAINED_RATE = 1e-2, 1e-3
#: share of the loss that imitates the full network, where that was trained by others
IMITATION = 0.5


def settled(options: RunOptions) -> RunOptions:
  """`RunOptions` in which no such default is open."""
  train = settled_train(options.network, options.train)
  finetune = settled_finetune(options.network, options.finetune)
  return dataclasses.replace(options, train=train, finetune=finetune)


def settled_train(network: NetworkOptions, train: TrainOptions) -> TrainOptions:
  """`TrainOptions` with the full network's learning rate."""
  if train.full_learning_rate is not None:
    return train
  return dataclasses.replace(train, full_learning_rate=_rate(network))


def settled_finetune(network: NetworkOptions, finetune: FinetuneOptions) -> FinetuneOptions:
  """`FinetuneOptions` with the learning rate and the share of imitation."""
  rate, share = finetune.finetune_learning_rate, finetune.finetune_distillation
  usual = IMITATION if begins_trained(network) else 0.0
  return dataclasses.replace(
    finetune,
    finetune_learning_rate=_rate(network) if rate is None else rate,
    finetune_distillation=usual if share is None else share,
  )


def _rate(network: NetworkOptions) -> float:
  return TRAINED_RATE if begins_trained(network) else RATE
