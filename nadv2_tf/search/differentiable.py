"""Differentiable search with a predicted latency in the loss.

Source: Latency-Aware Differentiable Neural Architecture Search, Xu et al. 2020 (arXiv 2001.06392),
abstract: a latency that a regressor predicts from the encoded network is added to the loss, times a
balancing coefficient. No program is public.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING, ClassVar

from nadv2_tf.option import check_options, option
from nadv2_tf.search.distribution import Distribution
from nadv2_tf.search.downhill import (
  BISECTIONS,
  Downhill,
  HoldoutQuality,
  ResourceModels,
  accuracy_model,
)
from nadv2_tf.search.needs import SLOPES
from nadv2_tf.search.problem import Asked, Candidate, Problem, Round, most_accurate
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.search.sampling import Distinct, is_within

if TYPE_CHECKING:
  import random
  from collections.abc import Generator, Mapping, Sequence

  from nadv2_tf.search.downhill import Resource
  from nadv2_tf.spec import NetworkSpec

#: networks that are scored between two reports
BATCH = 50


#: what `slopes` may be
AUTO, SUPER_NETWORK, SURROGATE = "auto", "super_network", "surrogate"
#: a descent in the super-network takes a while, so its weight is bisected until the target is used
ENOUGH = 0.97
#: of the first logits there towards the full width: the largest network is the most probable
START_LEAN = 6.0


@OPTIMIZERS.register("differentiable")
@dataclasses.dataclass(frozen=True)
class Differentiable:
  """Probabilities of every value of every decision go downhill in loss and predicted resource.

  A step draws a network by straight-through Gumbel-softmax. Its loss is that of hold-out images in
  the super-network, followed through masks that are as large as expected; plus lambda times its
  resource, as a multi-layer regressor predicts it that learned the metric on random networks; a
  latency predictor is taken as it is. Lambda is bisected until the most probable network meets the
  target, by the metric itself. That network and others drawn from its distribution are scored, and
  the most accurate within the target is found.

  Where what scores has no slopes (a table), or `slopes` is "surrogate", the loss is minus the
  accuracy by a model that was fitted to random networks near the targets, and it is fitted anew to
  what each descent found.

  Attributes:
    surrogate_samples: random networks near the targets, which the model is first fitted to.
    refits: for each target, how often what the descent found is scored and the model fitted anew.
    refit_samples: networks of the distribution that are scored after a descent.
    descent_steps: of the logits, for each lambda.
    descent_rate: of the logits' steps (Adam).
    gumbel_temperature: of the soft draws.
    predictor_samples: random networks that the resource is learned from.
    slopes: of what: "super_network", the "surrogate", or "auto", the super-network's where what
      scores is one.
    descent_images: hold-out images of a step in the super-network.

  Differs from the paper, which trains the weights in turn with the architecture: they stay those of
  the super-network, and probabilities begin near the largest network, whose weights are good in any
  super-network. How the paper finds its coefficient and what it draws is not known to us.
  """

  trains_samples: ClassVar[bool] = False
  races: ClassVar[bool] = False
  surrogate_samples: int = option(
    100, "Random networks that the model of the accuracy is first fitted to.", low=2
  )
  refits: int = option(
    4, "How often, for each target, what was found is scored and the model fitted anew.", low=1
  )
  refit_samples: int = option(10, "Networks scored where a descent ended.", low=1)
  descent_steps: int = option(150, "Steps downhill for each weight of the resource.", low=1)
  descent_rate: float = option(0.1, "Step size of the logits that go downhill (Adam).", low=1e-6)
  gumbel_temperature: float = option(1.0, "Temperature of the networks drawn softly.", low=1e-3)
  predictor_samples: int = option(
    2000, "Random networks that the resource of a network is learned from.", low=2
  )
  slopes: str = option(
    AUTO,
    "What is followed downhill: super_network, the loss of hold-out images through soft masks; "
    "surrogate, a model of the accuracy that is fitted to scored networks; auto, the super-network "
    "where what scores is one.",
    choices=(AUTO, SUPER_NETWORK, SURROGATE),
  )
  descent_images: int = option(
    64, "Hold-out images of each step downhill in the super-network.", low=1
  )

  def __post_init__(self) -> None:
    check_options(self)
    # Of a setting, so of this instance alone.
    object.__setattr__(self, "needs", (SLOPES,) if self.slopes == SUPER_NETWORK else ())

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """See `Optimizer.search`; each descent tells its lambda and how wrong the predictor was."""
    space, distinct = problem.space, Distinct(problem.space)
    known: dict[tuple[int, ...], Candidate] = {}
    follows = self._follows(problem)
    for specs in () if follows else self._first(problem, distinct, rng):
      scored = yield specs
      known |= {space.encode(one.spec): one for one in scored.candidates}
    resources = ResourceModels(problem, self.predictor_samples, rng)
    chosen: NetworkSpec | None = None
    for target in reversed(problem.targets):
      stage = problem.at(target)
      for _ in range(1 if follows else self.refits):
        downhill = self._downhill(stage, resources.at(target), known, rng)
        weight, distribution = downhill.bisected()
        specs = self._proposed(stage, distribution, distinct, rng)
        told = {"resource_weight": weight, "predictor_error": resources.error(specs)}
        scored = yield Asked(specs, **told)
        known |= {space.encode(one.spec): one for one in scored.candidates}
      within = [one for one in known.values() if problem.is_met_by(one.spec, target)]
      found = most_accurate(within).spec
      yield (found,)  # so that it stands for an iteration, whichever round it is of
      chosen = chosen or found
    assert chosen is not None  # a problem has a target
    return chosen

  def _follows(self, problem: Problem) -> bool:
    """Whether it is the super-network that is followed downhill."""
    return self.slopes != SURROGATE and problem.slopes is not None

  def _downhill(
    self,
    stage: Problem,
    resource: Resource,
    known: Mapping[tuple[int, ...], Candidate],
    rng: random.Random,
  ) -> Downhill:
    """The way down for one target; `known` are scored networks, which a surrogate is fitted to."""
    steps = (self.descent_steps, self.descent_rate, self.gumbel_temperature, rng.getrandbits(32))
    if stage.slopes is None or not self._follows(stage):
      model = accuracy_model(stage.space, list(known.values()))
      return Downhill(stage, model, resource, *steps)
    start = Distribution.factorised(stage.space, START_LEAN)
    quality = HoldoutQuality(stage.slopes, self.descent_images)
    return Downhill(stage, quality, resource, *steps, start, ENOUGH, stage.slopes.once)

  def check(self, problem: Problem) -> None:
    """See `Optimizer.check`: what the smallest network meets is reached."""

  def amount(self, problem: Problem) -> tuple[int, int]:
    """See `Optimizer.amount`; with "auto" in a super-network, which every command has."""
    targets = len(problem.targets)
    if self.slopes != SURROGATE:
      return 2 * targets, targets * self.refit_samples
    iterations = math.ceil(self.surrogate_samples / BATCH) + targets * (self.refits + 1)
    return iterations, self.surrogate_samples + targets * self.refits * self.refit_samples

  def most_steps(self, problem: Problem) -> int:
    """How many steps downhill in the super-network a search takes at most."""
    descents = 0 if self.slopes == SURROGATE else len(problem.targets) * (1 + BISECTIONS)
    return descents * self.descent_steps

  def choose(self, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
    """See `Optimizer.choose`: the best of a round; the first networks meet no target."""
    return most_accurate(scored)

  def pick(self, bests: Sequence[Candidate]) -> Candidate:
    """See `Optimizer.pick`."""
    return most_accurate(bests)

  def _first(
    self, problem: Problem, distinct: Distinct, rng: random.Random
  ) -> Generator[tuple[NetworkSpec, ...], None, None]:
    """Networks near the targets in turns, whose decisions have nothing to do with each other."""
    space = problem.space
    near = [
      Distribution.near(space, functools.partial(is_within, stage))
      for stage in map(problem.at, problem.targets)
    ]

    def draw() -> NetworkSpec:
      distribution = rng.choice(near)
      return space.decode(distribution.row(distribution.draw(rng)))

    left = self.surrogate_samples
    while left > 0:
      specs = distinct.draw(draw, min(BATCH, left))
      if not specs:
        return
      left -= len(specs)
      yield specs

  def _proposed(
    self, stage: Problem, distribution: Distribution, distinct: Distinct, rng: random.Random
  ) -> tuple[NetworkSpec, ...]:
    """The most probable network within the target, and new ones that the distribution draws.

    In the super-network, whose weight of the resource is searched for less closely, also one near
    it that uses the target up.
    """
    space, met = stage.space, functools.partial(is_within, stage)
    rows = [distribution.mode_within(met)]
    if self._follows(stage) and self.refit_samples > 1:
      rows.append(distribution.mode_filling(met))
    modes = {space.encode(spec): spec for spec in map(space.decode, rows)}

    def draw() -> NetworkSpec | None:
      row = distribution.row(distribution.draw(rng))
      spec = space.decode(row)
      return spec if space.encode(spec) not in modes and is_within(stage, row) else None

    return (*modes.values(), *distinct.draw(draw, self.refit_samples - len(modes)))
