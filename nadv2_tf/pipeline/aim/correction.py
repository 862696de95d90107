"""How far a table is off for networks near a given one, told by networks that were measured."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from nadv2_tf.spec.sums import total

if TYPE_CHECKING:
  from collections.abc import Iterable

#: how fast a network's word fades: one whose latency is this share away has 0.6 of a vote
NEARNESS = 0.1


def goal_between(target: float, measured: Iterable[tuple[float, float]]) -> float:
  """What a table says of a network that takes `target` milliseconds, before one near it is timed.

  Between two networks that were measured the logarithm of measured over predicted latency is a
  straight line over the logarithm of the measured one; beyond them it stays as it is.

  Args:
    target: milliseconds, measured.
    measured: pairs (predicted, measured milliseconds), one at least.
  """
  logs = sorted((math.log(value), math.log(value / known)) for known, value in measured)
  at = min(max(math.log(target), logs[0][0]), logs[-1][0])
  scale = logs[0][1]
  for (low, first), (high, last) in itertools.pairwise(logs):
    if low <= at and low < high:
      scale = first + (last - first) * min((at - low) / (high - low), 1.0)
  return target / math.exp(scale)


def scale_near(predicted: float, measured: Iterable[tuple[float, float]]) -> float:
  """What the table's word is to be multiplied with near `predicted` milliseconds.

  The ratio of measured to predicted latency changes slowly along the path of a search. It is the
  mean over the measured networks, of its logarithm, in which each counts by how near its own
  predicted latency is: exp(-(log(p / predicted) / NEARNESS) ** 2 / 2).

  Args:
    predicted: milliseconds by the table.
    measured: pairs (predicted, measured milliseconds) of one session, one of them near.
  """
  weights, logs = [], []
  for known, value in measured:
    weights.append(math.exp(-((math.log(known / predicted) / NEARNESS) ** 2) / 2))
    logs.append(math.log(value / known))
  weighted = [weight * log for weight, log in zip(weights, logs, strict=True)]
  return math.exp(total(weighted) / total(weights))
