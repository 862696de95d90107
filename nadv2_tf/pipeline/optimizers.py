"""The optimizer of a run: --search_optimizer and the flags that belong to it."""

import math

from nadv2_tf.search import (
  Evolution,
  MultiLayerCoordinateDescent,
  RandomSearch,
  SingleLayerCoordinateDescent,
  UniformScaling,
  UnreachableTarget,
)

NAMES = ("mcd", "scd", "random", "evolution", "uniform")
#: flags that only one optimizer takes; they have no value unless they are given
ONLY_FOR = {"samples": "random", "generations": "evolution"}


def check_name(name):
  """Raises ValueError if the commands have no such optimizer."""
  if name == "netadaptv1":
    raise ValueError(
      "netadaptv1 trains every sample, and the commands only score samples with shared weights; "
      "it is there from Python alone, with a TrainingEvaluator (nadv2_tf.search.NetAdaptV1 and "
      "nadv2_tf.training.netadaptv1)."
    )
  if name not in NAMES:
    raise ValueError(f"must be one of {', '.join(NAMES)}, got {name!r}.")


def check(options):
  """Raises ValueError for an optimizer, or a flag of one, that the search has no use for."""
  try:
    check_name(options.search_optimizer)
  except ValueError as error:
    raise ValueError(f"--search_optimizer: {error}") from None
  for flag, optimizer in ONLY_FOR.items():
    if getattr(options, flag) is not None and options.search_optimizer != optimizer:
      raise ValueError(
        f"--{flag} is for --search_optimizer={optimizer}; {options.search_optimizer} does not "
        "take it."
      )


def optimizer_of(options, problem):
  """The `Optimizer` that `options` ask for, ready for `problem`.

  Raises:
    UnreachableTarget: if its schedule ends above the smallest target.
    ValueError: if its settings are out of range.
  """
  name = options.search_optimizer
  if name == "random":
    return RandomSearch(options.samples or samples_of_mcd(options, problem))
  if name == "evolution":
    return Evolution(generations=options.generations or Evolution.generations)
  if name == "uniform":
    next(UniformScaling().search(problem, None))  # told before training, not after
    return UniformScaling()
  made = _mcd(options) if name == "mcd" else _scd(options)
  made.check_schedule(problem)
  return made


def _mcd(options):
  return MultiLayerCoordinateDescent(
    options.samples_per_iteration,
    options.layers_per_sample,
    options.initial_reduction,
    options.reduction_decay,
  )


def _scd(options):
  return SingleLayerCoordinateDescent(options.initial_reduction, options.reduction_decay)


def samples_of_mcd(options, problem):
  """How many samples, for each target, MCD would score with the same flags.

  Raises:
    ValueError: if its schedule does not reach the target.
  """
  try:
    iterations = _mcd(options).iterations(problem)
  except UnreachableTarget as error:
    raise ValueError(
      f"--samples must be given: its default is what mcd would take, and that gets nowhere. {error}"
    ) from None
  # At least one: a target that the start meets takes no iteration, and no sample either.
  return max(math.ceil(iterations * options.samples_per_iteration / len(problem.targets)), 1)
