"""Integer programming: the best sum of gains, whatever tells them and whatever limits it."""

import random

import pytest
from additive import SKIPPED, all_picks, best_by_trying, random_gains
from toy import SPACE

from nadv2_tf.resources import MacsMeter, ParametersMeter, PeakMemoryMeter
from nadv2_tf.search import Problem, Race, UnmetNeed, minimize
from nadv2_tf.search import gains as gains_of
from nadv2_tf.search.chain import Chain
from nadv2_tf.search.choices import choices
from nadv2_tf.search.integer_program import IntegerProgram

MACS, PARAMETERS, PEAK = MacsMeter(), ParametersMeter(), PeakMemoryMeter()
PLAIN = IntegerProgram(width_levels=2, program_rounds=1, program_solutions=1)
SPACES = {"toy": SPACE, "skipped": SKIPPED}


class Additive:
  """Accuracies that are sums of gains, below 1."""

  part_sizes = (100, 200, 100)

  def __init__(self, space, seed=0):
    self.chain = Chain(space, choices(space, 2))
    self.gains = random_gains(self.chain.blocks, seed, scale=0.01)
    self.asked = []

  def accuracy(self, specs, part=None):
    assert part is None
    self.asked += specs
    return [self.of(spec) for spec in specs]

  def of(self, spec):
    row = self.chain.space.encode(spec)
    blocks = self.chain.blocks
    picks = tuple(block.choices.index(block.of(row)) for block in blocks)
    return 0.2 + gains_of.sum_of(self.gains, picks)


def _problem(space, shares, meter=MACS, limits=()):
  largest = meter.measure(space.largest())
  *larger, target = (share * largest for share in shares)
  return Problem(space, space.largest(), meter, target, tuple(larger), limits)


def _limits(space, *shares):
  meters = (PARAMETERS, PEAK)
  return tuple(
    (meter, share * meter.measure(space.largest()))
    for meter, share in zip(meters, shares, strict=False)
  )


CASES = (
  ("toy", (0.5,), ()),
  ("toy", (0.8, 0.5, 0.2), ()),
  ("toy", (0.8, 0.5), (0.4,)),
  ("toy", (0.9, 0.6), (0.8, 0.7)),
  ("skipped", (0.7, 0.3), (0.6,)),
)


@pytest.mark.parametrize(("name", "shares", "limits"), CASES)
@pytest.mark.parametrize("seed", range(2))
def test_with_gains_that_add_up_the_first_solution_is_the_best_network(name, shares, limits, seed):
  problem = _problem(SPACES[name], shares, limits=_limits(SPACES[name], *limits))
  evaluator = Additive(SPACES[name], seed)
  result = minimize(problem, PLAIN, evaluator)
  chain = evaluator.chain
  for found in result.found:
    best = best_by_trying(
      chain, evaluator.gains, lambda spec, target=found.target: problem.is_met_by(spec, target)
    )
    assert found.accuracy == pytest.approx(0.2 + best, rel=1e-9)
  first = len(gains_of.one_at_a_time(chain.blocks))
  assert result.samples_scored <= first + len(shares) == PLAIN.amount(problem)[1]


def test_gains_measured_by_hand():
  blocks = choices(SPACE, 1)
  full, *others = gains_of.one_at_a_time(blocks)
  assert full == (1, 2, 1, 1)  # of the second block removed, kernel 3 and kernel 5
  assert others == [(0, 2, 1, 1), (1, 0, 1, 1), (1, 1, 1, 1), (1, 2, 0, 1), (1, 2, 1, 0)]
  accuracies = dict(zip((full, *others), (0.9, 0.6, 0.5, 0.8, 0.85, 0.88), strict=True))
  expected = [(-0.3, 0), (-0.4, -0.1, 0), (-0.05, 0), (-0.02, 0)]
  for found, gains in zip(gains_of.measured(blocks, accuracies), expected, strict=True):
    assert found == pytest.approx(gains)


def test_a_regression_finds_gains_that_add_up():
  blocks = choices(SPACE, 2)
  gains, rng = random_gains(blocks, 3, scale=0.01), random.Random(5)
  drawn = {tuple(rng.randrange(len(block.choices)) for block in blocks) for _ in range(60)}
  accuracies = {picks: 0.3 + gains_of.sum_of(gains, picks) for picks in sorted(drawn)}
  found = gains_of.corrected(blocks, gains_of.nothing(blocks), accuracies)
  # Up to a constant for each block.
  errors = [gains_of.sum_of(found, picks) - gains_of.sum_of(gains, picks) for picks in accuracies]
  spread = max(accuracies.values()) - min(accuracies.values())
  assert max(errors) - min(errors) < 0.15 * spread
  assert gains_of.corrected(blocks, gains, accuracies) == gains  # nothing is left to explain


@pytest.mark.parametrize("gains", ["measured", "regressed"])
def test_rounds_correct_gains_that_do_not_quite_add_up(gains):
  class Bent(Additive):
    def of(self, spec):
      return super().of(spec) ** 3 + MACS.measure(spec) % 97 / 970

  problem = _problem(SPACE, (0.5,))
  optimizer = IntegerProgram(
    gains, gain_samples=30, width_levels=2, program_rounds=4, program_solutions=4
  )
  evaluator = Bent(SPACE, 1)
  chain = evaluator.chain
  result = minimize(problem, optimizer, evaluator)
  within = sorted(
    evaluator.of(chain.network(picks))
    for picks in all_picks(chain)
    if MACS.measure(chain.network(picks)) <= problem.target
  )
  assert result.accuracy >= within[-len(within) // 20]
  assert result.samples_scored <= optimizer.amount(problem)[1] < len(within)


def test_it_sees_all_scores_even_where_others_race(tmp_path):
  path, problem = tmp_path / "search.jsonl", _problem(SPACE, (0.5,))
  evaluator = Additive(SPACE)
  result = minimize(problem, PLAIN, evaluator, path, race=Race())
  assert result == minimize(problem, PLAIN, Additive(SPACE))
  assert '"race"' not in path.read_text()


class Surcharged:
  """A sum over blocks, and a quarter of it for every network as a whole."""

  unit, is_exact = "mJ", True

  def measure(self, spec):
    return 1.25 * MACS.measure(spec)

  def block_costs(self, spec):
    return MACS.block_costs(spec)


def test_a_meter_that_adds_to_the_sum_is_still_met():
  problem = _problem(SPACE, (0.6,), meter=Surcharged())
  evaluator = Additive(SPACE)
  result = minimize(problem, PLAIN, evaluator)
  exact = minimize(_problem(SPACE, (0.6,)), PLAIN, Additive(SPACE))
  assert result.resource <= problem.target
  assert result.spec == exact.spec


def test_a_limit_that_is_no_sum_is_refused_before_anything_is_scored():
  class Odd:
    unit, is_exact = "mJ", True

    def measure(self, spec):
      return 1.0

  evaluator = Additive(SPACE)
  problem = _problem(SPACE, (0.5,), limits=((Odd(), 2.0),))
  with pytest.raises(UnmetNeed, match="limits that add up .* in mJ .Odd. does not"):
    PLAIN.check(problem)
  with pytest.raises(UnmetNeed, match="limits that add up"):
    minimize(problem, PLAIN, evaluator)
  assert evaluator.asked == []
  # What a block needs of memory is not told by what it sees, where skips hold more.
  skipped = _problem(SKIPPED, (0.5,), limits=((PEAK, 1e9),))
  with pytest.raises(UnmetNeed, match="in bytes .PeakMemoryMeter. does not"):
    PLAIN.check(skipped)
