"""How far a table is off for networks near a given one, told by networks that were measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nadv2_tf.spec.sums import total

if TYPE_CHECKING:
  from collections.abc import Iterable

#: how fast a network's word fades: one whose latency is this share away has 0.6 of a vote
NEARNESS = 0.1


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
