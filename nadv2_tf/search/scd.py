"""Single-layer coordinate descent: NetAdaptV1's optimizer over a super-network.

Source: NetAdaptV2, section 2.4, which replaces it by MCD.
"""

import dataclasses
import random
from collections.abc import Generator, Sequence
from typing import ClassVar

from nadv2_tf.option import check_options
from nadv2_tf.search import descent
from nadv2_tf.search.problem import Candidate, Problem, Round, most_accurate
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.spec import NetworkSpec


@OPTIMIZERS.register("scd")
@dataclasses.dataclass(frozen=True)
class SingleLayerCoordinateDescent:
  """Each iteration scores one sample for every layer: that layer alone is shrunk.

  It is MCD with L = 1 where each layer is taken once, in the order in which the layers run,
  instead of J times at random. A layer that cannot reach the goal by itself gives no sample.

  Attributes: as of `MultiLayerCoordinateDescent`.
  """

  trains_samples: ClassVar[bool] = False
  initial_reduction: float = descent.initial_reduction()
  reduction_decay: float = descent.reduction_decay()
  choose_by: str = descent.choose_by()

  def __post_init__(self) -> None:
    check_options(self)
    self._schedule()

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """See `Optimizer.search`. Raises `UnreachableTarget` if the schedule ends above the target."""
    propose = one_layer_each(descent.layers_of(problem.space), rng)
    return descent.descend(problem, self._schedule(), self.choose_by, propose)

  def choose(self, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
    """See `Optimizer.choose`."""
    return descent.choose(self.choose_by, scored, previous)

  def pick(self, bests: Sequence[Candidate]) -> Candidate:
    """See `Optimizer.pick`."""
    return most_accurate(bests)

  def check(self, problem: Problem) -> None:
    """Raises `UnreachableTarget` if all reductions together end above the target."""
    self._schedule().check(problem)

  def amount(self, problem: Problem) -> tuple[int, int]:
    """See `Optimizer.amount`."""
    iterations = self._schedule().iterations(problem)
    return iterations, iterations * len(descent.layers_of(problem.space))

  def _schedule(self) -> descent.Schedule:
    return descent.Schedule(self.initial_reduction, self.reduction_decay)


def one_layer_each(layers: Sequence[descent.Layer], rng: random.Random) -> descent.Propose:
  """A `propose` of `descent.descend`: one sample for each of `layers`, which alone is shrunk."""

  def propose(stage: Problem, best: NetworkSpec, goal: float) -> Sequence[NetworkSpec]:
    shrunk = (descent.shrunk(stage, best, [layer], goal, rng) for layer in layers)
    return [sample for sample in shrunk if sample is not None]

  return propose
