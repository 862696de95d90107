"""FP-NAS: a probability distribution over networks, trained by the likelihood of its samples.

Source: FP-NAS: Fast Probabilistic Neural Architecture Search, Yan et al., CVPR 2021, section 3; its
gradients and its number of samples as other authors note them, for there is no published program.
"""

import dataclasses
import functools
import math
import random
from collections.abc import Generator, Sequence
from typing import ClassVar

from nadv2_tf.option import check_options, option
from nadv2_tf.search.distribution import Distribution, Draw
from nadv2_tf.search.problem import Asked, Candidate, Problem, Round, most_accurate
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.search.sampling import is_within
from nadv2_tf.spec import NetworkSpec

#: with one sample there is nothing to weigh it against
FEWEST_SAMPLES = 2
#: what becomes of the super-network's weights
FIXED, IN_TURN = "fixed", "in_turn"


@OPTIMIZERS.register("fp_nas")
@dataclasses.dataclass(frozen=True)
class FpNas:
  """Samples of a distribution pull it towards those that explain the hold-out best, and are cheap.

  The distribution begins with networks near the target and every decision by itself; later the
  decisions of a block are drawn together. A step draws K networks, K = `samples_per_nat` times
  the entropy, so fewer and fewer. It follows the gradient of -log P(y|X) + `cost_weight` log C,
  where C is the mean over the samples of max(0, resource / target - 1). The most probable network
  is what is found. With several targets each has a distribution of its own; for all but the
  smallest the best of a step is found instead where that is more accurate.

  There are two forms. With fixed weights the trained super-network scores the samples. In turn,
  as published, the distribution and the weights are trained together, each on a half of the
  training images: `search/in_turn.py` has what is the distribution's part of that, and a search
  then only asks for what it left (`MostProbable`).

  Attributes:
    search_steps: for each target; in turn they are those of the training.
    samples_per_nat: lambda of the paper, whose value it has.
    cost_weight: beta of the paper.
    step_size: of the logits.
    joint_after: share of the steps after which the decisions of a block are drawn together.
    likelihood_scale: the accuracy that makes a network e times as likely.
    start_near_target: whether larger values are as much more probable at first, or smaller ones,
      as leads to the target; else all networks are equally probable.
    shared_weights: "fixed" or "in_turn".

  Differs from the paper: the distribution begins near the target: there networks are met in time
  that neither exceed it by far nor waste it. With fixed weights the likelihood of a network is
  exp(accuracy / likelihood_scale), because accuracy is what every task and table has; in turn it
  is that of the labels. Where the most probable network is above the target, the size of options
  counts against their probability until one is not. Steps, beta, step size and scale are not known
  and set here; the scale is one image of 200.
  """

  trains_samples: ClassVar[bool] = False
  races: ClassVar[bool] = False
  search_steps: int = option(400, "Steps of the distribution for each target.", low=1)
  samples_per_nat: float = option(
    0.25, "Networks scored in a step, for each nat of the distribution's entropy.", low=0
  )
  cost_weight: float = option(
    2.0, "Weight of the logarithm of what samples exceed the target by.", low=0
  )
  step_size: float = option(0.5, "Step size of the distribution's logits.", low=0)
  joint_after: float = option(
    0.5,
    "Share of the steps after which the decisions of a block are drawn together; 1: never.",
    low=0,
    high=1,
  )
  likelihood_scale: float = option(
    0.005, "How much more accuracy makes a network e times as likely.", low=0
  )
  start_near_target: bool = option(
    True, "Whether the first networks drawn are about as large as the target allows."
  )
  shared_weights: str = option(
    FIXED,
    "The super-network's weights: fixed, as its training left them; or trained in_turn with the "
    "distribution over networks, each on a half of the training images, in place of that training "
    "(its --epochs count; --search_steps and --likelihood_scale do not).",
    choices=(FIXED, IN_TURN),
  )

  def __post_init__(self) -> None:
    if self.search_steps < 1 or not 0 <= self.joint_after <= 1:
      raise ValueError(
        "search_steps must be at least 1 and joint_after between 0 and 1, got "
        f"{self.search_steps} and {self.joint_after}."
      )
    positive = (self.samples_per_nat, self.step_size, self.likelihood_scale)
    if not all(0 < value < math.inf for value in positive):
      raise ValueError(
        "samples_per_nat, step_size and likelihood_scale must be numbers above 0, got "
        f"{self.samples_per_nat}, {self.step_size} and {self.likelihood_scale}."
      )
    if not 0 <= self.cost_weight < math.inf:
      raise ValueError(f"cost_weight must be a number of at least 0, got {self.cost_weight}.")
    check_options(self)

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """See `Optimizer.search`; every step tells its entropy and how many networks it draws.

    Raises:
      ValueError: in turn: a search has no weights to train.
    """
    if self.shared_weights == IN_TURN:
      raise ValueError(
        "FpNas(shared_weights='in_turn') is trained with the weights of a super-network, by "
        "nadv2-run or nadv2_tf.training.in_turn; a search takes what that leaves (MostProbable)."
      )
    found = problem.start
    for target in problem.targets:
      stage = problem.at(target)
      distribution = self.first(stage)
      for number in range(self.search_steps):
        if number == math.ceil(self.joint_after * self.search_steps):
          distribution = distribution.joint()
        draws = [distribution.draw(rng) for _ in range(self.samples(distribution))]
        yield from self._step(stage, distribution, draws)
      found = most_probable(stage, distribution)
      yield Asked((found,), entropy_nats=distribution.entropy(), networks_drawn=0)
    return found

  def check(self, problem: Problem) -> None:
    """See `Optimizer.check`: what the smallest network meets is reached.

    Raises:
      ValueError: in turn, for a metric that is not exact: what a network costs is not journalled
        while weights are trained, and the same seed would not give the same.
    """
    meter = problem.at(problem.target).meter
    if self.shared_weights == IN_TURN and not meter.is_exact:
      raise ValueError(
        "--shared_weights=in_turn needs a metric, and limits, that give the same number each time: "
        f"a count or a latency table; what is measured in {meter.unit} does not. Take "
        "--shared_weights=fixed, which measures each network once."
      )

  def amount(self, problem: Problem) -> tuple[int, int]:
    """See `Optimizer.amount`; the samples as if the entropy fell evenly."""
    targets = len(problem.targets)
    if self.shared_weights == IN_TURN:
      return targets, targets
    first = self.samples(Distribution.factorised(problem.space))
    return targets * (self.search_steps + 1), targets * math.ceil(self.search_steps * first / 2)

  def choose(self, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
    """See `Optimizer.choose`: the most accurate of the step, or the mode that ends a target."""
    return most_accurate(scored)

  def pick(self, bests: Sequence[Candidate]) -> Candidate:
    """See `Optimizer.pick`."""
    return most_accurate(bests)

  def first(self, stage: Problem) -> Distribution:
    """The distribution that the problem of one target begins with."""
    if not self.start_near_target:
      return Distribution.factorised(stage.space)
    return Distribution.near(stage.space, functools.partial(is_within, stage))

  def samples(self, distribution: Distribution) -> int:
    """K: how many networks a step draws."""
    return max(round(self.samples_per_nat * distribution.entropy()), FEWEST_SAMPLES)

  def _step(
    self, stage: Problem, distribution: Distribution, draws: Sequence[Draw]
  ) -> Generator[Sequence[NetworkSpec], Round, None]:
    """Scores `draws` and moves the logits of `distribution`."""
    space = stage.space
    specs = [space.decode(distribution.row(draw)) for draw in draws]
    keys = list(map(space.encode, specs))
    scored = yield Asked(
      dict(zip(keys, specs, strict=True)).values(),
      entropy_nats=distribution.entropy(),
      networks_drawn=len(draws),
    )
    accuracies = {space.encode(one.spec): one.accuracy for one in scored.candidates}
    weights = likelihood_weights([accuracies[key] for key in keys], self.likelihood_scale)
    self.move(stage, distribution, draws, weights)

  def move(
    self,
    stage: Problem,
    distribution: Distribution,
    draws: Sequence[Draw],
    weights: Sequence[float],
  ) -> None:
    """Moves the logits of a distribution down the gradient of its loss.

    Args:
      stage: the `Problem` of its target.
      distribution: changed.
      draws: networks drawn from it.
      weights: `likelihood_weights` of them.
    """
    specs = [stage.space.decode(distribution.row(draw)) for draw in draws]
    costs = [max(stage.meter.measure(spec) / stage.target - 1, 0.0) for spec in specs]
    pulls = [
      likely - self.cost_weight * cost
      for likely, cost in zip(weights, cost_weights(costs), strict=True)
    ]
    slopes = distribution.gradient(zip(draws, pulls, strict=True))
    distribution.move(slopes, self.step_size)


def most_probable(stage: Problem, distribution: Distribution) -> NetworkSpec:
  """The most probable network of a distribution that meets the one target of `stage`."""
  return stage.space.decode(distribution.mode_within(functools.partial(is_within, stage)))


def likelihood_weights(accuracies: Sequence[float], scale: float) -> list[float]:
  """m_k: the share of each sample in the likelihood of all.

  The gradient of -log P(y|X), P the mean of the likelihoods of samples, with respect to the logits
  is minus the sum of m_k times the gradients of the samples' log-probabilities.
  """
  best = max(accuracies)
  likelihoods = [math.exp((accuracy - best) / scale) for accuracy in accuracies]
  whole = sum(likelihoods)
  return [likelihood / whole for likelihood in likelihoods]


def cost_weights(costs: Sequence[float]) -> list[float]:
  """The share of each sample in the cost of all; all 0 if none has any."""
  whole = sum(costs)
  return [cost / whole if whole else 0.0 for cost in costs]
