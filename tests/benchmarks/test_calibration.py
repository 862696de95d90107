"""The fit of a table to whole networks, on numbers made up from known coefficients."""

import math

import numpy as np
import pytest

from nadv2_tf.benchmarks.tables.calibration import (
  CACHE_SIZES,
  agreement,
  calibrated,
  fit_cache_model,
)
from nadv2_tf.resources.latency_table import LatencyTable, kilobytes
from nadv2_tf.resources.pieces import Piece
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, Head

SUMS = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
# 24 steps from 0 to 2400 kilobytes are tried as cache sizes: multiples of 100.
SIZES = [200, 500, 800, 1100, 1500, 2400]


@pytest.mark.parametrize("scale", [0.8, 2.0])
@pytest.mark.parametrize("spill", [1e-5, 1e-4])
@pytest.mark.parametrize("cache", [0, 400, 800])
def test_known_coefficients_are_recovered(scale, spill, cache):
  assert CACHE_SIZES == 25
  measured = [
    scale * total + spill * max(size - cache, 0) for total, size in zip(SUMS, SIZES, strict=True)
  ]
  fitted = fit_cache_model(SUMS, SIZES, measured)
  assert fitted["scale"] == pytest.approx(scale, rel=1e-9)
  assert fitted["spill_ms_per_kb"] == pytest.approx(spill, rel=1e-6)
  assert fitted["cache_kb"] == cache


def test_a_cache_that_holds_everything_costs_nothing():
  fitted = fit_cache_model(SUMS, SIZES, [1.5 * total for total in SUMS])
  assert fitted["scale"] == pytest.approx(1.5, rel=1e-9)
  assert fitted["spill_ms_per_kb"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
  "measured",
  [
    [1.0, 1.9, 2.7],  # large networks are faster than their sums
    [3.0, 2.0, 1.0],
    [1e-6, 1.0, 1e3],
  ],
)
def test_coefficients_are_never_negative(measured):
  fitted = fit_cache_model([1.0, 2.0, 3.0], [10, 20, 30], measured)
  assert fitted["scale"] > 0
  assert fitted["spill_ms_per_kb"] >= 0 and fitted["cache_kb"] >= 0
  assert all(math.isfinite(value) for value in fitted.values())


def test_noise_moves_the_fit_little():
  # 5 % on each network; over 200 networks the scale is off by far less.
  rng = np.random.default_rng(0)
  sums, sizes = rng.uniform(0.1, 1, 200), rng.uniform(0, 2400, 200)
  clean = 1.3 * sums + 2e-4 * np.maximum(sizes - 800, 0)
  fitted = fit_cache_model(sums, sizes, clean * rng.normal(1, 0.05, 200))
  assert fitted["scale"] == pytest.approx(1.3, rel=0.02)
  assert fitted["spill_ms_per_kb"] == pytest.approx(2e-4, rel=0.2)


# A 4x4 image -> 3x3 convolution of stride 2 with up to 400 filters -> global pool -> 2 classes.
ROWS = {
  Piece("conv", 4, 4, 1, 1, 3, 2, activation="relu"): 0.01,
  Piece("conv", 4, 4, 1, 400, 3, 2, activation="relu"): 4.0,
  Piece("pool", 2, 2, 400, 400): 0.5,
  Piece("conv", 1, 1, 400, 2, 1, activation="linear"): 0.25,
}


def test_a_calibrated_table_predicts_what_it_was_fitted_to():
  specs = [
    NetworkSpec("n", (4, 4, 1), (Conv(filters, 3, 2), Head(2))) for filters in range(40, 401, 40)
  ]
  table, largest = LatencyTable(ROWS, {"device": "fake"}), kilobytes(specs[-1])
  # The cache holds half of the largest network: the 13th of 25 sizes that are tried.
  measured = [
    1.2 * table.measure(spec) + 0.3 * max(kilobytes(spec) - largest / 2, 0) for spec in specs
  ]
  fitted = calibrated(table, specs, measured)
  assert fitted.rows == table.rows and fitted.facts["device"] == "fake"
  assert set(fitted.facts) == {"device", "scale", "spill_ms_per_kb", "cache_kb"}
  # Facts are text with six digits.
  assert [fitted.measure(spec) for spec in specs] == pytest.approx(measured, rel=1e-5)


def test_agreement_worked_by_hand():
  # Errors 0.1, 0, 0.2, 0.5; in order 0, 0.1, 0.2, 0.5: median 0.15. The 0.9 quantile lies at
  # 0.9 * 3 = 2.7, which is 0.2 + 0.7 * 0.3 = 0.41.
  # Ranks of the predictions 0 1 2 3, of the measurements 0 1 3 2: 1 - 6 * 2 / (4 * 15) = 0.8.
  found = agreement([1.1, 2.0, 3.2, 4.5], [1.0, 2.0, 4.0, 3.0])
  assert found["networks"] == 4
  assert found["error_median"] == pytest.approx(0.15)
  assert found["error_p90"] == pytest.approx(0.41)
  assert found["error_max"] == pytest.approx(0.5)
  assert found["spearman"] == pytest.approx(0.8)


@pytest.mark.parametrize(
  ("predicted", "measured", "expected"),
  [
    ([1, 2, 3], [10, 20, 30], 1),
    ([1, 2, 3], [30, 20, 10], -1),
    # Ranks 0.5 0.5 2 and 0 1 2, both around 1: products -0.5*-1 + -0.5*0 + 1*1 = 1.5, squares
    # 0.25 + 0.25 + 1 = 1.5 and 2; 1.5 / sqrt(3).
    ([5, 5, 9], [1, 2, 3], math.sqrt(3) / 2),
    # Ranks 0 1.5 1.5 3 and 1.5 0 3 1.5, around 1.5: products 0 + 0 + 0 + 0.
    ([1, 4, 4, 7], [2, 1, 8, 2], 0),
    ([5, 5, 9], [2, 2, 3], 1),
  ],
)
def test_equal_values_share_their_rank(predicted, measured, expected):
  assert agreement(predicted, measured)["spearman"] == pytest.approx(expected, abs=1e-12)
