"""The uniformly scaled network."""

import pytest

from nadv2_tf import backbones
from nadv2_tf.resources import MacsMeter
from nadv2_tf.search import Problem, minimize
from nadv2_tf.search.uniform import scaled_to, uniformly_scaled

SPACE, MEASURE = backbones.search_space("mobilenet_v3_demo"), MacsMeter().measure
LARGEST = SPACE.largest()


@pytest.mark.parametrize("share", [1.0, 0.5, 0.37, 0.001])
def test_every_width_is_scaled_and_no_kernel(share):
  row, full = (SPACE.encode(spec) for spec in (uniformly_scaled(SPACE, share), LARGEST))
  for value, most, decision in zip(row, full, SPACE.decisions, strict=True):
    assert value == (most if decision.kind == "kernel" else max(round(share * most), 1))
  assert uniformly_scaled(SPACE, share).name == f"{LARGEST.name}_x{share:.3f}"


def test_coupled_widths_stay_coupled():
  space = backbones.search_space("fastdepth")
  spec = uniformly_scaled(space, 0.5)
  coupled = [decision for decision in space.decisions if len(decision.blocks) > 1]
  assert len(coupled) == 3
  for decision in coupled:
    assert len({getattr(spec.blocks[index], decision.field) for index in decision.blocks}) == 1


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7, 0.99])
def test_the_widest_that_meets_the_goal_is_found(share):
  goal = share * MEASURE(LARGEST)
  spec = scaled_to(SPACE, MEASURE, goal)
  assert 0.95 * goal < MEASURE(spec) <= goal


class _SmallIsBest:
  def accuracy(self, specs):
    return [1 - MEASURE(spec) / MEASURE(LARGEST) / 2 for spec in specs]


def test_each_target_has_the_network_scaled_to_it_even_if_a_smaller_one_scored_better():
  targets = [share * MEASURE(LARGEST) for share in (0.4, 0.6, 0.8)]
  problem = Problem(SPACE, LARGEST, MacsMeter(), targets[0], tuple(targets[1:]))
  result = minimize(problem, "uniform", _SmallIsBest())
  for found, target in zip(result.found, reversed(targets), strict=True):
    assert found.target == target
    assert 0.95 * target < found.resource <= target
