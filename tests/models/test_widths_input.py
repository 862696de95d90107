"""What the super-network takes as `widths`, and what it refuses."""

import random

import numpy as np
import pytest
import tensorflow as tf

from nadv2_tf import backbones
from nadv2_tf.models import check_widths, super_network


@pytest.fixture(scope="module")
def demo():
  space = backbones.search_space("mobilenet_v3_demo")
  return space, super_network(space)


def rows_of(space, count=2):
  return np.tile(np.array(space.encode(space.largest()), np.int32), (count, 1))


def test_kernels_must_be_equal_in_all_rows(demo):
  space, model = demo
  rows = rows_of(space)
  column = next(c for c, decision in enumerate(space.decisions) if decision.kind == "kernel")
  rows[1, column] = 3
  images = np.zeros((2, 32, 32, 1), np.float32)
  with pytest.raises(ValueError, match=r"block02_kernel must be equal in all rows.*\[3, 5\]"):
    model([images, rows], training=False)
  with pytest.raises(ValueError, match="block02_kernel"):
    check_widths(space, rows)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (lambda rows: rows[:, :-1], r"shape \[batch, 71\], got \[2, 70\]"),
    (lambda rows: rows * 2, r"block01_filters must lie in \[0, 8\], got 16 to 16"),
    (lambda rows: -rows, r"block01_filters must lie in \[0, 8\], got -8 to -8"),
  ],
)
def test_what_is_no_row_of_the_space_is_refused(demo, change, message):
  space, _ = demo
  with pytest.raises(ValueError, match=message):
    check_widths(space, change(rows_of(space)))


def test_eager_and_traced_agree_and_200_specs_are_one_trace(demo, randomise):
  """Identity 9: a spec is a value, not a graph."""
  space, model = demo
  randomise(model, seed=1)
  images = tf.random.stateless_normal((2, 32, 32, 1), [1, 2])
  traces = []

  def call(widths):
    traces.append(1)
    return model([images, widths], training=False)

  traced = tf.function(call, autograph=False)
  rng = random.Random(2)
  for index in range(200):
    row = tf.constant([space.encode(space.sample(rng))] * 2, tf.int32)
    outputs = traced(row)
    if index < 3:
      np.testing.assert_allclose(
        outputs,
        model([images, row], training=False),
        atol=1e-4 * float(tf.math.reduce_std(outputs)),
      )
  assert len(traces) == 1
