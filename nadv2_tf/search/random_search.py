"""Random search: the most accurate of many random networks within the target."""

import dataclasses
import functools
import math
import random
from collections.abc import Generator, Sequence
from typing import ClassVar

from nadv2_tf.option import option
from nadv2_tf.search.problem import Candidate, Problem, Round, most_accurate
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.search.sampling import Distinct, best_so_far, random_within
from nadv2_tf.spec import NetworkSpec

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

  trains_samples: ClassVar[bool] = False
  samples: int = option(
    4600,
    "Networks scored for each target; default of a command: in all as many as mcd would.",
    low=1,
  )

  def __post_init__(self) -> None:
    if self.samples < 1:
      raise ValueError(f"samples must be at least 1, got {self.samples}.")

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """See `Optimizer.search`."""
    distinct = Distinct(problem.space)
    best: Candidate | None = None
    chosen: Candidate | None = None
    for target in reversed(problem.targets):
      stage, left = problem.at(target), self.samples
      while left:
        draw = functools.partial(random_within, stage, rng)
        specs = distinct.draw(draw, min(BATCH, left))
        if not specs:
          break
        best = (yield specs).best
        left -= len(specs)
      chosen = chosen or best
    assert chosen is not None  # random_within finds a network for every target
    return chosen.spec

  def check(self, problem: Problem) -> None:
    """See `Optimizer.check`: what the smallest network meets is reached."""

  def amount(self, problem: Problem) -> tuple[int, int]:
    """See `Optimizer.amount`."""
    batches = math.ceil(self.samples / BATCH)
    return batches * len(problem.targets), self.samples * len(problem.targets)

  def choose(self, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
    """See `Optimizer.choose`: the best so far."""
    return best_so_far(scored, previous)

  def pick(self, bests: Sequence[Candidate]) -> Candidate:
    """See `Optimizer.pick`."""
    return most_accurate(bests)
