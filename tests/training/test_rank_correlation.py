"""Kendall's tau and its interval, against hand-worked numbers."""

import pytest

from nadv2_tf.training.scoring.rank_correlation import kendall_tau, tau_interval


@pytest.mark.parametrize(
  ("scores", "truths", "expected"),
  [
    ([1, 2, 3, 4], [10, 20, 30, 40], 1.0),
    ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
    ([1, 2, 3, 4], [1, 3, 2, 4], 4 / 6),  # one of six pairs the wrong way: (5 - 1) / 6
    # One tie in the scores: five ordered pairs there, six in the truths; all five agree.
    ([1, 2, 2, 4], [1, 2, 3, 4], 5 / (5 * 6) ** 0.5),
    ([1, 1, 1], [1, 2, 3], 0.0),
  ],
)
def test_tau(scores, truths, expected):
  assert kendall_tau(scores, truths) == pytest.approx(expected, abs=1e-12)


def test_interval_holds_tau_and_shrinks_with_more_pairs():
  def interval(count):
    truths = list(range(count))
    scores = [value + (5 if value % 3 == 0 else 0) for value in truths]
    low, high = tau_interval(scores, truths)
    assert -1 <= low <= kendall_tau(scores, truths) <= high <= 1
    return high - low

  assert interval(40) < interval(8)
  assert tau_interval([1, 3, 2, 5], [1, 2, 3, 4]) == tau_interval([1, 3, 2, 5], [1, 2, 3, 4])
