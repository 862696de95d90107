"""The uniformly scaled network: what any search must beat."""

import dataclasses
import random
from collections.abc import Callable, Generator, Sequence
from typing import ClassVar

from nadv2_tf.search.problem import Candidate, Problem, Round, UnreachableTarget
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.spec import NetworkSpec, SearchSpace


@OPTIMIZERS.register("uniform")
@dataclasses.dataclass(frozen=True)
class UniformScaling:
  """Every width times one share, the largest share that meets the target; kernels stay full.

  One network is scored for each target. Its widths need not lie on the search's grid, because a
  grid of a few levels would leave it far below the target, and no fair comparison.

  Source: the width multiplier of MobileNets, Howard et al. 2017, section 3.3.
  """

  trains_samples: ClassVar[bool] = False

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """See `Optimizer.search`. Raises `UnreachableTarget` if one filter a layer is too much."""
    found: NetworkSpec | None = None
    for target in reversed(problem.targets):
      stage = problem.at(target)
      spec = scaled_to(stage.space, stage.meter.measure, target)
      smallest = stage.meter.measure(spec)
      if smallest > target:
        raise UnreachableTarget(
          f"No uniformly scaled network gets to {target:g} {stage.meter.unit}; the smallest has "
          f"{smallest:g}."
        )
      yield (spec,)
      found = found or spec
    assert found is not None  # a problem has a target
    return found

  def check(self, problem: Problem) -> None:
    """See `Optimizer.check`."""
    next(self.search(problem, random.Random(0)))

  def amount(self, problem: Problem) -> tuple[int, int]:
    """See `Optimizer.amount`."""
    return len(problem.targets), len(problem.targets)

  def pick(self, bests: Sequence[Candidate]) -> Candidate:
    """See `Optimizer.pick`: the largest, whatever it scored; it is what each target asks for."""
    return max(bests, key=lambda best: best.resource)

  def choose(self, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
    """See `Optimizer.choose`: the only candidate."""
    return scored[0]


def uniformly_scaled(space: SearchSpace, share: float) -> NetworkSpec:
  """The largest network with every searched width times `share`, at least 1, and full kernels."""
  spec = space.largest()
  for decision in space.decisions:
    if decision.kind == "width":
      width = max(round(decision.choices[-1] * share), 1)
      for index in decision.blocks:
        spec = spec.with_block(index, **{decision.field: width})
  return dataclasses.replace(spec, name=f"{space.network.name}_x{share:.3f}")


def scaled_to(
  space: SearchSpace,
  measure: Callable[[NetworkSpec], float],
  goal: float,
  low: float = 0.02,
  high: float = 1.0,
  rounds: int = 30,
) -> NetworkSpec:
  """The widest uniformly scaled network whose `measure` is at most `goal`.

  It is the one of share `low` if none is.
  """
  for _ in range(rounds):
    share = (low + high) / 2
    if measure(uniformly_scaled(space, share)) <= goal:
      low = share
    else:
      high = share
  return uniformly_scaled(space, low)
