"""How each training of a run goes: recipes, and what is drawn for the super-network."""

import dataclasses

from nadv2_tf.models.stochastic_depth import branch_rates
from nadv2_tf.pipeline import encoder_weights
from nadv2_tf.training import strategies
from nadv2_tf.training.distillation import check_share
from nadv2_tf.training.execution import check_execution
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.widths import WidthSampler


def super_recipe(options):
  """`Recipe` of the super-network, of `TrainOptions`."""
  return Recipe(
    options.epochs,
    options.batch_size,
    options.optimizer,
    options.learning_rate,
    options.schedule,
    weight_decay=options.weight_decay,
    decay=options.decay,
    decay_epochs=options.decay_epochs,
    ema=options.ema,
    mixed_precision=options.mixed_precision,
    augmentation=options.augmentation,
    stochastic_depth=options.stochastic_depth,
  )


def finetune_recipe(train_options, finetune_options):
  """`Recipe` of a network that was cut out; what is not given is the super-network's."""
  own = {
    "augmentation": finetune_options.finetune_augmentation,
    "stochastic_depth": finetune_options.finetune_stochastic_depth,
  }
  return dataclasses.replace(
    super_recipe(train_options),
    epochs=finetune_options.finetune_epochs,
    learning_rate=finetune_options.finetune_learning_rate,
    **{name: value for name, value in own.items() if value is not None},
  )


def width_sampler(bench):
  options = bench.train_options
  steps_per_epoch = len(bench.datasets.train) // options.batch_size
  return WidthSampler(
    bench.space,
    options.batch_size,
    options.subnetworks_per_batch,
    options.full_subnetworks,
    full_steps=round(options.full_epochs * steps_per_epoch),
    size_noise=options.size_noise,
    seed=bench.seed,
    smallest=options.smallest_subnetworks,
    own_kernels=options.own_kernels,
    block_noise=options.block_noise,
  )


def check_recipes(bench, finetune_options=None):
  """Raises ValueError for settings that training would trip over only later."""
  options = bench.train_options
  _check_recipe(bench, super_recipe(options))
  check_execution(
    options.execution,
    width_sampler(bench),
    options.distillation,
    options.jit_compile,
    options.mixed_precision,
  )
  strategies.check_replicas(
    bench.strategy, options.batch_size, options.subnetworks_per_batch, options.execution
  )
  path = options.encoder_weights
  if path and not bench.folder.super_weights.exists():  # else they are in there
    encoder_weights.match(path, bench.space.largest())
  if finetune_options:
    _check_recipe(bench, finetune_recipe(options, finetune_options))
    check_share(finetune_options.finetune_distillation)


def _check_recipe(bench, recipe):
  recipe.steps(len(bench.datasets.train))
  bench.task.augmentation(recipe.augmentation, recipe.shift)
  branch_rates(bench.space.network, recipe.stochastic_depth)
