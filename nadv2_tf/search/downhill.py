"""Models of accuracy and resource that can be followed downhill, and the way down."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from nadv2_tf.regressor import Regressor, fitted
from nadv2_tf.search.distribution import Distribution
from nadv2_tf.search.problem import ResourceMeter
from nadv2_tf.search.relaxed import Codes, Relaxed
from nadv2_tf.spec.features import value_features

if TYPE_CHECKING:
  import random
  from collections.abc import Callable, Sequence
  from typing import TypeAlias

  from nadv2_tf.search.problem import Candidate, Problem, Slopes
  from nadv2_tf.spec import NetworkSpec, SearchSpace
  from nadv2_tf.spec.space import Decision

  #: of the values of each decision
  Logits: TypeAlias = Sequence[Sequence[float]]

#: outputs of the hidden layers of a regressor that learns a resource
HIDDEN = (64, 32)
#: how the values of one network's decisions scatter around its size, as shares of the largest
LEAST_SCATTER, MOST_SCATTER = 0.05, 0.4
#: weights of the resource that are tried: a spread of accuracies for each target exceeded
LEAST_WEIGHT, MOST_WEIGHT = 1e-2, 1e4
BISECTIONS = 8


@runtime_checkable
class PredictingMeter(ResourceMeter, Protocol):
  """A meter whose value is the square of what a regressor makes of a network's features."""

  regressor: Regressor

  @property
  def decisions(self) -> tuple[Decision, ...]:
    """Whose `features_of` the regressor takes."""


@dataclasses.dataclass(frozen=True)
class Model:
  """What a regressor makes of the features of a network.

  Attributes:
    codes: of the features.
    regressor: takes them.
  """

  codes: Codes
  regressor: Regressor

  def at(self, shares: Any, step: int = 0) -> tuple[float, Any]:
    """(output, slopes of it) of options with `shares` [decisions, most options]; in every step."""
    features = self.codes.expected(shares)
    slopes = self.codes.through(self.regressor.slope(features), shares.shape)
    return self.regressor.value(features), slopes


class Quality(Protocol):
  """How good a network is, and in which direction it gets better."""

  def at(self, shares: Any, step: int) -> tuple[float, Any]:
    """(quality, slopes of it) of options with `shares`, in a step of a descent."""


@dataclasses.dataclass(frozen=True)
class HoldoutQuality:
  """Minus the loss of hold-out images, other ones in each step.

  Attributes:
    slopes: of a problem.
    images: of a step.
  """

  slopes: Slopes
  images: int

  def at(self, shares: Any, step: int) -> tuple[float, Any]:
    """See `Quality.at`."""
    loss, slopes = self.slopes.loss(shares, step, self.images)
    return -loss, -slopes


def quality_features(decision: Decision, value: int) -> tuple[float, ...]:
  """`value_features`, and for a width the root of its share: the first channels bring the most."""
  features = value_features(decision, value)
  return features if decision.kind == "kernel" else (*features, features[0] ** 0.5)


def accuracy_model(space: SearchSpace, scored: Sequence[Candidate]) -> Model:
  """A model of how many spreads of the accuracies a network is above their mean.

  It is a sum over the values of the decisions, by ridge regression: what can be told from a
  hundred networks.
  """
  import numpy as np

  codes = Codes.of(space.decisions, quality_features)
  rows = np.array([codes.of_row(space.decisions, space.encode(one.spec)) for one in scored])
  accuracies = np.array([one.accuracy for one in scored])
  spread = accuracies.std()
  targets = (accuracies - accuracies.mean()) / (spread if spread > 0 else 1.0)
  nothing = Regressor([(np.zeros((rows.shape[1], 1)), [0.0])])
  return Model(codes, nothing.corrected(rows, targets))


class ResourceModels:
  """What networks cost, by all meters of a problem, as models that were fitted to random networks.

  Args:
    problem: a `Problem`.
    samples: how many networks; a meter that is a predictor itself needs none.
    rng: draws them.
  """

  def __init__(self, problem: Problem, samples: int, rng: random.Random) -> None:
    space = self._space = problem.space
    self._meter = problem.meter
    self._specs = [random_of_any_size(space, rng) for _ in range(samples)]
    self._specs += [space.smallest(), space.largest()]
    seed = rng.getrandbits(32)
    self._limits = tuple(limit for _, limit in problem.limits)
    meters = (problem.meter, *(meter for meter, _ in problem.limits))
    self._models = [self._model(space, meter, seed) for meter in meters]

  def _model(self, space: SearchSpace, meter: ResourceMeter, seed: int) -> Model:
    codes = Codes.of(space.decisions, value_features)
    if isinstance(meter, PredictingMeter) and meter.decisions == space.decisions:
      return Model(codes, meter.regressor)
    rows = [codes.of_row(space.decisions, space.encode(spec)) for spec in self._specs]
    roots = [meter.measure(spec) ** 0.5 for spec in self._specs]
    return Model(codes, fitted(rows, roots, HIDDEN, seed))

  def error(self, specs: Sequence[NetworkSpec]) -> float:
    """What the model of the metric is off by, on average over networks, as a share of the mean."""
    space, model = self._space, self._models[0]
    truths = list(map(self._meter.measure, specs))
    rows = [model.codes.of_row(space.decisions, space.encode(spec)) for spec in specs]
    told = [max(model.regressor.value(row), 0.0) ** 2 for row in rows]
    off = sum(abs(one - other) for one, other in zip(told, truths, strict=True))
    return off / (sum(truths) or 1.0)

  def at(self, target: float) -> Resource:
    """With `target` for the metric, and the limits."""
    return Resource(tuple(zip(self._models, (target, *self._limits), strict=True)))


@dataclasses.dataclass(frozen=True)
class Resource:
  """A network's resource as a share of what is allowed, the largest of all that is limited.

  Attributes:
    parts: pairs (model of the root of a resource, the most that is allowed).
  """

  parts: tuple[tuple[Model, float], ...]

  def at(self, shares: Any) -> tuple[float, Any]:
    """(share, slopes of it) of options with `shares` [decisions, most options]."""
    found = []
    for model, most in self.parts:
      root, slopes = model.at(shares)
      root = max(root, 0.0)
      found.append((root**2 / most, 2 * root / most * slopes))
    return max(found, key=lambda pair: pair[0])


def random_of_any_size(space: SearchSpace, rng: random.Random) -> NetworkSpec:
  """A network with a size of its own, around which the values of its decisions scatter."""
  size, scatter = rng.random(), rng.uniform(LEAST_SCATTER, MOST_SCATTER)
  row = []
  for decision in space.decisions:
    last = len(decision.choices) - 1
    place = round((size + rng.gauss(0, scatter)) * last)
    row.append(decision.choices[min(max(place, 0), last)])
  return space.decode(row)


@dataclasses.dataclass(frozen=True)
class Downhill:
  """Distributions that went down in minus the quality plus a weight times the resource.

  Attributes:
    stage: a `Problem` of one target.
    quality: a `Quality`, such as a `Model` of the accuracy.
    resource: its `Resource`.
    steps: of the logits.
    rate: of a step.
    temperature: of the soft draws.
    seed: of all draws; each weight has the same.
    start: the distribution that it begins with; None: all networks equally probable.
    enough: what takes this share of the target uses it, and no smaller weight is tried.
    once: remembers what a descent of a weight came to, see `Slopes.once`; None if nothing does.
  """

  stage: Problem
  quality: Quality
  resource: Resource
  steps: int
  rate: float
  temperature: float
  seed: int
  start: Distribution | None = None
  enough: float = math.inf
  once: Callable[[float, float, Callable[[], Logits]], Logits] | None = None

  def weighted(self, weight: float) -> Distribution:
    """The distribution after all steps."""
    if self.once:
      descend = functools.partial(self._descended, weight)
      logits = self.once(self.stage.target, weight, descend)
    else:
      logits = self._descended(weight)
    return Distribution.with_logits(self.stage.space, logits)

  def _descended(self, weight: float) -> Logits:
    start = self.start.logits() if self.start else None
    decisions = self.stage.space.decisions
    relaxed = Relaxed(decisions, self.temperature, self.rate, self.seed, start)
    for step in range(self.steps):
      relaxed.step(functools.partial(self._slopes, weight, step))
    return relaxed.rows()

  def _slopes(self, weight: float, step: int, hard: Any) -> Any:
    return weight * self.resource.at(hard)[1] - self.quality.at(hard, step)[1]

  def bisected(self) -> tuple[float, Distribution]:
    """The least weight found whose most probable network meets the target, and its distribution.

    It is the largest weight where not even this one's does.
    """
    found = self.weighted(MOST_WEIGHT)
    if self._used(found) > 1:
      return MOST_WEIGHT, found
    low, high = LEAST_WEIGHT, MOST_WEIGHT
    for _ in range(BISECTIONS):
      middle = (low * high) ** 0.5
      distribution = self.weighted(middle)
      used = self._used(distribution)
      if used > 1:
        low = middle
        continue
      found, high = distribution, middle
      if used >= self.enough:
        break
    return high, found

  def _used(self, distribution: Distribution) -> float:
    """What the most probable network takes, as a share of the target."""
    spec = self.stage.space.decode(distribution.mode())
    return self.stage.meter.measure(spec) / self.stage.target
