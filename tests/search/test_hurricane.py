"""HURRICANE: which options a block keeps, where its searches begin, and that halves take turns."""

import math

import pytest
from additive import table_of_costs
from toy import SPACE

from nadv2_tf.resources import MacsMeter, ParametersMeter
from nadv2_tf.search import Hurricane, Problem, minimize
from nadv2_tf.search.choices import choices
from nadv2_tf.search.hurricane import base_of, capacity_for_cost, hardware_friendly

MACS = MacsMeter().measure
LARGEST = MACS(SPACE.largest())


class Hardware:
  """Milliseconds: 1 for each block, one for 500 MACs, and what a kernel of 5 is slower by."""

  unit, is_exact = "ms", True

  def __init__(self, slower):
    self._slower = slower

  def block_costs(self, spec):
    costs = []
    for block, layers in zip(spec.blocks, spec.layers(), strict=True):
      slower = self._slower if getattr(block, "kernel", 0) == 5 else 1.0
      costs.append(1 + slower * sum(layer.macs() for layer in layers) / 500)
    return tuple(costs)

  def measure(self, spec):
    return math.fsum(self.block_costs(spec))


def _problem(share, meter=None, **details):
  meter = meter or MacsMeter()
  return Problem(SPACE, SPACE.largest(), meter, share * meter.measure(SPACE.largest()), **details)


# Of a block's MACs and parameters a 5x5 kernel is little more than a 3x3: what counts is the time.
@pytest.mark.parametrize(("slower", "kernel"), [(0.5, 5), (3.0, 3)])
def test_of_kernels_the_one_that_the_hardware_is_quick_at_stays(slower, kernel):
  problem = _problem(0.5, Hardware(slower))
  _, inverted, _, _ = hardware_friendly(problem, 4, 4)
  assert [(choice.level, choice.kernel) for choice in inverted.choices] == [
    (0, None),
    (1, kernel),
    (2, kernel),
    (3, kernel),
    *sorted({(4, kernel), (4, 5)}),  # the full block stays in any case
  ]


def test_by_default_kernel_sizes_alone_are_chosen():
  settings, problem = Hurricane(), _problem(0.5, Hardware(3.0))
  halves = settings.halves(problem)
  for kept, block in zip(sum(halves, ()), choices(SPACE, settings.width_levels), strict=True):
    assert {one.level for one in kept.choices} == {one.level for one in block.choices}
  fewer = Hurricane(options_per_block=2).halves(problem)
  assert all(len({one.level for one in block.choices}) < 5 for block in sum(fewer, ()))


def test_capacity_for_cost_by_hand():
  # Block 3, 4x4 outputs of 8 inputs: 3x3 depthwise of stride 2 on 8 channels, pointwise to 16.
  _, _, separable, _ = choices(SPACE)
  spec = SPACE.largest()
  positions = spec.layers()[2][0].out_height * spec.layers()[2][0].out_width
  macs = positions * (9 * 8 + 8 * 16)
  parameters = 9 * 8 + 2 * 8 + 8 * 16 + 2 * 16
  found = capacity_for_cost(_problem(0.5, Hardware(1.0)), separable, separable.choices[-1])
  assert found == pytest.approx(math.sqrt(macs * parameters) / (1 + macs / 500))


def test_the_levels_that_give_least_go_first_but_never_the_smallest():
  problem = _problem(0.5, Hardware(0.5))  # a millisecond a block, however narrow: wide ones pay
  for block, few in zip(
    hardware_friendly(problem, 4, 4), hardware_friendly(problem, 4, 2), strict=True
  ):
    assert few.choices == (block.choices[0], *block.choices[-2:])


def test_the_base_is_each_blocks_share_of_the_target():
  bench = table_of_costs([(0, 4, 8)] * 4, lambda row: 0.5)
  blocks = choices(bench.space)
  for target, expected in (
    # From 10 to 42. Half of the 32 in between is 4 a block: the middle.
    (26.0, (1, 1, 0, 0)),
    # 19 % are 1.5: the smallest, and the next has the 1.5 besides, which is nearer to 4.
    (16.0, (0, 1, 0, 0)),
    # 81 %: 6.5 is nearer to 8, and leaves 5 for the next.
    (36.0, (2, 1, 0, 0)),
  ):
    problem = Problem(bench.space, bench.space.largest(), bench, target)
    assert base_of(problem, target, blocks[:2], blocks[2:]) == expected


def test_the_base_leaves_room_under_a_limit():
  limits = ((ParametersMeter(), 1.05 * ParametersMeter().measure(SPACE.smallest())),)
  problem = _problem(0.9, limits=limits)
  blocks = choices(SPACE)
  row = base_of(problem, problem.target, blocks[:2], blocks[2:])
  assert problem.is_met_by(SPACE.decode(row), problem.target)


def test_the_later_half_comes_first_and_stays():
  bench = table_of_costs([(0, 3, 8)] * 6, lambda row: sum(row) / 20 + 0.01 * row[-1])
  problem = Problem(bench.space, bench.space.largest(), bench, 32.0)
  asked = []

  class Listening:
    def accuracy(self, specs):
      asked.extend(map(bench.space.encode, specs))
      return bench.accuracy(specs)

  result = minimize(problem, Hurricane(6, 2, 3, 0.3, 2, 4), Listening(), seed=2)
  base = base_of(problem, 32.0, choices(bench.space)[:3], choices(bench.space)[3:])
  halves = [row[:3] == base[:3] for row in asked]
  first = halves.index(False)
  assert all(halves[:first]) and first > 1
  kept = max(asked[:first], key=lambda row: bench.rows[row])[3:]
  assert {row[3:] for row in asked[first:]} == {kept}
  assert bench.space.encode(result.spec)[3:] == kept
  assert all(bench.rows[row][1] <= 32.0 for row in asked)


def test_a_target_next_to_another_finds_what_is_drawn_already():
  bench = table_of_costs([(0, 3, 8)] * 2, lambda row: 0.1 + sum(row) / 20)
  problem = Problem(bench.space, bench.space.largest(), bench, 16.0, (16.5,))
  result = minimize(problem, Hurricane(6, 2, 3, 0.3, 2, 4), bench)
  assert [found.resource for found in result.found] == [16.0, 16.0]
  assert result.samples_scored < len(bench.rows)


def test_smaller_that_takes_longer_is_never_found():
  class Copies(MacsMeter):
    """A removed block costs more than a full one: as where a bypass must be copied."""

    def block_costs(self, spec):
      costs = super().block_costs(spec)
      blocks = zip(spec.blocks, costs, strict=True)
      return tuple(cost if any(block.widths().values()) else 5e4 for block, cost in blocks)

  meter = Copies()
  target = 1.2 * meter.measure(SPACE.smallest())
  problem = Problem(SPACE, SPACE.largest(), meter, target)

  class Evaluator:
    def accuracy(self, specs):
      assert all(meter.measure(spec) <= target for spec in specs)
      return [0.5] * len(specs)

  assert minimize(problem, Hurricane(6, 2, 3, 0.3, 2, 4), Evaluator()).resource <= target
