"""A block's options as a small set."""

import math
import random

import pytest
from toy import SPACE

from nadv2_tf import backbones
from nadv2_tf.resources import MacsMeter
from nadv2_tf.search.choices import Choice, choices, network_of
from nadv2_tf.search.tabular import TabularBenchmark
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, Residual

NAMES = sorted(backbones.BACKBONES)


def test_the_options_of_the_toy_space():
  stem, inverted, separable, head = choices(SPACE)
  # At least one grid step is left of the first layer: 8 filters in 4 steps.
  assert stem.choices[0] == Choice(0, None, False, (2,))
  # Expansion and depthwise layer share a level, what leaves the block is full.
  assert inverted.columns == (1, 2, 3, 4)
  assert inverted.choices[:3] == (
    Choice(0, None, True, (0, 0, 0, 3)),
    Choice(1, 3, False, (4, 4, 8, 3)),
    Choice(1, 5, False, (4, 4, 8, 5)),
  )
  assert inverted.choices[-1] == Choice(4, 5, False, (16, 16, 8, 5))
  assert len(inverted.choices) == 1 + 4 * 2
  # No convolution inside: the pointwise layer is the block's cost, and has its level.
  assert [choice.values for choice in separable.choices] == [
    (0, 0),
    (2, 4),
    (4, 8),
    (6, 12),
    (8, 16),
  ]
  assert head.index == 3 and not head.choices[0].removed


def test_fewer_levels_than_the_grid_has_steps():
  _, inverted, separable, _ = choices(SPACE, 2)
  assert [choice.values for choice in separable.choices] == [(0, 0), (4, 8), (8, 16)]
  assert [choice.level for choice in inverted.choices] == [0, 1, 1, 2, 2]
  with pytest.raises(ValueError, match="levels must be at least 1, got 0"):
    choices(SPACE, 0)


def test_a_shortcut_stays_as_wide_as_what_it_is_added_to():
  blocks = (Conv(8, 3), Residual(16, 16, shortcut=16, first_stride=2, bypass_cap=4), Head(3))
  space = space_of(NetworkSpec("residual", (8, 8, 1), blocks), 4)
  _, residual, *_ = choices(space)
  assert [space.decisions[column].field for column in residual.columns] == [
    "first",
    "second",
    "shortcut",
  ]
  assert [choice.values for choice in residual.choices] == [
    (0, 0, 0),
    (4, 16, 16),
    (8, 16, 16),
    (12, 16, 16),
    (16, 16, 16),
  ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("levels", [None, 3])
def test_from_the_smallest_network_to_the_largest(name, levels):
  space = backbones.search_space(name)
  blocks = choices(space, levels)
  columns = [column for block in blocks for column in block.columns]
  assert sorted(columns) == list(range(len(space)))
  assert network_of(space, blocks, [b.choices[0] for b in blocks]) == space.smallest()
  assert network_of(space, blocks, [b.choices[-1] for b in blocks]) == space.largest()
  rng, macs = random.Random(0), MacsMeter().measure
  for _ in range(10):
    picked = [rng.choice(block.choices) for block in blocks]
    spec = network_of(space, blocks, picked)
    assert space.contains(spec)
    row = space.encode(spec)
    assert [block.of(row) for block in blocks] == picked
    for block, choice in zip(blocks, picked, strict=True):
      left = any(spec.blocks[block.index].widths().values())
      assert not (choice.removed and left)
      assert block.put(row, choice) == row
      # More of a block is never cheaper.
      larger = space.decode(block.put(row, block.choices[-1]))
      assert macs(spec) <= macs(larger)


def test_a_row_that_is_none_of_the_options():
  _, inverted, *_ = choices(SPACE)
  row = SPACE.encode(SPACE.largest())
  assert inverted.of((*row[:1], 4, *row[2:])) is None


def test_some_options_of_a_block_are_kept_in_their_order():
  block = choices(SPACE)[1]
  few = block.keeping({block.choices[3], block.choices[0]})
  assert few.choices == (block.choices[0], block.choices[3])
  assert (few.index, few.columns) == (block.index, block.columns)


def test_layers_of_a_table_have_their_choices():
  rows = {(a, b): (0.5, 10.0 + a + 5 * b) for a in range(3) for b in range(3)}
  bench = TabularBenchmark(rows)
  blocks = choices(bench.space)
  assert [[choice.values for choice in block.choices] for block in blocks] == [
    [(0,), (1,), (2,)],
    [(0,), (1,), (2,)],
  ]
  assert bench.accuracy([network_of(bench.space, blocks, [block.choices[0] for block in blocks])])
  spec = network_of(bench.space, blocks, [blocks[0].choices[2], blocks[1].choices[1]])
  # 10 of what every network has, 2 of the first layer, 5 of the second.
  assert bench.block_costs(spec) == (10.0, 2.0, 5.0)
  assert math.fsum(bench.block_costs(spec)) == bench.measure(spec)
