"""FLASH: networks of large NN-Degree below the target, found without scoring them.

Source: FLASH, Li et al., ACM TECS 2021, abstract: NN-Degree, an accuracy predictor of 25 samples,
models of the hardware, a hierarchy of SHGO. Its equations could not be read; docs/differences.md
says what was decided.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, ClassVar

from nadv2_tf.option import check_options, option
from nadv2_tf.search.choices import choices, width_levels
from nadv2_tf.search.hierarchy import improved_within, lowest
from nadv2_tf.search.nn_degree import nn_degree
from nadv2_tf.search.predictors import AccuracyPredictor, ResourceModel, leave_one_out
from nadv2_tf.search.problem import Asked, Candidate, Problem, Round, most_accurate
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.search.sampling import Distinct, random_within
from nadv2_tf.search.stages import Stages

if TYPE_CHECKING:
  import random
  from collections.abc import Callable, Generator, Sequence
  from typing import TypeAlias

  from nadv2_tf.search.chain import Picks
  from nadv2_tf.spec import NetworkSpec

  #: function network -> resource
  Measure: TypeAlias = Callable[[NetworkSpec], float]
  #: function picks -> the largest of all resources, as a share of what is allowed
  Cost: TypeAlias = Callable[[Picks], float]

#: what a resource that is twice as large as allowed counts, in accuracy, while SHGO looks
PENALTY = 10.0
#: of a degree twice as large: where the predictor says the same of all, more is still better
TIE = 1e-6
#: how often, at most, the models' word for a resource is held against the meters'
CORRECTIONS = 10
#: to what share of the target it is known at last how much the models may be given
CLOSE = 0.01


@OPTIMIZERS.register("flash")
@dataclasses.dataclass(frozen=True)
class Flash:
  """Scores a few random networks, predicts all others by their NN-Degree, and takes the best.

  The predictor is fitted to the samples; a model of the resource to the layers of a latency table,
  or to what the samples cost by any other meter. SHGO then looks for the network that is predicted
  best within the target: over the widths, lengths and kernel sizes of stages, each by themselves,
  then over the blocks inside each stage; single blocks are improved at last, by the meter itself
  where asking it costs nothing. What it takes is scored; found is the most accurate of all scored.

  NN-Degree counts channels, and how long a network is hardly matters to it: it tells little where
  widths are fixed or where removing layers is what is searched. The predictor's error on samples
  that it was not fitted to stands in the journal and in the report.

  Attributes:
    flash_samples: 25 as published.
    width_levels: of a block's widths, above the smallest; see `choices`.
  """

  trains_samples: ClassVar[bool] = False
  races: ClassVar[bool] = False
  flash_samples: int = option(25, "Networks that the accuracy predictor is fitted to.", low=4)
  width_levels: int = width_levels()

  def __post_init__(self) -> None:
    check_options(self)

  def degree(self, spec: NetworkSpec) -> float:
    """What accuracy is predicted from."""
    return nn_degree(spec)

  def search(
    self, problem: Problem, rng: random.Random
  ) -> Generator[Sequence[NetworkSpec], Round, NetworkSpec]:
    """See `Optimizer.search`."""
    scored = yield self._samples(problem, rng)
    known = list(scored.candidates)
    predicted = Predicted(problem, self, known)
    chosen: NetworkSpec | None = None
    for target in reversed(problem.targets):
      scored = yield Asked((predicted.best(target),), **predicted.notes)
      known += scored.candidates
      found = most_accurate(one for one in known if problem.is_met_by(one.spec, target)).spec
      yield (found,)  # so that it stands for an iteration, whichever scored it
      chosen = chosen or found
    assert chosen is not None  # a problem has a target
    return chosen

  def check(self, problem: Problem) -> None:
    """See `Optimizer.check`: what the smallest network meets is reached."""

  def amount(self, problem: Problem) -> tuple[int, int]:
    """See `Optimizer.amount`."""
    return 1 + 2 * len(problem.targets), self.flash_samples + len(problem.targets)

  def choose(self, scored: Sequence[Candidate], previous: Candidate | None = None) -> Candidate:
    """See `Optimizer.choose`: the best of a round; the samples of the first meet no target."""
    return most_accurate(scored)

  def pick(self, bests: Sequence[Candidate]) -> Candidate:
    """See `Optimizer.pick`."""
    return most_accurate(bests)

  def _samples(self, problem: Problem, rng: random.Random) -> tuple[NetworkSpec, ...]:
    """Random networks, as large as the target, as the start, and all between."""
    largest = problem.meter.measure(problem.start)

    def draw() -> NetworkSpec:
      goal = problem.target + rng.random() * max(largest - problem.target, 0.0)
      return random_within(problem.at(goal), rng)

    return Distinct(problem.space).draw(draw, self.flash_samples)


class Predicted:
  """What the samples tell of all other networks.

  Args:
    problem: a `Problem`.
    settings: a `Flash`.
    samples: scored networks.

  Attributes:
    notes: the errors of the predictors: in accuracy, and as a share of the resource.
  """

  def __init__(self, problem: Problem, settings: Flash, samples: Sequence[Candidate]) -> None:
    self._problem, self._settings = problem, settings
    self._stages = Stages(problem.space, choices(problem.space, settings.width_levels))
    self._network = functools.cache(self._stages.network)
    self._degree = functools.cache(lambda picks: settings.degree(self._network(picks)))
    self._samples = specs = [sample.spec for sample in samples]
    degrees, accuracies = list(map(settings.degree, specs)), [one.accuracy for one in samples]
    self._unit = max(degrees)
    self._accuracy = AccuracyPredictor.fitted(degrees, accuracies)
    self._meters = [problem.meter, *(meter for meter, _ in problem.limits)]
    self._models = [ResourceModel.fitted(meter, specs) for meter in self._meters]
    self.notes = {"relative_error_of_resource": self._models[0].error(problem.meter, specs)}
    if len(samples) > 1:  # a space may have no more
      self.notes["leave_one_out_error_of_accuracy"] = leave_one_out(degrees, accuracies)

  def best(self, target: float) -> NetworkSpec:
    """The network that is predicted best within `target` and all limits.

    Where asking the meters costs nothing they decide what is within. Elsewhere the models do, and
    are held to less than the target until what they give is within it, then to more again, until
    that is known to a hundredth; if nothing is, it is the best predicted of the samples within.
    """
    models: Cost = functools.cache(functools.partial(self._cost, self._models, target))
    meters = [meter.measure for meter in self._meters]
    measured: Cost = functools.cache(functools.partial(self._cost, meters, target))
    start = lowest(self._stages, lambda one: self._value(one) + PENALTY * _above(models, 1.0, one))
    costs = measured if all(meter.is_exact for meter in self._meters) else models
    met: list[NetworkSpec] = []
    share, fits, exceeds = 1.0, 0.0, 1.0
    for _ in range(CORRECTIONS):
      excess = functools.partial(_above, costs, share)
      picks = improved_within(self._stages, start, self._value, excess)
      if self._problem.is_met_by(self._network(picks), target):
        met.append(self._network(picks))
        fits = share
      else:
        exceeds = share
        share *= min(costs(picks) / measured(picks), 1 - CLOSE)
      if exceeds - fits < CLOSE:
        break
      if met:
        share = (fits + exceeds) / 2
    if not met:
      met = [spec for spec in self._samples if self._problem.is_met_by(spec, target)]
    return min(met, key=self._value_of, default=self._problem.space.smallest())

  def _value(self, picks: Picks) -> float:
    """What is to be low: minus the accuracy."""
    return self._of_degree(self._degree(picks))

  def _value_of(self, spec: NetworkSpec) -> float:
    return self._of_degree(self._settings.degree(spec))

  def _of_degree(self, degree: float) -> float:
    return -self._accuracy(degree) - TIE * degree / self._unit

  def _cost(self, costs: Sequence[Measure], target: float, picks: Picks) -> float:
    """The largest of all resources, as shares of target and limits."""
    limits = (target, *(limit for _, limit in self._problem.limits))
    spec = self._network(picks)
    return max(cost(spec) / limit for cost, limit in zip(costs, limits, strict=True))


def _above(cost: Cost, share: float, picks: Picks) -> float:
  """By how much a cost is above `share`, both as shares of what is allowed."""
  return max(cost(picks) - share, 0.0)
