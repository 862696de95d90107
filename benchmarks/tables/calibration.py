"""What a sum over layers misses of a whole network, fitted; and how well the sum predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nadv2_tf.resources.latency_table import LatencyTable, kilobytes

if TYPE_CHECKING:
  from collections.abc import Sequence

  from numpy.typing import ArrayLike

  from nadv2_tf.spec import NetworkSpec

#: sizes of the cache that are tried, from 0 to the largest network's
CACHE_SIZES = 25


def calibrated(
  table: LatencyTable, specs: Sequence[NetworkSpec], measured: Sequence[float]
) -> LatencyTable:
  """The table with the scale and the cache term that fit whole networks best.

  Args:
    table: a `LatencyTable` of rows alone.
    specs: whole networks.
    measured: milliseconds of each.
  """
  sums = [table.measure(spec) for spec in specs]
  fitted = fit_cache_model(sums, [kilobytes(spec) for spec in specs], measured)
  facts = {name: f"{value:.6g}" for name, value in fitted.items()}
  return LatencyTable(table.rows, {**table.facts, **facts})


def fit_cache_model(sums: ArrayLike, sizes: ArrayLike, measured: ArrayLike) -> dict[str, float]:
  """The `scale`, `spill_ms_per_kb` and `cache_kb` with the least squared relative error.

  Args:
    sums: milliseconds of each network by its rows alone.
    sizes: kilobytes of each network's parameters.
    measured: milliseconds of each network, measured.

  The cache's size is searched on a grid; scale and spill follow by least squares and are at
  least 0.
  """
  sums, sizes, measured = map(np.asarray, (sums, sizes, measured))
  best: Any = None
  for cache_kb in np.linspace(0.0, sizes.max(), CACHE_SIZES):
    spilled = np.maximum(sizes - cache_kb, 0.0)
    features = np.stack([sums, spilled], axis=1) / measured[:, None]
    coefficients, *_ = np.linalg.lstsq(features, np.ones(len(measured)), rcond=None)
    if coefficients[0] <= 0 or coefficients[1] < 0:
      scale = features[:, 0].sum() / np.square(features[:, 0]).sum()
      coefficients = np.array([scale, 0.0])
    error = float(np.square(features @ coefficients - 1).sum())
    if best is None or error < best[0]:
      best = (error, *coefficients.tolist(), float(cache_kb))
  return {"scale": best[1], "spill_ms_per_kb": best[2], "cache_kb": best[3]}


def agreement(predicted: ArrayLike, measured: ArrayLike) -> dict[str, float]:
  """How well one list of milliseconds predicts another.

  Returns:
    {"networks": n, "error_median", "error_p90", "error_max": of |predicted / measured - 1|,
    "spearman": rank correlation}.
  """
  predicted, measured = np.asarray(predicted, float), np.asarray(measured, float)
  errors = np.abs(predicted / measured - 1)
  return {
    "networks": len(measured),
    "error_median": float(np.median(errors)),
    "error_p90": float(np.quantile(errors, 0.9)),
    "error_max": float(errors.max()),
    "spearman": float(np.corrcoef(_ranks(predicted), _ranks(measured))[0, 1]),
  }


def _ranks(values: np.ndarray) -> np.ndarray:
  """Ranks from 0; equal values share their mean rank."""
  _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
  return (np.cumsum(counts) - (counts + 1) / 2)[inverse]
