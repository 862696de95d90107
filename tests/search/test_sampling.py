"""What random search and evolution draw: within the target, close to it, and spread."""

import random
import statistics

import pytest
from rounds import answered

from nadv2_tf import backbones
from nadv2_tf.resources import MacsMeter
from nadv2_tf.search import Candidate, Evolution, Problem, RandomSearch, minimize
from nadv2_tf.search.problem import best_first, most_accurate
from nadv2_tf.search.sampling import Distinct, best_so_far, random_within

SPACE, METER = backbones.search_space("mobilenet_v3_demo"), MacsMeter()
LARGEST, SMALLEST = METER.measure(SPACE.largest()), METER.measure(SPACE.smallest())
FULL = SPACE.encode(SPACE.largest())


def _problem(share):
  return Problem(SPACE, SPACE.largest(), METER, share * LARGEST)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.9, 1.0])
def test_random_networks_meet_the_target_and_come_close(share):
  rng = random.Random(0)
  shares = [METER.measure(random_within(_problem(share), rng)) / LARGEST for _ in range(200)]
  assert max(shares) <= share
  # A grid step of all decisions at once is an eighth; half of the samples come closer than that.
  assert statistics.median(shares) > 0.85 * share


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_random_networks_spread_from_uniform_to_all_decisions_by_themselves(share):
  rng, spreads, means = random.Random(0), [], []
  for _ in range(200):
    row = SPACE.encode(random_within(_problem(share), rng))
    proportions = [value / full for value, full in zip(row, FULL, strict=True)]
    spreads.append(statistics.pstdev(proportions))
    means.append(proportions)
  # Standard deviation over the decisions of a network: next to nothing for the most uniform one
  # (kernels are 3/7, 5/7 or 1), near that of a uniform draw, 0.29, for the least.
  assert min(spreads) < 0.14 and max(spreads) > 0.27
  # No decision is favoured: each one's mean is that of all but for chance and its own grid.
  widths = [
    statistics.mean(column)
    for column, decision in zip(zip(*means, strict=True), SPACE.decisions, strict=True)
    if decision.kind == "width"
  ]
  assert max(widths) - min(widths) < 0.25


def test_a_target_that_only_the_smallest_network_meets():
  problem = Problem(SPACE, SPACE.largest(), METER, SMALLEST)
  assert METER.measure(random_within(problem, random.Random(0))) == SMALLEST


def test_no_network_is_drawn_twice():
  distinct, made = Distinct(SPACE), []
  specs = [SPACE.smallest(), None, SPACE.largest(), SPACE.smallest()]

  def make():
    made.append(specs[len(made) % 4])
    return made[-1]

  assert distinct.draw(make, 2) == (SPACE.smallest(), SPACE.largest())
  assert len(made) == 3
  assert distinct.draw(make, 3) == ()  # nothing new: given up after ten times as many
  assert len(made) == 3 + 30


def test_best_is_the_most_accurate_and_of_those_the_cheapest():
  a, b, c = Candidate("a", 0.5, 3), Candidate("b", 0.7, 9), Candidate("c", 0.7, 8)
  assert best_first([a, b, c]) == [c, b, a]
  assert best_so_far([a, b]) == b and most_accurate([a, b, c]) == c
  assert best_so_far([a, b], c) == c and best_so_far([c], b) == c


class Counting:
  """The more channels the better."""

  def accuracy(self, specs):
    return [sum(SPACE.encode(spec)) / sum(FULL) for spec in specs]


def test_random_search_scores_as_many_as_it_was_told():
  result = minimize(_problem(0.5), RandomSearch(250), Counting())
  assert [iteration.samples for iteration in result.iterations] == [200, 50]
  assert result.samples_scored == 250
  bests = [iteration.best.accuracy for iteration in result.iterations]
  assert bests == sorted(bests) and result.accuracy == bests[-1]


def test_random_search_takes_as_many_samples_as_mcd_by_default():
  assert RandomSearch().samples == 23 * 200


def test_a_generation_of_evolution_is_bred_from_the_best():
  optimizer = Evolution(population=40, parents=4, mutations=15, crossovers=15, generations=2)
  problem, rng = _problem(0.5), random.Random(3)
  search = optimizer.search(problem, rng)
  first = next(search)
  assert len(first) == 40
  scored = [Candidate(s, *Counting().accuracy([s]), METER.measure(s)) for s in first]
  parents = [SPACE.encode(candidate.spec) for candidate in best_first(scored)[:4]]
  second = [SPACE.encode(spec) for spec in search.send(answered(optimizer, scored))]
  assert len(second) == len(set(second)) == 40
  mutants, crossed, filled = second[:15], second[15:30], second[30:]
  for row in mutants:  # one in ten of 71 decisions, some drawn as they were
    assert min(_differences(row, parent) for parent in parents) <= 20
  for row in crossed:  # a removed depthwise layer has the smallest kernel, whatever its parents'
    for column, value in enumerate(row):
      from_parents = {parent[column] for parent in parents}
      assert value in from_parents or SPACE.decisions[column].kind == "kernel"
  assert statistics.median(_differences(row, parents[0]) for row in filled) > 30


def _differences(row, other):
  return sum(value != another for value, another in zip(row, other, strict=True))


def test_published_settings_of_evolution_are_the_default():
  # Single Path One-Shot, section 4.1: a population of 50, 20 iterations, k = 10.
  assert Evolution() == Evolution(50, 10, 25, 0.1, 25, 20)
  result = minimize(_problem(0.5), "evolution", Counting())
  assert len(result.iterations) == 20 and result.samples_scored == 1000


def test_evolution_gets_better_with_the_generations():
  for seed in range(3):
    result = minimize(_problem(0.5), Evolution(20, 5, 10, 0.1, 10, 15), Counting(), seed=seed)
    bests = [iteration.best.accuracy for iteration in result.iterations]
    assert bests == sorted(bests) and bests[-1] > bests[0]
    # Children win, and not only what is filled up at random: it never is, in a space this large.
    assert len(set(bests)) > 4 and all(iteration.samples == 20 for iteration in result.iterations)
