"""A race: all samples of an iteration are scored on a part of the hold-out, the best on all of it.

Most samples are plainly worse than the best, and a few images tell that; what the rest would have
cost goes to telling the best ones apart. The best few are scored at last on images that had no
part in choosing them: the highest of many noisy scores is too high by itself, and what it comes
down to there is the truth.

Source: successive halving (Jamieson and Talwalkar, AISTATS 2016), in three rungs; the scores of a
network on earlier rungs count, since the images of the rungs are different ones.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from nadv2_tf.search.problem import Evaluator, Optimizer
from nadv2_tf.spec import NetworkSpec

#: what races: networks, mostly
Runner = TypeVar("Runner")


@runtime_checkable
class RacingEvaluator(Evaluator, Protocol):
  """An evaluator that scores on a part of its images as well.

  Attributes:
    part_sizes: how many images each part has; no image is in two.
  """

  part_sizes: tuple[int, ...]

  def accuracy(self, specs: Sequence[NetworkSpec], part: int | None = None) -> Sequence[float]:
    """As `Evaluator.accuracy`, on the images of part 0, 1, ... alone; None: on all of them."""


@dataclasses.dataclass(frozen=True)
class Race:
  """How the samples of an iteration are thinned out.

  Attributes:
    shares: of the hold-out's images in the three parts: those that all samples are scored on,
      those that the best go on with, those that the best few are checked on.
    kept: share of the samples that is scored on the second part too.
    finalists: how many are scored on the third; the optimizer sees these alone.
  """

  shares: tuple[float, float, float] = (0.25, 0.5, 0.25)
  kept: float = 0.25
  finalists: int = 3

  def __post_init__(self) -> None:
    if len(self.shares) != 3 or not all(0 < share < 1 for share in self.shares):
      raise ValueError(f"A race has three shares between 0 and 1, got {self.shares}.")
    if not math.isclose(sum(self.shares), 1):
      raise ValueError(f"The shares of a race must add up to 1, got {self.shares}.")
    if not 0 < self.kept <= 1 or self.finalists < 1:
      raise ValueError(
        "A race keeps a share of the samples above 0 and at most 1, and at least one finalist, "
        f"got {self.kept} and {self.finalists}."
      )

  def entrants(self, count: int) -> tuple[int, int, int]:
    """How many of `count` samples are scored on each part."""
    kept = max(math.ceil(self.kept * count), self.finalists)
    return count, min(kept, count), min(self.finalists, count)

  def images_per_sample(
    self, count: int, images: float, calibration: float, at_once: int = 1
  ) -> float:
    """What a sample costs on average, in images that a network runs on.

    Args:
      count: samples of an iteration.
      images: of the hold-out.
      calibration: images that a network runs on besides, in every part.
      at_once: samples that are scored in the time of one.
    """
    costs = (share * images + calibration for share in self.shares)
    calls = (-(-entrants // at_once) for entrants in self.entrants(count))
    return sum(map(math.prod, zip(calls, costs, strict=True))) / count

  def run(
    self,
    specs: Sequence[Runner],
    scores_of: Callable[[list[Runner], int], Sequence[float]],
  ) -> list[Runner]:
    """The finalists among `specs`, in the order in which they were given.

    Args:
      specs: networks.
      scores_of: function (specs, part) -> their scores over all parts up to this one.
    """
    left = list(specs)
    _, kept, finalists = self.entrants(len(left))
    for part, count in ((0, kept), (1, finalists)):
      left = _best(left, scores_of(left, part), count)
    scores_of(left, 2)
    return left


def may_race(optimizer: Optimizer | type[Optimizer]) -> bool:
  """Whether an optimizer has use for the finalists of a race alone.

  One that learns from the scores of all samples has a class attribute `races`, which is False.
  """
  return getattr(optimizer, "races", True)


def _best(specs: Sequence[Runner], scores: Sequence[float], count: int) -> list[Runner]:
  """`count` of them with the highest scores, of equal ones the first, in their old order."""
  ranked = sorted(range(len(specs)), key=lambda number: -scores[number])
  return [specs[number] for number in sorted(ranked[:count])]


def pooled(scores: Mapping[int, float], sizes: Sequence[int]) -> float:
  """The score over all images of {part: score} that are known."""
  images = sum(sizes[part] for part in scores)
  return sum(sizes[part] * score for part, score in scores.items()) / images
