"""Networks drawn softly: what a sum over values of decisions makes of a distribution, downhill.

A network is drawn hard, one value for each decision, and counts as such; its slopes go through the
soft draw that it is the hard form of. Source: Jang et al., ICLR 2017, straight-through
Gumbel-softmax.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence

  from nadv2_tf.spec.space import Decision

#: of Adam: how much of the running mean of the slopes, and of their squares, a step keeps
KEPT, KEPT_SQUARES = 0.9, 0.999
TINY = 1e-8
#: stands for the logarithm of 0
NEVER = -1e9


@dataclasses.dataclass(frozen=True)
class Codes:
  """The features of every value of every decision, whose sum are the features of a network.

  Attributes:
    table: [decisions x most options, features]; rows of options that a decision has not are 0.
    features: gives them.
  """

  table: Any
  features: Callable[[Decision, int], Sequence[float]]

  @classmethod
  def of(
    cls, decisions: Sequence[Decision], features: Callable[[Decision, int], Sequence[float]]
  ) -> Codes:
    """Of `features`(decision, value): as many numbers for each value of a decision."""
    import numpy as np

    sizes = [len(features(one, one.choices[0])) for one in decisions]
    most = max(len(one.choices) for one in decisions)
    table, start = np.zeros((len(decisions), most, sum(sizes))), 0
    for number, (decision, size) in enumerate(zip(decisions, sizes, strict=True)):
      for option, value in enumerate(decision.choices):
        table[number, option, start : start + size] = features(decision, value)
      start += size
    return cls(table.reshape(-1, table.shape[-1]), features)

  def of_row(self, decisions: Sequence[Decision], row: Sequence[int]) -> list[float]:
    """The features of a network as its space encodes it."""
    values: list[float] = []
    for decision, value in zip(decisions, row, strict=True):
      values += self.features(decision, value)
    return values

  def expected(self, shares: Any) -> Any:
    """The features [features] of options with `shares` [decisions, most options]."""
    return shares.reshape(-1) @ self.table

  def through(self, slopes: Any, shape: tuple[int, ...]) -> Any:
    """What slopes [features] are with respect to the shares, [decisions, most options]."""
    return (self.table @ slopes).reshape(shape)


class Relaxed:
  """Logits of the values of decisions, that go downhill.

  Args:
    decisions: of a `SearchSpace`.
    temperature: of the soft draws; the smaller, the nearer they are to hard ones.
    rate: of a step of Adam.
    seed: of the draws.
    logits: a row of first ones for each decision; None: all 0.

  Attributes:
    logits: [decisions, most options].
  """

  def __init__(
    self,
    decisions: Sequence[Decision],
    temperature: float,
    rate: float,
    seed: int,
    logits: Sequence[Sequence[float]] | None = None,
  ) -> None:
    import numpy as np

    most = max(len(one.choices) for one in decisions)
    sizes = np.array([len(one.choices) for one in decisions])
    self._possible = np.arange(most)[None] < sizes[:, None]
    self.logits: Any = np.where(self._possible, 0.0, NEVER)
    if logits is not None:
      self.logits[self._possible] = np.concatenate(logits)
    self._temperature, self._rate = temperature, rate
    self._rng = np.random.default_rng(seed)
    self._mean = np.zeros_like(self.logits)
    self._squares = np.zeros_like(self.logits)
    self._steps = 0

  def step(self, slopes_of: Callable[[Any], Any]) -> None:
    """One step downhill.

    Args:
      slopes_of: function (hard draw [decisions, most options], one 1 in each row) -> the slopes of
        the loss with respect to each of its numbers.
    """
    import numpy as np

    soft, hard = self.draw()
    slopes = through_softmax(soft, slopes_of(hard), self._temperature)
    self._steps += 1
    self._mean = KEPT * self._mean + (1 - KEPT) * slopes
    self._squares = KEPT_SQUARES * self._squares + (1 - KEPT_SQUARES) * slopes**2
    mean = self._mean / (1 - KEPT**self._steps)
    spread = np.sqrt(self._squares / (1 - KEPT_SQUARES**self._steps)) + TINY
    self.logits = np.where(self._possible, self.logits - self._rate * mean / spread, NEVER)

  def draw(self) -> tuple[Any, Any]:
    """(soft draw, its hard form), both [decisions, most options]."""
    import numpy as np

    noisy = (self.logits + self._rng.gumbel(size=self.logits.shape)) / self._temperature
    noisy = np.where(self._possible, noisy, NEVER)
    soft = softmax(noisy)
    return soft, np.eye(soft.shape[1])[noisy.argmax(axis=1)]

  def rows(self) -> list[list[float]]:
    """The logits of each decision's own values."""
    return [
      [float(value) for value, fits in zip(row, possible, strict=True) if fits]
      for row, possible in zip(self.logits, self._possible, strict=True)
    ]


def softmax(logits: Any) -> Any:
  """Shares that add up to 1 along the last axis."""
  import numpy as np

  raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
  return raised / raised.sum(axis=-1, keepdims=True)


def through_softmax(shares: Any, slopes: Any, temperature: float) -> Any:
  """Slopes with respect to logits, of slopes with respect to softmax(logits / temperature)."""
  middle = (shares * slopes).sum(axis=-1, keepdims=True)
  return shares * (slopes - middle) / temperature
