"""The study of trained networks against what else could be done with them."""

import numpy as np
import pytest

from nadv2_tf.benchmarks.studies import adapted
from nadv2_tf.benchmarks.studies.peer_networks import above_threshold, goal_between
from nadv2_tf.resources import COUNTS
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

NETWORK = NetworkSpec(
  "tiny",
  (8, 8, 3),
  (Conv(8, 3), InvertedResidual(16, 16, 8, 3, 1, 4), InvertedResidual(32, 32, 8, 3, 1, 4), Head(2)),
)


@pytest.fixture(scope="module")
def importance():
  """Of the first expansion half the channels stand out, of the second all are alike."""
  outstanding = np.repeat([3.0, 1.0], 8)
  flat = np.full(32, 50.0)
  shared = np.linspace(2, 1, 8)
  return {
    (0, "filters"): shared,
    (1, "expansion"): outstanding,
    (1, "depthwise"): outstanding,
    (1, "projection"): shared,
    (2, "expansion"): flat,
    (2, "depthwise"): flat,
    (2, "projection"): shared,
  }


def test_one_threshold_cuts_where_channels_matter_least(importance):
  space, meter = space_of(NETWORK, 4), COUNTS["macs"]()
  most = meter.measure(NETWORK)
  half = above_threshold(space, importance, meter, 0.8 * most)
  assert half.blocks[1].expansion == half.blocks[1].depthwise == 8
  assert half.blocks[2].expansion == 32  # all of them are 1, whatever their scale
  assert meter.measure(half) <= 0.8 * most
  assert above_threshold(space, importance, meter, most) == NETWORK
  small = above_threshold(space, importance, meter, 0.3 * most)
  assert all(width > 0 for block in small.blocks[:3] for width in block.widths().values())


def test_the_table_by_hand():
  def made(accuracy, milliseconds, seconds=100.0):
    return {
      "test_accuracy": accuracy,
      "milliseconds": milliseconds,
      "macs": 2_000_000,
      "seconds": seconds,
    }

  def seed(found):
    return {
      "60%": {
        "full": made(0.9, 2.0),
        "found": made(found, 1.2, 300),
        "uniform": made(0.8, 1.0),
        "scratch": made(0.5, 1.2),
      }
    }

  text = list(adapted.lines({"0": seed(0.88), "1": seed(0.86)}, ["scratch"], 3e-3))
  rows = {line[:26].strip(): line[26:].split() for line in text if line[26:]}
  assert rows["nadv2-run, found network"] == (
    ["87.00%", "86.00%", "88.00%", "+0.00", "60.0%", "2.0", "300"]
  )
  assert rows["narrowed by one factor"][3:5] == ["+7.00", "50.0%"]
  assert rows["found network, scratch"][3] == "+37.00"
  assert rows["the original, trained"][3] == "-3.00"
  # An arm that reaches a target with one seed, and one that never does.
  first, second = seed(0.88), seed(0.86)
  del second["60%"]["scratch"]
  text = list(adapted.lines({"0": first, "1": second}, ["scratch", "netadaptv1"], 3e-3))
  (scratch,) = [line for line in text if line.startswith("found network, scratch")]
  assert scratch.split()[3:6] == ["50.00%", "50.00%", "50.00%"]
  assert scratch.endswith("1 of 2 seeds")
  assert "NetAdaptV1                  not reached" in text


def test_netadaptv1_is_aimed_by_networks_that_were_measured():
  # Measured 1.1 times as predicted at 1 ms, 1.21 times at 4 ms: at 2 ms, half-way in the
  # logarithm, 1.1 * sqrt(1.1).
  pairs = [(4.0 / 1.21, 4.0), (1.0 / 1.1, 1.0)]
  for target, scale in ((0.5, 1.1), (1.0, 1.1), (2.0, 1.1**1.5), (4.0, 1.21), (9.0, 1.21)):
    assert goal_between(target, pairs) == pytest.approx(target / scale), target
  assert goal_between(2.0, pairs[:1]) == pytest.approx(2.0 / 1.21)
  assert goal_between(2.0, [(1.0, 2.0), (1.0, 2.0)]) == pytest.approx(1.0)
