"""NetAdaptV1: single-layer coordinate descent in which every sample is trained.

Source: NetAdapt: Platform-Aware Neural Network Adaptation for Mobile Applications, Yang et al.,
ECCV 2018, Algorithm 1; the rule of choice and the example in the tests are those of the authors'
program.
"""

import dataclasses
import random
from collections.abc import Generator, Sequence
from typing import ClassVar

from nadv2_tf.search import descent
from nadv2_tf.search.problem import Candidate, Problem, Round, most_accurate
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.search.scd import one_layer_each
from nadv2_tf.spec import NetworkSpec


@OPTIMIZERS.register("netadaptv1")
@dataclasses.dataclass(frozen=True)
class NetAdaptV1:
  """Each iteration cuts filters of one layer alone, for every layer, and keeps the best cut.

  The best is the one that loses the least accuracy for each unit of resource that it saves. Only
  widths are searched; kernel sizes stay. Which filters of a layer stay (those with the largest L2
  norm) and the brief training of each sample are the business of a `TrainingEvaluator`. With
  scores from shared weights instead, this is SCD by ratio on widths.

  Attributes:
    initial_reduction: what the first iteration takes off, as a share of the start's resource.
    reduction_decay: factor on the reduction from one iteration to the next.

  The defaults are those of the authors' scripts.
  """

  trains_samples: ClassVar[bool] = True
  initial_reduction: float = 0.025
  reduction_decay: float = 0.96

  def __post_init__(self) -> None:
    self._schedule()

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """See `Optimizer.search`; the start is scored first, as an iteration of its own."""
    decisions = enumerate(problem.space.decisions)
    widths = [(column,) for column, decision in decisions if decision.kind == "width"]
    propose = one_layer_each(widths, rng)
    return descent.descend(problem, self._schedule(), descent.RATIO, propose)

  def choose(self, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
    """See `Optimizer.choose`."""
    return descent.choose(descent.RATIO, scored, previous)

  def pick(self, bests: Sequence[Candidate]) -> Candidate:
    """See `Optimizer.pick`."""
    return most_accurate(bests)

  def check(self, problem: Problem) -> None:
    """Raises `UnreachableTarget` if all reductions together end above the target."""
    self._schedule().check(problem)

  def amount(self, problem: Problem) -> tuple[int, int]:
    """See `Optimizer.amount`."""
    iterations = self._schedule().iterations(problem)
    widths = sum(decision.kind == "width" for decision in problem.space.decisions)
    return iterations, iterations * widths

  def _schedule(self) -> descent.Schedule:
    return descent.Schedule(self.initial_reduction, self.reduction_decay)
