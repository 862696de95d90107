"""The multi-layer regressor: its outputs and slopes against numbers, and that it learns."""

import numpy as np
import pytest

from nadv2_tf.regressor import Regressor, fitted


def _by_hand():
  return Regressor([([[1.0, -1.0], [2.0, 0.0]], [0.0, 1.0]), ([[3.0], [5.0]], [0.5])], [0.0, 10.0])


def test_the_output_of_a_hand_made_regressor():
  # (1, 2): hidden 1 + 4 = 5 and -1 + 1 = 0; 3 x 5 + 5 x 0 + 0.5 + 10 x 2 = 35.5.
  # (-3, 1): hidden -3 + 2 < 0, so 0, and 3 + 1 = 4; 5 x 4 + 0.5 + 10 = 30.5.
  regressor = _by_hand()
  assert regressor.value([1, 2]) == 35.5 and regressor.value([-3, 1]) == 30.5
  assert list(regressor.values([[1, 2], [-3, 1]])) == [35.5, 30.5]
  assert regressor.inputs == 2


def test_its_slopes():
  # At (-3, 1) only the second hidden unit counts: 5 x (-1, 0) + (0, 10).
  assert list(_by_hand().slope([-3, 1])) == [-5.0, 10.0]
  rng = np.random.default_rng(0)
  sizes = [(6, 7), (7, 5), (5, 1)]
  regressor = Regressor([(rng.normal(size=s), rng.normal(size=s[1])) for s in sizes])
  row, step = rng.normal(size=6), 1e-6
  moved = step * np.eye(6)
  numbers = [(regressor.value(row + d) - regressor.value(row - d)) / (2 * step) for d in moved]
  # Piecewise linear: what is left is rounding, 1e-15 over the step.
  np.testing.assert_allclose(regressor.slope(row), numbers, atol=1e-7)


def _examples(count, seed):
  rows = np.random.default_rng(seed).uniform(size=(count, 3))
  return rows, 100 + 20 * rows[:, 0] * rows[:, 1] + 5 * rows[:, 2]


def test_it_learns_what_is_not_linear_and_the_seed_decides():
  rows, targets = _examples(600, 0)
  regressor = fitted(rows, targets, (32, 16), seed=1)
  others, truths = _examples(200, 1)
  left = np.abs(regressor.values(others) - truths).mean()
  # The mean deviation of the targets is about 4; a linear fit leaves 1.
  assert left < 0.5
  again, other = (fitted(rows, targets, (32, 16), seed) for seed in (1, 2))
  assert again.value(rows[0]) == regressor.value(rows[0]) != other.value(rows[0])


def test_a_column_that_never_changes_is_no_matter():
  rows, targets = _examples(50, 0)
  rows[:, 1] = 1.0
  assert np.isfinite(fitted(rows, targets, (4,), rounds=5).values(rows)).all()


def test_corrected_it_is_nearer_to_what_was_measured():
  rows, targets = _examples(600, 0)
  regressor = fitted(rows, targets, (32, 16))
  few, truths = _examples(30, 2)
  shifted = 1.1 * truths + 2 * few[:, 1]
  corrected = regressor.corrected(few, shifted)
  others, other_truths = _examples(100, 3)
  wanted = 1.1 * other_truths + 2 * others[:, 1]
  before, after = (np.abs(one.values(others) - wanted).mean() for one in (regressor, corrected))
  assert after < 0.1 * before


@pytest.mark.parametrize(
  ("layers", "direct", "message"),
  [
    ([], None, "must have a layer"),
    ([([[1.0], [2.0]], [0.0, 0.0])], None, r"Layer 1 .* got \(2, 1\) and \(2,\)"),
    ([([[1.0]], [0.0]), ([[1.0], [1.0]], [0.0])], None, "Layer 2"),
    ([([[1.0, 2.0]], [0.0, 0.0])], None, "must have one output, got 2"),
    ([([[1.0]], [0.0])], [1.0, 2.0], r"direct weights must be 1, .* got \(2,\)"),
    ([([[float("nan")]], [0.0])], None, "must be finite"),
    ([([], [])], None, "Layer 1"),
  ],
)
def test_what_is_no_regressor_is_refused(layers, direct, message):
  with pytest.raises(ValueError, match=message):
    Regressor(layers, direct)
