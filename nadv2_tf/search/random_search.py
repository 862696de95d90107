"""Random search: the most accurate of many random networks within the target."""

import dataclasses

from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.search.sampling import Distinct, best_so_far, random_within

#: networks that are scored between two reports
BATCH = 200


@OPTIMIZERS.register("random")
@dataclasses.dataclass(frozen=True)
class RandomSearch:
  """Scores different random networks that all meet the target; `random_within` draws them.

  With several targets it draws `samples` for each, the smallest target first.

  Attributes:
    samples: how many networks are scored for each target, fewer if the space has no more. The
      default is what MCD takes for the published latency-guided search: 23 iterations of 200.
  """

  samples: int = 4600

  def __post_init__(self):
    if self.samples < 1:
      raise ValueError(f"samples must be at least 1, got {self.samples}.")

  def search(self, problem, rng):
    """See `Optimizer.search`."""
    distinct, best, chosen = Distinct(problem.space), None, None
    for target in reversed(problem.targets):
      stage, left = problem.at(target), self.samples
      while left:
        specs = distinct.draw(lambda stage=stage: random_within(stage, rng), min(BATCH, left))
        if not specs:
          break
        best = best_so_far((yield specs), best)
        left -= len(specs)
      chosen = chosen or best
    return chosen.spec

  def choose(self, scored, previous=None):
    """See `Optimizer.choose`: the best so far."""
    return best_so_far(scored, previous)
