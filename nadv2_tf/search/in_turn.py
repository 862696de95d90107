"""FP-NAS as published: a distribution over networks and the weights they share, trained in turn.

A step trains the weights on samples of the distribution, and then the distribution on other images,
by how likely its samples make their labels. What is the distribution's is here, in plain Python;
`nadv2_tf/training/in_turn.py` has the weights' part, and the loop.

Source: FP-NAS: Fast Probabilistic Neural Architecture Search, Yan et al., CVPR 2021, section 3.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import random
from typing import TYPE_CHECKING, Any, ClassVar

from nadv2_tf.record import Record
from nadv2_tf.search.distribution import Distribution
from nadv2_tf.search.fp_nas import likelihood_weights, most_probable
from nadv2_tf.search.problem import Asked, most_accurate
from nadv2_tf.spec.files import read_bounded

if TYPE_CHECKING:
  from collections.abc import Generator, Sequence

  from nadv2_tf.search.distribution import Draw
  from nadv2_tf.search.fp_nas import FpNas
  from nadv2_tf.search.problem import Candidate, Problem, Round
  from nadv2_tf.spec import NetworkSpec, SearchSpace
  from nadv2_tf.types import AnyPath

#: steps of which notes are kept, about
NOTES = 200
#: of distributions.json, which has a number for each option of a decision or block
LARGEST_FILE = 64 * 2**20


@dataclasses.dataclass(frozen=True)
class Note(Record):
  """What a step began with: the entropy of the distribution of one target, and K."""

  step: int
  target: float
  entropy_nats: float
  networks_drawn: int


@dataclasses.dataclass(frozen=True)
class Trained(Record):
  """The distribution of one target: `Distribution.logits`, which with its space are all of it."""

  target: float
  logits: tuple[tuple[float, ...], ...]

  def distribution(self, space: SearchSpace) -> Distribution:
    """Raises ValueError for another space, or what is no distribution for a target."""
    if not 0 < self.target < math.inf or not all(map(math.isfinite, itertools.chain(*self.logits))):
      raise ValueError("The target must be a number above 0, and all logits must be numbers.")
    return Distribution.with_logits(space, self.logits)


@dataclasses.dataclass(frozen=True)
class TrainedInTurn(Record):
  """What a training in turn has made of the distributions so far.

  Attributes:
    distributions: one for each target, the largest first.
    networks_drawn: in all steps, for the weights and for the distribution.
    notes: of some steps, the first among them.
  """

  distributions: tuple[Trained, ...]
  networks_drawn: int
  notes: tuple[Note, ...]


def read(path: AnyPath, space: SearchSpace) -> TrainedInTurn:
  """What a training in turn left in distributions.json.

  Raises:
    ValueError: one line that names the file, if it is damaged or of another space.
  """
  try:
    value = json.loads(read_bounded(path, LARGEST_FILE).decode("utf-8"))
    found = TrainedInTurn.from_json(value, "it")
    if not found.distributions:
      raise ValueError("it has no distribution.")
    for one in found.distributions:
      one.distribution(space)
  except (OSError, ValueError, RecursionError) as error:
    raise ValueError(f"Cannot read {path}: {error}") from None
  return found


class Turns:
  """The distributions of a problem's targets, each of which has every so many'th step.

  What is drawn is a function of seed, step and the distribution alone, so that nothing but `record`
  must be kept to go on after a kill.

  Args:
    problem: a `Problem`; limits count like the target.
    settings: an `FpNas`.
    steps: of the whole training.
    seed: of all draws.
  """

  def __init__(self, problem: Problem, settings: FpNas, steps: int, seed: int) -> None:
    self._settings, self._seed = settings, seed
    self._stages = [problem.at(target) for target in problem.targets]
    self._distributions = [settings.first(stage) for stage in self._stages]
    own_steps = steps / len(self._stages)
    self._joint_at = math.ceil(settings.joint_after * own_steps)
    self._noted_every = max(round(own_steps / NOTES), 1)
    self._notes: list[Note] = []
    self._place, self._rng = 0, random.Random()
    self.networks_drawn = 0

  @property
  def space(self) -> SearchSpace:
    return self._stages[0].space

  def begin(self, step: int) -> None:
    """Must be called before what is drawn and moved in a step."""
    own_step, self._place = divmod(step, len(self._stages))
    self._rng = random.Random(f"{self._seed} {step}")
    if own_step == self._joint_at:
      self._distributions[self._place] = self._distribution.joint()
    if own_step % self._noted_every == 0:
      entropy, drawn = self._distribution.entropy(), self._settings.samples(self._distribution)
      target = self._stages[self._place].target
      self._notes.append(Note(step, target, entropy, drawn))

  @property
  def _distribution(self) -> Distribution:
    return self._distributions[self._place]

  def draw(self) -> list[Draw]:
    """The K networks of the step's distribution; each call draws others."""
    count = self._settings.samples(self._distribution)
    self.networks_drawn += count
    return [self._distribution.draw(self._rng) for _ in range(count)]

  def rows(self, draws: Sequence[Draw]) -> list[tuple[int, ...]]:
    """The networks, as `space.encode` has them."""
    return list(map(self._distribution.row, draws))

  def move(self, draws: Sequence[Draw], log_likelihoods: Sequence[float]) -> None:
    """Moves the step's distribution by how likely its `draws` make what was observed."""
    weights = likelihood_weights(log_likelihoods, 1.0)
    self._settings.move(self._stages[self._place], self._distribution, draws, weights)

  def record(self) -> TrainedInTurn:
    """All that must be kept."""
    pairs = zip(self._stages, self._distributions, strict=True)
    trained = tuple(Trained(stage.target, one.logits()) for stage, one in pairs)
    return TrainedInTurn(trained, self.networks_drawn, tuple(self._notes))

  def to_json(self) -> dict[str, Any]:
    """`record`, for a checkpoint."""
    return self.record().to_json()

  def from_json(self, value: Any) -> None:
    """Takes over what `to_json` gave; raises ValueError for what is none, or of another space."""
    found = TrainedInTurn.from_json(value, "the distributions")
    self._distributions = [one.distribution(self.space) for one in found.distributions]
    self._notes, self.networks_drawn = list(found.notes), found.networks_drawn


class MostProbable:
  """An `Optimizer` that asks for the most probable network of each target, and finds it.

  Args:
    trained: a `TrainedInTurn`. A target that is not one of its own, because what was found missed
      that as measured, is the nearest one's, and its most probable network is brought within it.
  """

  trains_samples: ClassVar[bool] = False
  races: ClassVar[bool] = False

  def __init__(self, trained: TrainedInTurn) -> None:
    self._trained = trained

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """See `Optimizer.search`; tells the entropy that is left, and how many networks were drawn."""
    found = problem.start
    for target in problem.targets:
      distribution = self._nearest(target).distribution(problem.space)
      found = most_probable(problem.at(target), distribution)
      yield Asked(
        (found,),
        entropy_nats=distribution.entropy(),
        networks_drawn=self._trained.networks_drawn,
      )
    return found

  def _nearest(self, target: float) -> Trained:
    return min(
      self._trained.distributions, key=lambda trained: abs(math.log(trained.target / target))
    )

  def check(self, problem: Problem) -> None:
    """See `Optimizer.check`: what the smallest network meets is reached."""

  def amount(self, problem: Problem) -> tuple[int, int]:
    """See `Optimizer.amount`: a network for each target."""
    return len(problem.targets), len(problem.targets)

  def choose(self, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
    """See `Optimizer.choose`."""
    return most_accurate(scored)

  def pick(self, bests: Sequence[Candidate]) -> Candidate:
    """See `Optimizer.pick`."""
    return most_accurate(bests)
