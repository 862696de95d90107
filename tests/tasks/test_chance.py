"""What a network would reach that says the same of every image."""

import numpy as np
import pytest

from nadv2_tf.tasks import chance
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.depth.task import Depth


def test_the_same_class_is_right_where_it_is_most_frequent():
  task = Classification("demo", 28, holdout=1, seed=0)
  targets = np.array([2] * 200 + [0] * 150 + [1] * 150)  # more than are computed at once
  assert chance.chance_of(task, targets) == pytest.approx(0.4)
  assert chance.chance_of(task, targets[200:]) == pytest.approx(0.5)  # of two, one is right


def test_the_same_depth_is_right_near_the_median():
  task = Depth("rooms:20", 8, holdout=1, seed=0)
  maps = np.full((4, 2, 2, 1), 2, np.float16)
  maps[0] = 9
  maps[1, 0, 0] = 0  # without depth, neither right nor wrong
  assert task.same_outputs(maps).shape == maps.shape
  assert chance.chance_of(task, maps) == pytest.approx(3 / 4)


@pytest.mark.parametrize(
  ("quality", "same", "images", "is_it"),
  [
    (0.5, 0.5, 10_000, True),
    (0.509, 0.5, 10_000, True),  # 2 standard errors are 0.01
    (0.511, 0.5, 10_000, False),
    (0.7, 0.5, 16, True),
    (0.8, 0.5, 16, False),
    (1.0, 0.5, 3, False),  # all are right, and 2 standard errors over 1
    (0.0, 0.1, 50, True),
    (None, 0.5, 16, False),
    (0.5, None, 16, False),
  ],
)
def test_chance_is_within_two_standard_errors(quality, same, images, is_it):
  assert chance.is_chance(quality, same, images) == is_it
  assert bool(chance.told(quality, same, images, "accuracy")) == is_it
