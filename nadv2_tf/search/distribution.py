"""A probability distribution over the networks of a space, whose parameters are logits."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import itertools
import math
import operator
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
  import random
  from collections.abc import Callable, Iterable, Sequence
  from typing import Self

  from nadv2_tf.spec import SearchSpace

#: a network drawn: the position of its option in every variable
Draw: TypeAlias = tuple[int, ...]

#: halvings of the range in which the weight of small options is sought
HALVINGS = 20
#: a lean with which nearly all networks drawn are the smallest, or the largest
STRONGEST_LEAN = 50.0
#: a weight of the size of options that no logit stands against
MOST_PREFERENCE = 1e6


@dataclasses.dataclass
class Variable:
  """A categorical variable: values of some decisions of a space that are drawn together.

  Attributes:
    columns: of the decisions, as `space.encode` has them.
    options: a value for each of the columns.
    sizes: of each option: the sum of its values, each as a share of the largest.
    logits: unnormalised log-probabilities, one for each option; `move` changes them.
  """

  columns: tuple[int, ...]
  options: tuple[tuple[int, ...], ...]
  sizes: tuple[float, ...]
  logits: list[float]

  def log_probabilities(self) -> list[float]:
    """One for each option; their exponentials add up to 1."""
    largest = max(self.logits)
    normaliser = largest + math.log(sum(math.exp(logit - largest) for logit in self.logits))
    return [logit - normaliser for logit in self.logits]

  @functools.cached_property
  def probabilities(self) -> list[float]:
    """One for each option."""
    return [math.exp(value) for value in self.log_probabilities()]

  @functools.cached_property
  def _sums(self) -> list[float]:
    return list(itertools.accumulate(self.probabilities))

  def draw(self, rng: random.Random) -> int:
    """The position of an option, each as often as its probability says."""
    # Rounding may leave the last sum a little below 1.
    return min(bisect.bisect(self._sums, rng.random()), len(self.options) - 1)

  def entropy(self) -> float:
    """In nats."""
    values = zip(self.probabilities, self.log_probabilities(), strict=True)
    return -sum(probability * value for probability, value in values)

  def move(self, pulls: Sequence[float]) -> None:
    """Adds to each logit what `pulls` has for its option."""
    self.logits = [logit + pull for logit, pull in zip(self.logits, pulls, strict=True)]
    for name in ("probabilities", "_sums"):
      self.__dict__.pop(name, None)

  def mode(self, smallness: float = 0.0) -> int:
    """Position of the option with the largest log-probability less `smallness` times its size."""
    values = [
      value - smallness * size
      for value, size in zip(self.log_probabilities(), self.sizes, strict=True)
    ]
    # Of equal options the smaller one.
    return max(range(len(values)), key=lambda number: (values[number], -self.sizes[number]))


@dataclasses.dataclass
class Distribution:
  """Independent `Variable`s that together draw every decision of a space once.

  `factorised` has a variable for each decision, `joint` one for each block, which can learn that
  a width goes with a kernel size.
  """

  space: SearchSpace
  variables: tuple[Variable, ...]

  @classmethod
  def factorised(cls, space: SearchSpace, lean: float = 0.0) -> Self:
    """Every decision by itself, each value with a logit of `lean` times its size.

    Without a lean all networks are equally probable.
    """
    variables = []
    for column, decision in enumerate(space.decisions):
      options = tuple((value,) for value in decision.choices)
      sizes = tuple(value / decision.choices[-1] for value in decision.choices)
      variables.append(Variable((column,), options, sizes, [lean * size for size in sizes]))
    return cls(space, tuple(variables))

  @classmethod
  def near(cls, space: SearchSpace, is_met_by: Callable[[tuple[int, ...]], bool]) -> Self:
    """The one of `factorised` that leans so far that its `middle` still `is_met_by`."""
    low, high = -STRONGEST_LEAN, STRONGEST_LEAN
    for _ in range(HALVINGS):
      lean = (low + high) / 2
      is_met = is_met_by(cls.factorised(space, lean).middle())
      low, high = (lean, high) if is_met else (low, lean)
    return cls.factorised(space, low)

  def joint(self) -> Self:
    """The same probabilities, the decisions of a block as one variable.

    A decision about two blocks is the first one's.
    """
    blocks: dict[int, list[Variable]] = {}
    for variable in self.variables:
      first = self.space.decisions[variable.columns[0]].blocks[0]
      blocks.setdefault(first, []).append(variable)
    return type(self)(self.space, tuple(map(_joined, blocks.values())))

  def logits(self) -> tuple[tuple[float, ...], ...]:
    """Of all variables: with the space all that there is to keep."""
    return tuple(tuple(variable.logits) for variable in self.variables)

  @classmethod
  def with_logits(cls, space: SearchSpace, logits: Sequence[Sequence[float]]) -> Self:
    """The one of `factorised` or `joint` whose `logits` these are.

    Raises:
      ValueError: for those of another space.
    """
    made = cls.factorised(space)
    if len(logits) != len(made.variables):
      made = made.joint()
    sizes = [len(own) for own in logits]
    if sizes != [len(variable.options) for variable in made.variables]:
      raise ValueError(
        f"The logits of {len(logits)} variables are not those of {space.network.name!r}."
      )
    for variable, own in zip(made.variables, logits, strict=True):
      variable.logits = list(own)
    return made

  def entropy(self) -> float:
    """In nats: how undecided it is."""
    return sum(variable.entropy() for variable in self.variables)

  def draw(self, rng: random.Random) -> Draw:
    """A network, each as often as its probability says."""
    return tuple(variable.draw(rng) for variable in self.variables)

  def row(self, draw: Draw) -> tuple[int, ...]:
    """The network of a draw, as `space.decode` takes it."""
    row = [0] * len(self.space)
    for variable, number in zip(self.variables, draw, strict=True):
      for column, value in zip(variable.columns, variable.options[number], strict=True):
        row[column] = value
    return tuple(row)

  def middle(self) -> tuple[int, ...]:
    """The row of the network with the value of every decision that is nearest to its mean."""
    row = [0] * len(self.space)
    for variable in self.variables:
      for place, column in enumerate(variable.columns):
        values = [option[place] for option in variable.options]
        mean = sum(map(operator.mul, values, variable.probabilities))
        row[column] = min(values, key=lambda value: abs(value - mean))
    return tuple(row)

  def log_probability(self, draw: Draw) -> float:
    """The logarithm of the probability of a draw."""
    pairs = zip(self.variables, draw, strict=True)
    return sum(variable.log_probabilities()[number] for variable, number in pairs)

  def gradient(self, weighted: Iterable[tuple[Draw, float]]) -> list[list[float]]:
    """d/dlogits of the sum over `weighted` draws of weight times log-probability.

    Returns:
      For each variable a number for each of its options: the sum of weight x (1 if it is the
      drawn one, less its probability).
    """
    weighted = list(weighted)
    whole = sum(weight for _, weight in weighted)
    found = []
    for place, variable in enumerate(self.variables):
      slopes = [-whole * probability for probability in variable.probabilities]
      for draw, weight in weighted:
        slopes[draw[place]] += weight
      found.append(slopes)
    return found

  def move(self, slopes: Sequence[Sequence[float]], rate: float) -> None:
    """Adds `rate` times `slopes`, as of `gradient`, to the logits."""
    for variable, own in zip(self.variables, slopes, strict=True):
      variable.move([rate * slope for slope in own])

  def mode(self, smallness: float = 0.0) -> tuple[int, ...]:
    """The row of the most probable network; `smallness` counts against the size of each option."""
    return self.row(tuple(variable.mode(smallness) for variable in self.variables))

  def mode_within(self, is_met_by: Callable[[tuple[int, ...]], bool]) -> tuple[int, ...]:
    """The most probable network as far as it `is_met_by`, else one near it that is smaller.

    The size of each option then counts against its log-probability, by a weight that is as small
    as it can be. The smallest network must meet what is asked for.
    """
    row = self.mode()
    if is_met_by(row):
      return row
    high = 1.0
    while not is_met_by(self.mode(high)):
      if math.isinf(high):
        return tuple(decision.choices[0] for decision in self.space.decisions)
      high *= 4
    low = 0.0
    for _ in range(HALVINGS):
      middle = (low + high) / 2
      low, high = (low, middle) if is_met_by(self.mode(middle)) else (middle, high)
    return self.mode(high)

  def mode_filling(self, is_met_by: Callable[[tuple[int, ...]], bool]) -> tuple[int, ...]:
    """A network near the most probable one that leaves as little as it can of what is allowed.

    The size of each option counts for it, by a weight that is as large as it can be. It is
    `mode_within` where the most probable network is above what is allowed.
    """
    row = self.mode_within(is_met_by)
    if row != self.mode():
      return row
    low, high = 0.0, 1.0
    while is_met_by(self.mode(-high)):
      if high > MOST_PREFERENCE:
        return self.mode(-high)
      low, high = high, high * 4
    for _ in range(HALVINGS):
      middle = (low + high) / 2
      low, high = (middle, high) if is_met_by(self.mode(-middle)) else (low, middle)
    return self.mode(-low)


def _joined(variables: Sequence[Variable]) -> Variable:
  """One variable of all combinations of the options of independent ones."""
  tables = [
    list(zip(variable.options, variable.sizes, variable.log_probabilities(), strict=True))
    for variable in variables
  ]
  rows = list(itertools.product(*tables))
  return Variable(
    columns=tuple(itertools.chain.from_iterable(variable.columns for variable in variables)),
    options=tuple(tuple(itertools.chain.from_iterable(o for o, _, _ in row)) for row in rows),
    sizes=tuple(sum(size for _, size, _ in row) for row in rows),
    logits=[sum(value for _, _, value in row) for row in rows],
  )
