"""Single-layer coordinate descent: NetAdaptV1's optimizer over a super-network.

Source: NetAdaptV2, section 2.4, which replaces it by MCD.
"""

import dataclasses

from nadv2_tf.search import descent
from nadv2_tf.search.registry import OPTIMIZERS


@OPTIMIZERS.register("scd")
@dataclasses.dataclass(frozen=True)
class SingleLayerCoordinateDescent:
  """Each iteration scores one sample for every layer: that layer alone is shrunk.

  It is MCD with L = 1 where each layer is taken once, in the order in which the layers run,
  instead of J times at random. A layer that cannot reach the goal by itself gives no sample.

  Attributes: as of `MultiLayerCoordinateDescent`.
  """

  initial_reduction: float = 0.03
  reduction_decay: float = 0.98
  score: str = "accuracy"

  def __post_init__(self):
    descent.check_score(self.score)
    self._schedule()

  def search(self, problem, rng):
    """See `Optimizer.search`. Raises `UnreachableTarget` if the schedule ends above the target."""
    propose = one_layer_each(descent.layers_of(problem.space), rng)
    return descent.descend(problem, self._schedule(), self.score, propose)

  def choose(self, scored, previous=None):
    """See `Optimizer.choose`."""
    return descent.choose(self.score, scored, previous)

  def check_schedule(self, problem):
    """Raises `UnreachableTarget` if all reductions together end above the target."""
    self._schedule().check(problem)

  def _schedule(self):
    return descent.Schedule(self.initial_reduction, self.reduction_decay)


def one_layer_each(layers, rng):
  """A `propose` of `descent.descend`: one sample for each of `layers`, which alone is shrunk."""

  def propose(stage, best, goal):
    shrunk = (descent.shrunk(stage, best, [layer], goal, rng) for layer in layers)
    return [sample for sample in shrunk if sample is not None]

  return propose
