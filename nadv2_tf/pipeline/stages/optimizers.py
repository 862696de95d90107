"""The optimizer of a run: --search_optimizer, built from the options of its own fields."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nadv2_tf.option import options_of
from nadv2_tf.pipeline.aim import amounts
from nadv2_tf.search import (
  OPTIMIZERS,
  Differentiable,
  MultiLayerCoordinateDescent,
  UnreachableTarget,
)
from nadv2_tf.search.differentiable import SURROGATE
from nadv2_tf.search.needs import check_metric

if TYPE_CHECKING:
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.search import Optimizer, Problem

#: whose halves may be trained for
HURRICANE = "hurricane"


def check(options: SearchOptions) -> None:
  """Raises ValueError for a setting of an optimizer that the search has no use for.

  Those of mcd go with every optimizer: they say how many samples random takes by default.
  """
  for name in options.optimizer_settings:
    takers = [optimizer for optimizer in OPTIMIZERS if name in options_of(OPTIMIZERS[optimizer])]
    if not takers:
      raise ValueError(f"No optimizer has a setting {name!r}.")
    if not {options.search_optimizer, "mcd"} & set(takers):
      raise ValueError(
        f"--{name} is for --search_optimizer={' or '.join(takers)}; {options.search_optimizer} "
        "does not take it."
      )
  _check_halves(options)


def _check_halves(options: SearchOptions) -> None:
  """Raises ValueError if the super-network cannot be trained for each half of a search."""
  if not options.half_epochs:
    return
  if options.search_optimizer != HURRICANE:
    raise ValueError(
      f"--half_epochs is for --search_optimizer={HURRICANE}, which searches one half of the blocks "
      f"after the other; {options.search_optimizer} does not take it."
    )
  if len(amounts.parse_targets(options.target, 1.0)) > 1:
    raise ValueError(
      f"--half_epochs trains the super-network for one target, got --target={options.target}. Give "
      "each target a run of its own, or leave --half_epochs out: then all are searched with one "
      "super-network, which --epochs trains."
    )


def optimizer_of(options: SearchOptions, problem: Problem) -> Optimizer:
  """The `Optimizer` that `options` ask for, ready for `problem`.

  Raises:
    UnreachableTarget: if it knows already that it cannot reach the smallest target.
    UnmetNeed: if the metric has not what it needs.
    ValueError: if its settings are out of range.
  """
  settings = _settings(options, options.search_optimizer)
  if options.search_optimizer == "random" and "samples" not in settings:
    settings["samples"] = samples_of_mcd(options, problem)
  optimizer = OPTIMIZERS[options.search_optimizer](**settings)
  # Told before training, not after.
  check_metric(optimizer, problem)
  optimizer.check(problem)
  return optimizer


def _settings(options: SearchOptions, name: str) -> dict:
  """Those of the given settings that the optimizer `name` has."""
  own = options_of(OPTIMIZERS[name])
  return {key: value for key, value in options.optimizer_settings.items() if key in own}


def goes_downhill(options: SearchOptions) -> bool:
  """Whether it is the loss of the super-network that is followed."""
  own = OPTIMIZERS[options.search_optimizer]
  return own is Differentiable and options.optimizer_settings["slopes"] != SURROGATE


def mcd_of(options: SearchOptions) -> MultiLayerCoordinateDescent:
  """MCD with the settings that `options` have for it, whatever they search with."""
  return MultiLayerCoordinateDescent(**_settings(options, "mcd"))


def samples_per_iteration(options: SearchOptions) -> int:
  """J of mcd; for the other optimizers what it would be."""
  return mcd_of(options).samples_per_iteration


def samples_of_mcd(options: SearchOptions, problem: Problem) -> int:
  """How many samples, for each target, MCD would score with the same flags.

  Raises:
    ValueError: if its schedule does not reach the target.
  """
  try:
    iterations = mcd_of(options).iterations(problem)
  except UnreachableTarget as error:
    raise UnreachableTarget(
      f"--samples must be given: its default is what mcd would take, and that gets nowhere. {error}"
    ) from None
  # At least one: a target that the start meets takes no iteration, and no sample either.
  return max(math.ceil(iterations * samples_per_iteration(options) / len(problem.targets)), 1)
