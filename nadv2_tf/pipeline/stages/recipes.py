"""How each training of a run goes: recipes, and what is drawn for the super-network."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from nadv2_tf.models.stochastic_depth import branch_rates
from nadv2_tf.options.settled import RATE
from nadv2_tf.pipeline.stages import trained_weights
from nadv2_tf.training import strategies
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.steps.distillation import check_share
from nadv2_tf.training.steps.execution import check_execution
from nadv2_tf.training.widths import WidthSampler

if TYPE_CHECKING:
  from nadv2_tf.options import FinetuneOptions, TrainOptions
  from nadv2_tf.pipeline.stages.workbench import Workbench

#: see `soft_targets`
SOFT_TARGETS = 0.5


def super_recipe(options: TrainOptions) -> Recipe:
  """`Recipe` of the super-network's training: what both have by the same name."""
  given = vars(options)
  names = [field.name for field in dataclasses.fields(Recipe) if field.name in given]
  return Recipe(**{name: given[name] for name in names})


def full_recipe(options: TrainOptions) -> Recipe:
  """`Recipe` of the full network, trained before the super-network."""
  rate = RATE if options.full_learning_rate is None else options.full_learning_rate
  return dataclasses.replace(super_recipe(options), epochs=options.full_epochs, learning_rate=rate)


def half_recipe(options: TrainOptions, epochs: float) -> Recipe:
  """`Recipe` of the super-network's training for one half of a search, of so many epochs."""
  return dataclasses.replace(super_recipe(options), epochs=epochs)


def head_recipe(options: TrainOptions) -> Recipe:
  """`Recipe` of the new classifier of a given network, trained alone before all else."""
  return dataclasses.replace(
    super_recipe(options),
    epochs=options.head_epochs,
    learning_rate=options.head_learning_rate,
    stochastic_depth=0.0,
    ema=0.0,
  )


def is_full_first(options: TrainOptions) -> bool:
  """Whether `TrainOptions` train the full network by itself before the super-network."""
  return options.order == "full_first"


def finetune_recipe(train_options: TrainOptions, finetune_options: FinetuneOptions) -> Recipe:
  """`Recipe` of a network that was cut out; what is not given is the super-network's."""
  own: dict[str, Any] = {
    "batch_size": finetune_options.finetune_batch_size,
    "augmentation": finetune_options.finetune_augmentation,
    "stochastic_depth": finetune_options.finetune_stochastic_depth,
  }
  rate = finetune_options.finetune_learning_rate
  return dataclasses.replace(
    super_recipe(train_options),
    epochs=finetune_options.finetune_epochs,
    learning_rate=RATE if rate is None else rate,
    **{name: value for name, value in own.items() if value is not None},
  )


def width_sampler(bench: Workbench) -> WidthSampler:
  options = bench.train_options
  steps_per_epoch = len(bench.datasets.train) // options.batch_size
  return WidthSampler(
    bench.space,
    options.batch_size,
    options.subnetworks_per_batch,
    options.full_subnetworks,
    full_steps=0 if is_full_first(options) else round(options.full_epochs * steps_per_epoch),
    size_noise=options.size_noise,
    seed=bench.seed,
    smallest=options.smallest_subnetworks,
    own_kernels=options.own_kernels,
    block_noise=options.block_noise,
    cut=cut_subnetworks(options),
  )


def soft_targets(options: TrainOptions) -> float:
  """Share of the super-network's loss that compares with the full network as trained first."""
  if options.soft_targets is not None:
    return options.soft_targets
  return SOFT_TARGETS if is_full_first(options) and not options.distillation else 0.0


def imitation(options: FinetuneOptions) -> float:
  """Share of the loss of networks that were cut out that compares with the full network."""
  return options.finetune_distillation or 0.0


def cut_subnetworks(options: TrainOptions) -> int:
  """How many of a batch's sub-networks are the full network with a few layers cut."""
  if options.cut_subnetworks is not None:
    return options.cut_subnetworks
  if not is_full_first(options):
    return 0
  others = options.full_subnetworks + options.smallest_subnetworks
  return max(min(options.subnetworks_per_batch // 2, options.subnetworks_per_batch - others), 0)


def check_recipes(bench: Workbench, finetune_options: FinetuneOptions | None = None) -> None:
  """Raises ValueError for settings that training would trip over only later."""
  options = bench.train_options
  _check_recipe(bench, super_recipe(options))
  if is_full_first(options):
    _check_recipe(bench, full_recipe(options))
    check_share(soft_targets(options), "soft_targets")
    if soft_targets(options) and options.distillation:
      raise ValueError(
        "--soft_targets compare with the full network as it was trained first, --distillation with "
        "the one inside the super-network; give one of them."
      )
  elif soft_targets(options):
    raise ValueError(
      "--soft_targets are those of the full network that --order=full_first trains before; with "
      "--order=paper leave them out."
    )
  if options.epochs:
    check_sampled(options)
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
  path = trained_weights.path_of(bench)
  if path and not bench.folder.super_weights.exists():  # else they are in there
    trained_weights.check(path, bench.space.largest())
  if bench.given and not is_full_first(options):
    raise ValueError(
      "--order=paper trains the super-network from the start; a given network is what "
      "--order=full_first begins with."
    )
  if finetune_options:
    _check_finetuning(bench, finetune_recipe(options, finetune_options))
    check_share(imitation(finetune_options))


def check_sampled(options: TrainOptions) -> None:
  """Raises ValueError if a batch of the super-network has no sub-network but the full one."""
  if options.full_subnetworks == options.subnetworks_per_batch:
    raise ValueError(
      f"--full_subnetworks={options.full_subnetworks} of --subnetworks_per_batch="
      f"{options.subnetworks_per_batch} leave no other sub-network to train: the super-network "
      "would know full widths alone. Give fewer, such as --full_subnetworks=0."
    )


def _check_finetuning(bench: Workbench, recipe: Recipe) -> None:
  try:
    _check_recipe(bench, recipe)
    strategies.check_replicas(bench.strategy, recipe.batch_size, None, "masked")
  except ValueError as error:
    if recipe.batch_size == bench.train_options.batch_size:
      raise
    text = str(error).replace("--batch_size", "--finetune_batch_size")
    raise ValueError(text) from None


def _check_recipe(bench: Workbench, recipe: Recipe) -> None:
  recipe.steps(len(bench.datasets.train))
  bench.task.augmentation(recipe.augmentation, recipe.shift, recipe.mirror)
  branch_rates(bench.space.network, recipe.stochastic_depth)
