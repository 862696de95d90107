"""A distribution over the networks of a space: probabilities, entropy, gradient and mode."""

import collections
import itertools
import math
import random

import pytest

from nadv2_tf.search.distribution import Distribution
from nadv2_tf.spec import NetworkSpec, SearchSpace
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable
from nadv2_tf.spec.space import Decision

#: one block of three decisions, and one of one: 2 x 3 x 2 x 2 = 24 networks
SPACE = SearchSpace(
  NetworkSpec(
    "three",
    (8, 8, 4),
    (
      Conv(4),
      DepthwiseSeparable(4, 6, 5, 1, bypass_cap=4),
      DepthwiseSeparable(6, 8, 3, 1, bypass_cap=4),
    ),
  ),
  (
    Decision("width", "depthwise", (1,), (2, 4)),
    Decision("width", "pointwise", (1,), (0, 3, 6)),
    Decision("kernel", "kernel", (1,), (3, 5)),
    Decision("width", "pointwise", (2,), (4, 8)),
  ),
)


def _random(seed=0):
  """A distribution with logits drawn at random."""
  rng, distribution = random.Random(seed), Distribution.factorised(SPACE)
  distribution.move([[rng.gauss(0, 1) for _ in v.options] for v in distribution.variables], 1.0)
  return distribution


def _all_draws(distribution):
  return list(itertools.product(*(range(len(v.options)) for v in distribution.variables)))


def test_it_begins_with_all_networks_equally_probable():
  distribution = Distribution.factorised(SPACE)
  assert distribution.entropy() == pytest.approx(math.log(24))
  for draw in _all_draws(distribution):
    assert distribution.log_probability(draw) == pytest.approx(-math.log(24))
    assert SPACE.encode(SPACE.decode(distribution.row(draw))) == distribution.row(draw)


def test_it_leans_towards_a_limit_on_the_middle_network():
  middles = [Distribution.near(SPACE, lambda row, m=m: sum(row) <= m).middle() for m in (9, 15, 23)]
  assert middles[0] == (2, 0, 3, 4) and middles[-1] == (4, 6, 5, 8)
  assert 12 <= sum(middles[1]) <= 15


def test_joined_the_probabilities_are_the_same():
  factorised = _random()
  joint = factorised.joint()
  assert [len(v.options) for v in joint.variables] == [12, 2]
  assert [v.columns for v in joint.variables] == [(0, 1, 2), (3,)]
  by_row = [
    {one.row(draw): one.log_probability(draw) for draw in _all_draws(one)}
    for one in (factorised, joint)
  ]
  assert by_row[0] == pytest.approx(by_row[1]) and len(by_row[0]) == 24
  assert sum(map(math.exp, by_row[1].values())) == pytest.approx(1)
  entropy = -sum(math.exp(value) * value for value in by_row[0].values())
  assert factorised.entropy() == pytest.approx(entropy) == joint.entropy()


def test_draws_are_as_frequent_as_probable():
  distribution, rng, count = _random(), random.Random(1), 20000
  drawn = collections.Counter(distribution.draw(rng) for _ in range(count))
  for draw in _all_draws(distribution):
    share = math.exp(distribution.log_probability(draw))
    # Five standard deviations: one in 10^5 false alarms over 24 networks.
    assert abs(drawn[draw] / count - share) < 5 * math.sqrt(share / count) + 1e-9


@pytest.mark.parametrize("make", [_random, lambda: _random().joint()], ids=["factorised", "joint"])
def test_the_gradient_is_that_of_the_log_probability(make):
  distribution, rng = make(), random.Random(2)
  weighted = [(distribution.draw(rng), rng.gauss(0, 1)) for _ in range(5)]
  slopes, step = distribution.gradient(weighted), 1e-5
  for variable, own in zip(distribution.variables, slopes, strict=True):
    for number, slope in enumerate(own):
      values = []
      for side in (step, -step):
        pulls = [0.0] * len(own)
        pulls[number] = side
        variable.move(pulls)
        values.append(sum(w * distribution.log_probability(draw) for draw, w in weighted))
        variable.move([-pull for pull in pulls])
      # Central differences of a smooth function of order 1: off by step^2.
      assert slope == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-8)


def test_the_mode_is_the_most_probable_network():
  for make in (_random, lambda: _random(5).joint()):
    distribution = make()
    best = max(_all_draws(distribution), key=distribution.log_probability)
    assert distribution.mode() == distribution.row(best)


def test_the_mode_within_a_limit_is_the_mode_if_that_is_within():
  distribution = _random()
  assert distribution.mode_within(lambda row: True) == distribution.mode()


def test_the_mode_within_a_limit_gives_up_what_is_improbable_first():
  distribution = Distribution.factorised(SPACE)
  # The second block is sure of its 8 filters, the first hardly prefers its 6.
  distribution.move([[0.0, 1.0], [0.0, 0.0, 0.1], [0.0, 1.0], [0.0, 9.0]], 1.0)
  assert distribution.mode() == (4, 6, 5, 8)
  assert distribution.mode_within(lambda row: sum(row) <= 20) == (4, 0, 5, 8)
  assert distribution.mode_within(lambda row: sum(row) <= 9) == (2, 0, 3, 4)


def test_a_mode_that_fills_a_limit_takes_what_is_least_improbable():
  distribution = Distribution.factorised(SPACE)
  # The first block would as soon have 6 filters as none, the second hardly wants its 8.
  distribution.move([[1.0, 0.0], [0.1, 0.0, 0.0], [1.0, 0.0], [9.0, 0.0]], 1.0)
  assert distribution.mode() == (2, 0, 3, 4)
  assert distribution.mode_filling(lambda row: sum(row) <= 16) == (2, 6, 3, 4)
  assert distribution.mode_filling(lambda row: sum(row) <= 9) == (2, 0, 3, 4)
  assert distribution.mode_filling(lambda row: True) == (4, 6, 5, 8)
  distribution.move([[0.0, 9.0], [0.0, 0.0, 9.0], [0.0, 9.0], [0.0, 99.0]], 1.0)
  within = distribution.mode_within(lambda row: sum(row) <= 20)
  assert distribution.mode_filling(lambda row: sum(row) <= 20) == within


def test_where_only_the_smallest_network_is_within_it_is_found_against_any_odds():
  distribution = Distribution.factorised(SPACE)
  distribution.move([[0.0, 1e9], [0.0, 0.0, 1e9], [0.0, 1e9], [0.0, 1e9]], 1.0)
  assert distribution.mode_within(lambda row: sum(row) <= 9) == (2, 0, 3, 4)
