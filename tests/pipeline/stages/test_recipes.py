"""What options say of trainings, and what they say where they are silent."""

import dataclasses
import types

import pytest

from nadv2_tf import backbones
from nadv2_tf.options import FinetuneOptions, NetworkOptions, SearchOptions, TrainOptions
from nadv2_tf.pipeline.stages import halves, recipes
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.training import strategies

TRAIN = TrainOptions(
  epochs=2, full_epochs=3, batch_size=16, optimizer="adam", learning_rate=1e-3, schedule="cosine",
  weight_decay=0.0, label_smoothing=0.0, ema=0.0, subnetworks_per_batch=8, full_subnetworks=1,
  smallest_subnetworks=0, own_kernels=False, distillation=0.0, size_noise=0.2, execution="masked",
  strategy="one", order="full_first", full_learning_rate=0.5, soft_targets=None,
  cut_subnetworks=None,
)  # fmt: skip
FINETUNE = FinetuneOptions(4, 0.25, finetune_batch_size=32)


def bench_of(images=64, **changes):
  return types.SimpleNamespace(
    train_options=dataclasses.replace(TRAIN, **changes),
    datasets=types.SimpleNamespace(train=range(images)),
    space=backbones.search_space("mobilenet_v3_cifar_small"),
    task=Classification("demo", 32, 1, 0),
    strategy=strategies.make_strategy("one"),
    network_options=NetworkOptions("mobilenet_v3_cifar_small"),
    given=None,
    seed=0,
  )


def test_what_is_silent_follows_the_order():
  paper = dataclasses.replace(TRAIN, order="paper")
  assert (recipes.soft_targets(TRAIN), recipes.cut_subnetworks(TRAIN)) == (0.5, 4)
  assert (recipes.soft_targets(paper), recipes.cut_subnetworks(paper)) == (0, 0)
  given = dataclasses.replace(TRAIN, soft_targets=0.25, cut_subnetworks=2)
  assert (recipes.soft_targets(given), recipes.cut_subnetworks(given)) == (0.25, 2)
  # The full network of the same step is imitated already; and others leave no room for half.
  assert recipes.soft_targets(dataclasses.replace(TRAIN, distillation=0.5)) == 0
  assert recipes.cut_subnetworks(dataclasses.replace(TRAIN, full_subnetworks=7)) == 1


def test_each_training_has_its_own_rate_epochs_and_batch():
  full, own = recipes.full_recipe(TRAIN), recipes.finetune_recipe(TRAIN, FINETUNE)
  assert (full.epochs, full.learning_rate, full.batch_size) == (3, 0.5, 16)
  assert (own.epochs, own.learning_rate, own.batch_size) == (4, 0.25, 32)
  assert recipes.finetune_recipe(TRAIN, FinetuneOptions(4, 0.25)).batch_size == 16


@pytest.mark.parametrize(
  ("message", "images", "changes"),
  [
    ("--order must be one of full_first, paper, got 'last'", 64, {"order": "last"}),
    ("--soft_targets are those of .*=full_first", 64, {"order": "paper", "soft_targets": 1}),
    ("give one of them", 64, {"soft_targets": 0.5, "distillation": 0.5, "execution": "sliced"}),
    ("--soft_targets must be at most 1, got 2", 64, {"soft_targets": 2}),
    ("--full_subnetworks=8 of --subnetworks_per_batch=8 leave no", 64, {"full_subnetworks": 8}),
    ("^--batch_size=16 is more than the 8 training images", 8, {}),
    ("^--finetune_batch_size=32 is more than the 24 training images", 24, {}),
  ],
)  # fmt: skip
def test_what_cannot_be_is_said_with_its_flag(message, images, changes):
  with pytest.raises(ValueError, match=message):
    recipes.check_recipes(bench_of(images, **changes), FINETUNE)


def test_a_super_network_that_is_not_trained_needs_no_sub_networks():
  bench = bench_of(epochs=0, full_subnetworks=8)
  recipes.check_recipes(bench, FINETUNE)
  halves.check_steps(bench, SearchOptions(half_epochs=0))
  with pytest.raises(ValueError, match="--full_subnetworks=8 of .* leave no other sub-network"):
    halves.check_steps(bench, SearchOptions(half_epochs=1))
