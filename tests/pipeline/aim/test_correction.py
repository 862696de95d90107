"""The next goal of a search, from what was measured near the network that it found."""

import math

import pytest
from filter_meter import WIDE

from nadv2_tf.pipeline.aim.correction import scale_near
from nadv2_tf.pipeline.aim.rounds import Attempt
from nadv2_tf.search import Found


@pytest.mark.parametrize(
  ("measured", "scale", "expected"),
  [
    (0.3, None, None),  # as predicted: the search's steps, or a limit, left a quarter unused
    (0.3, 0.8, 0.5),  # others near it took 0.8 of what was predicted
    (0.24, None, 0.5),  # and so did it
    (0.39, 0.8, None),  # 2.5 % below are near enough
    (0.44, None, 0.4 * 0.3 / 0.44),
    (0.44, 0.9, 0.4 * 0.99),  # above it is never searched for more
    (None, None, None),
  ],
)
def test_the_next_goal(measured, scale, expected):
  found = Found(0.4, WIDE.smallest(), 0.3, 0.5)
  goal = Attempt(1, 0.4, found, measured, scale=scale).next_goal(0.4)
  assert goal == (expected and pytest.approx(expected))


def test_a_table_that_is_off_by_another_scale_elsewhere_is_corrected_near_the_network():
  pairs = [(1.0, 2.0), (0.5, 0.6), (0.25, 0.25)]
  # ln(1 / 0.5) / 0.1 is 6.9: a vote of 4e-11.
  assert scale_near(0.5, pairs) == pytest.approx(1.2, rel=1e-9)
  assert scale_near(1.0, pairs) == pytest.approx(2.0, rel=1e-9)
  # Two networks 10 % and -10 % away have equal votes of exp(-0.5), the one there has 1:
  # the logarithm is (log 1.3 + 0.6065 (log 1.2 + log 1.4)) / 2.2131.
  near = math.exp(0.1)
  pairs = [(near, 1.2 * near), (1.0, 1.3), (1 / near, 1.4 / near)]
  assert scale_near(1.0, pairs) == pytest.approx(1.2979, abs=1e-4)
