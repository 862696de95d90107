"""Spaces in which some blocks keep their full widths and kernels."""

import random

import pytest

from nadv2_tf import backbones


@pytest.mark.parametrize("name", ["fastdepth", "mobilenet_v3_demo"])
def test_fixed_blocks_keep_their_widths_and_kernels(name):
  space = backbones.search_space(name)
  fixed = space.keeping([1, 2, 4])
  assert fixed.largest() == space.largest()
  assert {decision.name for decision in fixed.decisions} < {item.name for item in space.decisions}
  rng = random.Random(0)
  specs = [fixed.smallest(), *(fixed.sample(rng) for _ in range(30))]
  for spec in specs:
    for index in (0, 1, 3):
      assert spec.blocks[index] == space.largest().blocks[index]
    assert space.contains(spec)  # a part of the whole space
    assert fixed.decode(fixed.encode(spec)) == spec
  assert len({spec.blocks[4] for spec in specs}) > 1  # the others are searched


def test_a_width_that_is_shared_with_a_fixed_block_is_kept_in_both():
  space = backbones.search_space("fastdepth")
  assert "block02+block21_pointwise" in {decision.name for decision in space.decisions}
  fixed = space.keeping([2])
  full = space.largest().blocks[20].pointwise
  rng = random.Random(0)
  assert {fixed.sample(rng).blocks[20].pointwise for _ in range(20)} == {full}
  assert "block21_depthwise" in {decision.name for decision in fixed.decisions}


def test_a_network_that_cuts_a_fixed_block_is_not_in_the_space():
  space = backbones.search_space("fastdepth")
  fixed = space.keeping(range(1, 8))
  assert not fixed.contains(space.smallest())
  assert not fixed.contains(space.largest().with_block(6, pointwise=256))


def test_no_such_block_and_nothing_left():
  space = backbones.search_space("mobilenet_v3_demo")
  count = len(space.network.blocks)
  with pytest.raises(ValueError, match=f"has blocks 1 to {count}, got {count + 1}"):
    space.keeping([1, count + 1])
  with pytest.raises(ValueError, match="has blocks 1 to .*, got 0"):
    space.keeping([0])
  with pytest.raises(ValueError, match="Nothing is left to search"):
    space.keeping(range(1, count + 1))
