"""Multi-layer coordinate descent.

Source: NetAdaptV2, section 2.4; published settings in section 4.1.1 and appendix D.
"""

import dataclasses

from nadv2_tf.search import descent
from nadv2_tf.search.registry import OPTIMIZERS

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
    score: see `descent.choose`; "ratio" is NetAdaptV1's rule.

  Differs from the paper, which says little of how a sample is shrunk: the last iteration stops
  shrinking at the target instead of at its own goal, because what lies between them is accuracy
  given away; for the same reason grid steps that a sample's goal does not need are taken back (see
  `descent.shrunk`); and layers that cannot shrink any further are not drawn.
  """

  samples_per_iteration: int = 200
  layers_per_sample: int = 10
  initial_reduction: float = 0.03
  reduction_decay: float = 0.98
  score: str = "accuracy"

  def __post_init__(self):
    if self.samples_per_iteration < 1 or self.layers_per_sample < 1:
      raise ValueError(
        "--samples_per_iteration and --layers_per_sample must be at least 1, got "
        f"{self.samples_per_iteration} and {self.layers_per_sample}."
      )
    descent.check_score(self.score)
    self._schedule()

  def search(self, problem, rng):
    """See `Optimizer.search`. Raises `UnreachableTarget` if the schedule ends above the target."""
    layers = descent.layers_of(problem.space)

    def propose(stage, best, goal):
      return self._samples(stage, best, goal, layers, rng)

    return descent.descend(problem, self._schedule(), self.score, propose)

  def choose(self, scored, previous=None):
    """See `Optimizer.choose`."""
    return descent.choose(self.score, scored, previous)

  def check_schedule(self, problem):
    """Raises `UnreachableTarget` if all reductions together end above the target."""
    self._schedule().check(problem)

  def iterations(self, problem):
    """See `descent.Schedule.iterations`."""
    return self._schedule().iterations(problem)

  def _schedule(self):
    return descent.Schedule(self.initial_reduction, self.reduction_decay)

  def _samples(self, stage, best, goal, layers, rng):
    """J different samples of at most `goal`, or as many as there are."""
    layers = descent.shrinkable(stage.space, best, layers)
    drawn = min(self.layers_per_sample, len(layers))
    samples = {}
    for _ in range(REDRAWS * self.samples_per_iteration):
      sample = descent.shrunk(stage, best, rng.sample(layers, drawn), goal, rng)
      if sample is not None:
        samples.setdefault(stage.space.encode(sample), sample)
      if len(samples) == self.samples_per_iteration:
        break
    return samples.values()
