"""The promise of every search space that a step down never costs more."""

import random

import backbone_cases
import other_networks
import pytest

from nadv2_tf import backbones
from nadv2_tf.resources import COUNTS
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, InvertedResidual

SPACES = [*backbones.BACKBONES, *other_networks.NETWORKS]


def _space(name):
  if name in other_networks.NETWORKS:
    return backbone_cases.space_of(name)
  return backbones.search_space(name)


def _removal_prone(space, rng):
  """A sub-network in which about half of the blocks are removed, or one step away from it."""
  values = [rng.choice(decision.choices) for decision in space.decisions]
  for index in range(len(space.network.blocks)):
    columns = [c for c in space.columns(index).values() if space.decisions[c].kind == "width"]
    if rng.random() < 0.5:
      for column in columns:
        values[column] = space.decisions[column].choices[0]
      if columns and rng.random() < 0.8:
        column = rng.choice(columns)
        values[column] = space.decisions[column].choices[1]
  return space.decode(values)


def _costs(spec):
  counted = {name: COUNTS[name]().measure(spec) for name in COUNTS}
  return {**counted, "macs with bias": spec.macs(bias=True)}


@pytest.mark.parametrize("name", SPACES)
def test_shrinking_any_decision_never_raises_any_counted_resource(name):
  space, rng = _space(name), random.Random(0)
  specs = [space.largest(), *(space.sample(rng) for _ in range(4))]
  specs += [_removal_prone(space, rng) for _ in range(20)]
  steps = 0
  for spec in specs:
    costs = _costs(spec)
    for column, decision in enumerate(space.decisions):
      smaller = space.shrink(spec, column)
      if smaller is None:
        continue
      steps += 1
      for resource, cost in _costs(smaller).items():
        assert cost <= costs[resource], (decision.name, resource, space.encode(spec))
  assert steps > 5 * len(space)


def test_removing_a_block_without_residual_widens_nothing():
  # 8 channels live, T = 4, stride 1. With one filter kept max(min(8, 4), 1) = 4 leave the block; as
  # the identity it would let 8 through, and the layer after it would cost more.
  block = InvertedResidual(0, 0, 1, bypass_cap=4, residual=False)
  kept = NetworkSpec("n", (4, 4, 1), (Conv(8), block, Conv(8)))
  removed = kept.with_block(1, projection=0)
  assert kept.block_outputs()[1] == removed.block_outputs()[1] == (4, 4, 4)


@pytest.mark.parametrize("name", SPACES)
def test_shrinking_step_by_step_counts_what_the_whole_network_counts(name):
  # A step walks only the blocks that it changes; read anew, the network must be the same.
  space, rng = _space(name), random.Random(0)
  spec, steps = space.largest(), 0
  for _ in range(300):
    smaller = space.shrink(spec, rng.randrange(len(space)))
    if smaller is None:
      continue
    spec, steps = smaller, steps + 1
    anew = NetworkSpec(spec.name, spec.input_shape, spec.blocks, spec.skips)
    assert spec == anew and hash(spec) == hash(anew)
    assert spec.layers() == anew.layers()
    assert spec.block_outputs() == anew.block_outputs()
    assert space.decode(space.encode(spec)) == spec
  assert steps > min(100, sum(len(decision.choices) - 1 for decision in space.decisions) / 2)
