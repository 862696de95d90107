"""The recipes of a run's trainings, made of its options."""

from nadv2_tf.training.recipe import Recipe


def super_recipe(options):
  """`Recipe` of the super-network, of `TrainOptions`."""
  return Recipe(
    options.epochs,
    options.batch_size,
    options.optimizer,
    options.learning_rate,
    options.schedule,
    weight_decay=options.weight_decay,
    ema=options.ema,
    mixed_precision=options.mixed_precision,
    augmentation=options.augmentation,
    stochastic_depth=options.stochastic_depth,
  )


def finetune_recipe(train_options, finetune_options):
  """`Recipe` of a network that was cut out; what is not given is the super-network's."""
  augmentation = finetune_options.finetune_augmentation
  depth = finetune_options.finetune_stochastic_depth
  return Recipe(
    finetune_options.finetune_epochs,
    train_options.batch_size,
    train_options.optimizer,
    finetune_options.finetune_learning_rate,
    train_options.schedule,
    weight_decay=train_options.weight_decay,
    ema=train_options.ema,
    mixed_precision=train_options.mixed_precision,
    augmentation=train_options.augmentation if augmentation is None else augmentation,
    stochastic_depth=train_options.stochastic_depth if depth is None else depth,
  )
