"""LayerNAS: bounds of its buckets by hand, and its answers against brute force."""

import itertools
import math
import random

import pytest
from additive import table_of_costs
from toy import SPACE

from nadv2_tf.resources import MacsMeter, ParametersMeter
from nadv2_tf.search import LayerNAS, Problem, minimize
from nadv2_tf.search.choices import choices, network_of
from nadv2_tf.search.layernas import Table, bucket

MACS = MacsMeter().measure
LARGEST = MACS(SPACE.largest())


@pytest.mark.parametrize(
  ("cost", "expected"),
  [
    (20.0, 0),  # five ranges of 4 from 20 to 40
    (23.9, 0),
    (24.0, 1),
    (39.9, 4),
    (40.0, 4),  # the upper end is in the last
    (10.0, 0),
    (99.0, 4),
  ],
)
def test_buckets_by_hand(cost, expected):
  assert bucket(cost, 20.0, 40.0, 5) == expected


def test_costs_that_are_all_the_same_have_one_bucket():
  assert bucket(7.0, 7.0, 7.0, 5) == 0


def test_bounds_by_hand():
  # Everything at its largest costs 10 + 6 + 8 + 4 = 28, at its smallest 10.
  bench = table_of_costs([(0, 2, 6), (0, 4, 8), (0, 1, 4)], lambda row: 0.5)
  problem = Problem(bench.space, bench.space.largest(), bench, 15.0, (20.0,))
  bounds = Table(problem, LayerNAS()).bounds
  assert bounds == [
    # From layer 1 at its smallest, 22, to the 28 of the start; 20 and the 12 that are still to be
    # saved would be more.
    (22.0, 28.0),
    # From 14, both at their smallest, to 20 and the 4 of layer 3.
    (14.0, 24.0),
    (10.0, 20.0),
  ]


@pytest.mark.parametrize("seed", range(5))
def test_it_is_exact_where_accuracies_add_up_and_no_two_costs_share_a_bucket(seed):
  rng = random.Random(seed)
  costs = [(0, rng.randint(1, 3), rng.randint(4, 6)) for _ in range(6)]
  gains = [(0.0, rng.random(), rng.random() + 0.5) for _ in range(6)]

  def accuracy(row):
    return math.fsum(of[choice] for of, choice in zip(gains, row, strict=True)) / 10

  bench = table_of_costs(costs, accuracy)
  largest = bench.measure(bench.space.largest())
  targets = (16.0, 20.0, 27.0)
  problem = Problem(bench.space, bench.space.largest(), bench, targets[0], targets[1:])
  result = minimize(problem, LayerNAS(buckets=100), bench)
  assert largest > targets[-1] and result.samples_scored < 3**6
  for found in result.found:
    within = [score for score, cost in bench.rows.values() if cost <= found.target]
    assert found.accuracy == max(within)


def test_it_equals_brute_force_on_the_toy_space():
  rng, blocks = random.Random(0), choices(SPACE)
  gains = [[rng.random() for _ in block.choices] for block in blocks]
  every = {}
  for picked in itertools.product(*(range(len(block.choices)) for block in blocks)):
    spec = network_of(
      SPACE, blocks, [block.choices[at] for block, at in zip(blocks, picked, strict=True)]
    )
    every[SPACE.encode(spec)] = sum(of[at] for of, at in zip(gains, picked, strict=True)) / 4

  class Evaluator:
    def accuracy(self, specs):
      return [every[SPACE.encode(spec)] for spec in specs]

  limit = 0.6 * ParametersMeter().measure(SPACE.largest())
  problem = Problem(
    SPACE,
    SPACE.largest(),
    MacsMeter(),
    0.3 * LARGEST,
    (0.5 * LARGEST, 0.7 * LARGEST),
    ((ParametersMeter(), limit),),
  )
  result = minimize(problem, LayerNAS(10**6), Evaluator())
  for found in result.found:
    met = [
      score for row, score in every.items() if problem.is_met_by(SPACE.decode(row), found.target)
    ]
    assert found.accuracy == max(met)


def test_all_targets_come_out_of_one_table():
  bench = table_of_costs([(0, 2, 6)] * 6, lambda row: (sum(row) + row[0]) / 20)
  targets = (16.0, 22.0, 30.0)
  alone = [
    minimize(Problem(bench.space, bench.space.largest(), bench, target), LayerNAS(20), bench)
    for target in targets
  ]
  problem = Problem(bench.space, bench.space.largest(), bench, targets[0], targets[1:])
  together = minimize(problem, LayerNAS(20), bench)
  assert together.samples_scored < sum(result.samples_scored for result in alone)


def test_more_of_a_bucket_can_be_kept():
  bench = table_of_costs([(0, 2, 6)] * 5, lambda row: hash(row) % 1000 / 1000)
  problem = Problem(bench.space, bench.space.largest(), bench, 25.0)
  one, three = (minimize(problem, LayerNAS(4, kept), bench) for kept in (1, 3))
  assert one.samples_scored < three.samples_scored < 3**5


def test_the_amount_is_not_below_what_a_search_takes():
  bench = table_of_costs([(0, 2, 6)] * 6, lambda row: sum(row) / 20)
  for larger in ((), (27.0, 31.0)):
    problem = Problem(bench.space, bench.space.largest(), bench, 25.0, larger)
    for optimizer in (LayerNAS(2), LayerNAS(5), LayerNAS(100), LayerNAS(5, 3)):
      result = minimize(problem, optimizer, bench)
      iterations, samples = optimizer.amount(problem)
      assert len(result.iterations) <= iterations and result.samples_scored <= samples
