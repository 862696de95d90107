"""A network of a space as numbers near 0 to 1, for what learns from networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Iterable

  from nadv2_tf.spec.space import Decision


def features_of(decisions: Iterable[Decision], row: Iterable[int]) -> list[float]:
  """The features of a network: those of each of its values, one after the other.

  They are a sum over the decisions, so the features that a distribution over values expects are
  the expected features.

  Args:
    decisions: of a `SearchSpace`.
    row: a value for each, which need not be one of its choices.
  """
  found: list[float] = []
  for decision, value in zip(decisions, row, strict=True):
    found += value_features(decision, value)
  return found


def value_features(decision: Decision, value: int) -> tuple[float, ...]:
  """The features of one value, as many for each value of a decision.

  A width gives its share of the full one and, where it may be 0, whether it is; a kernel size a 1
  at its place among the choices.
  """
  if decision.kind == "kernel":
    return tuple(float(value == choice) for choice in decision.choices)
  share = value / decision.choices[-1]
  return (share, float(value == 0)) if decision.choices[0] == 0 else (share,)
