"""Searches whose optimum is known: every network of some options, and scores that add up."""

import itertools
import random

from nadv2_tf.search.gains import sum_of
from nadv2_tf.search.tabular import TabularBenchmark
from nadv2_tf.spec import NetworkSpec, Skip, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Upsample

#: a decoder: a skip over three blocks, and two blocks that share a width
SKIPPED = space_of(
  NetworkSpec(
    "skipped",
    (8, 8, 3),
    (
      Conv(8, 3, 2),
      DepthwiseSeparable(8, 12, 3, 1, bypass_cap=4),
      DepthwiseSeparable(12, 16, 5, 2, bypass_cap=8),
      DepthwiseSeparable(16, 12, 3, 1, bypass_cap=6),
      Upsample(2),
      Conv(1, 1, 1, "linear"),
    ),
    (Skip(1, 4),),
  ),
  levels=3,
  coupled=[((1, "pointwise"), (3, "pointwise"))],
)


def random_gains(blocks, seed=0, scale=1.0):
  """A gain for each option, more where more of the block is left, but for much chance."""
  rng = random.Random(seed)
  return tuple(
    tuple(scale * rng.random() * (number + 1) for number in range(len(block.choices)))
    for block in blocks
  )


def all_picks(chain):
  """The picks of every network of a chain."""
  return itertools.product(*(range(len(block.choices)) for block in chain.blocks))


def best_by_trying(chain, gains, meets):
  """The largest sum of gains of the networks that `meets` says yes to, None if there is none."""
  sums = (sum_of(gains, picks) for picks in all_picks(chain) if meets(chain.network(picks)))
  return max(sums, default=None)


def table_of_costs(costs, accuracy):
  """A `TabularBenchmark` whose costs add up: 10 and what each layer's choice of three costs.

  Args:
    costs: three numbers for each layer.
    accuracy: function of a network's choices.
  """
  rows = {
    row: (accuracy(row), 10.0 + sum(of[choice] for of, choice in zip(costs, row, strict=True)))
    for row in itertools.product(range(3), repeat=len(costs))
  }
  return TabularBenchmark(rows)
