"""Networks as numbers."""

import random

import pytest

from nadv2_tf import backbones
from nadv2_tf.spec.features import features_of, value_features
from nadv2_tf.spec.space import Decision

WIDTH = Decision("width", "filters", (0,), (0, 4, 8))
FIRST = Decision("width", "filters", (0,), (2, 4))
KERNEL = Decision("kernel", "kernel", (0,), (3, 5, 7))


def test_features_by_hand():
  assert value_features(WIDTH, 0) == (0.0, 1.0)
  assert value_features(WIDTH, 4) == (0.5, 0.0)
  assert value_features(WIDTH, 6) == (0.75, 0.0)  # off the grid
  assert value_features(FIRST, 2) == (0.5,)
  assert value_features(KERNEL, 5) == (0.0, 1.0, 0.0)
  assert features_of([WIDTH, KERNEL], [8, 3]) == [1.0, 0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("name", ["mobilenet_v3_demo", "single_path", "fastdepth"])
def test_different_networks_have_different_features_of_one_length(name):
  space, rng = backbones.search_space(name), random.Random(0)
  rows = {space.encode(space.sample(rng)) for _ in range(50)}
  found = {tuple(features_of(space.decisions, row)) for row in rows}
  assert len(found) == len(rows) and len(set(map(len, found))) == 1
  assert all(0 <= number <= 1 for features in found for number in features)
