"""How well one list of numbers ranks what another one measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  from numpy.typing import ArrayLike

RESAMPLES = 2000


def kendall_tau(scores: ArrayLike, truths: ArrayLike) -> float:
  """Kendall's tau-b of two lists; 0 if either has no order.

  Source: Kendall 1945, "The treatment of ties in ranking problems".
  """
  scores, truths = np.asarray(scores, float), np.asarray(truths, float)
  one = np.sign(scores[:, None] - scores[None])
  other = np.sign(truths[:, None] - truths[None])
  ordered = np.sqrt(np.abs(one).sum() * np.abs(other).sum())
  return float((one * other).sum() / ordered) if ordered else 0.0


def tau_interval(scores: ArrayLike, truths: ArrayLike, seed: int = 0) -> tuple[float, float]:
  """(low, high) of the 95 % interval of `kendall_tau`, by resampling the pairs."""
  scores, truths = np.asarray(scores, float), np.asarray(truths, float)
  rng = np.random.default_rng(seed)
  drawn = rng.integers(0, len(scores), (RESAMPLES, len(scores)))
  taus = [kendall_tau(scores[rows], truths[rows]) for rows in drawn]
  low, high = np.quantile(taus, (0.025, 0.975))
  return float(low), float(high)
