"""Multi-layer coordinate descent.

Source: NetAdaptV2, section 2.4; published settings in section 4.1.1 and appendix D.
"""

import dataclasses
import random
from collections.abc import Generator, Sequence
from typing import ClassVar

from nadv2_tf.option import check_options, option
from nadv2_tf.search import descent
from nadv2_tf.search.problem import Candidate, Problem, Round, most_accurate
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.spec import NetworkSpec

#: a sample that comes out like an earlier one is drawn again, at most this often on average
REDRAWS = 10


@OPTIMIZERS.register("mcd")
@dataclasses.dataclass(frozen=True)
class MultiLayerCoordinateDescent:
  """Each iteration scores J samples, each of which shrinks L random layers of the best so far.

  Attributes:
    samples_per_iteration: J.
    layers_per_sample: L; a layer is a width with, for depthwise layers, its kernel size.
    initial_reduction: what the first iteration takes off, as a share of the start's resource.
    reduction_decay: factor on the reduction from one iteration to the next.
    choose_by: see `descent.choose`; "ratio" is NetAdaptV1's rule, the paper takes "accuracy".

  Differs from the paper, which says little of how a sample is shrunk: the last iteration stops
  shrinking at the target instead of at its own goal, because what lies between them is accuracy
  given away; for the same reason grid steps that a sample's goal does not need are taken back (see
  `descent.shrunk`); and layers that cannot shrink any further are not drawn.
  """

  trains_samples: ClassVar[bool] = False
  samples_per_iteration: int = option(
    24, "Samples scored in each iteration, J of the paper.", low=1
  )
  layers_per_sample: int = option(3, "Layers that each sample shrinks, L of the paper.", low=1)
  initial_reduction: float = descent.initial_reduction()
  reduction_decay: float = descent.reduction_decay()
  choose_by: str = descent.choose_by()

  def __post_init__(self) -> None:
    check_options(self)
    self._schedule()

  @classmethod
  def published(cls) -> "MultiLayerCoordinateDescent":
    """With the settings of the published search for latency (section 4.1.1)."""
    return cls(200, 10, 0.03, 0.98, descent.ACCURACY)

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """See `Optimizer.search`. Raises `UnreachableTarget` if the schedule ends above the target."""
    layers = descent.layers_of(problem.space)

    def propose(stage: Problem, best: NetworkSpec, goal: float) -> Sequence[NetworkSpec]:
      return self._samples(stage, best, goal, layers, rng)

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
    iterations = self.iterations(problem)
    return iterations, iterations * self.samples_per_iteration

  def iterations(self, problem: Problem) -> int:
    """See `descent.Schedule.iterations`."""
    return self._schedule().iterations(problem)

  def _schedule(self) -> descent.Schedule:
    return descent.Schedule(self.initial_reduction, self.reduction_decay)

  def _samples(
    self,
    stage: Problem,
    best: NetworkSpec,
    goal: float,
    layers: Sequence[descent.Layer],
    rng: random.Random,
  ) -> Sequence[NetworkSpec]:
    """J different samples of at most `goal`, or as many as there are."""
    layers = descent.shrinkable(stage.space, best, layers)
    drawn = min(self.layers_per_sample, len(layers))
    samples: dict[tuple[int, ...], NetworkSpec] = {}
    for _ in range(REDRAWS * self.samples_per_iteration):
      sample = descent.shrunk(stage, best, rng.sample(layers, drawn), goal, rng)
      if sample is not None:
        samples.setdefault(stage.space.encode(sample), sample)
      if len(samples) == self.samples_per_iteration:
        break
    return tuple(samples.values())
