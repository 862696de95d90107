"""What is measured for a table: every layer that a network of the space can have; and networks."""

import itertools
import random

import pytest
from read_networks import READ_NETWORKS

from nadv2_tf import backbones
from nadv2_tf.benchmarks.tables import plan as table_plan
from nadv2_tf.benchmarks.tables.pieces import BUILDERS
from nadv2_tf.benchmarks.tables.plan import grid, networks_over_range, planned_pieces, shapes_of
from nadv2_tf.resources import MacsMeter
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import KINDS, Piece, pieces
from nadv2_tf.spec import space_of
from nadv2_tf.spec.blocks import Conv, Head
from nadv2_tf.spec.network import NetworkSpec


def made_up(space):
  """A table of the planned pieces; each costs as many milliseconds as it has channels."""
  return LatencyTable({p: float(p.in_channels + p.kept) for p in planned_pieces(space)})


@pytest.mark.parametrize(
  ("name", "networks"),
  [("mobilenet_v3_demo", 200), ("fastdepth", 50), ("netadaptv2_mac", 50), ("single_path", 50)]
  + [("mobilenet_v1", 20), ("mobilenet_v3_large", 20)],
)
def test_the_plan_covers_every_network_of_a_space(name, networks):
  space, rng = backbones.search_space(name), random.Random(0)
  table = made_up(space)
  removal_prone = [_removal_prone(space, rng) for _ in range(networks // 4)]
  drawn = [space.sample(rng) for _ in range(networks)]
  for spec in [space.largest(), space.smallest(), *drawn, *removal_prone]:
    assert table.measure(spec) > 0  # a missing piece would raise ValueError


@pytest.mark.parametrize("name", READ_NETWORKS)
def test_the_plan_covers_every_network_like_other_peoples(name):
  space, rng = space_of(READ_NETWORKS[name], levels=4), random.Random(0)
  table = made_up(space)
  specs = [space.largest(), space.smallest(), *(space.sample(rng) for _ in range(30))]
  assert all(table.measure(spec) > 0 for spec in specs)


def _removal_prone(space, rng):
  """A network in which about half of the widths are the smallest."""
  return space.decode(
    [d.choices[0] if rng.random() < 0.5 else rng.choice(d.choices) for d in space.decisions]
  )


def test_the_plan_is_covered_by_the_space(tiny_space):
  """Nothing is measured that no network needs: each shape turns up in one of all 3^5 * 2."""
  every = itertools.product(*(decision.choices for decision in tiny_space.decisions))
  needed = {}
  for row in every:
    for layer in itertools.chain.from_iterable(tiny_space.decode(row).layers()):
      for piece in pieces(layer):
        inputs, kept = needed.get(piece.shape, (0, 0))
        needed[piece.shape] = max(inputs, piece.in_channels), max(kept, piece.kept)
  assert shapes_of(tiny_space) == needed


def test_a_convolutions_grid():
  # Shares of 1/8 and 1 of 32 inputs; of 1/16, 1/4, 1/2 and 1 of 64 filters.
  shape = Piece("conv", 8, 8, 0, 0, 3, 2, activation="relu")
  found = grid(shape, 32, 64)
  pairs = [(piece.in_channels, piece.kept) for piece in found]
  assert pairs == list(itertools.product((4, 32), (4, 16, 32, 64)))
  assert {piece.shape for piece in found} == {shape}


@pytest.mark.parametrize(
  ("kind", "most", "expected"),
  [
    ("depthwise", 64, [4, 16, 32, 64]),
    ("depthwise", 2, [1, 2]),  # 0.125, 0.5, 1 and 2; none is 0, none comes twice
    ("add", 64, [8, 64]),
    ("pool", 1, [1]),
  ],
)
def test_a_grid_of_one_channel_count(kind, most, expected):
  found = grid(Piece(kind, 8, 8, 0, 0), most, most)
  assert [(piece.in_channels, piece.kept) for piece in found] == [(n, n) for n in expected]


def test_every_kind_of_piece_can_be_built():
  assert set(BUILDERS) == set(KINDS)


DEMO = backbones.search_space("mobilenet_v3_demo")


@pytest.mark.parametrize("seed", [0, 1])
def test_networks_are_spread_over_the_whole_range(seed):
  count, measure = 24, MacsMeter().measure
  specs = networks_over_range(DEMO, count, seed, measure)
  assert len({DEMO.encode(spec) for spec in specs}) == count
  assert all(DEMO.contains(spec) for spec in specs)
  costs = [measure(spec) for spec in specs]
  smallest, largest = measure(DEMO.smallest()), measure(DEMO.largest())
  assert costs == sorted(costs) and smallest <= costs[0] and costs[-1] <= largest
  # Goals lie 1/24 apart, the first and the last half of that from the ends.
  steps = [b - a for a, b in itertools.pairwise([smallest, *costs, largest])]
  assert max(steps) <= 3 * (largest - smallest) / count
  # And not all layers are equally large in any of them.
  for spec in specs:
    shares = [
      value / decision.choices[-1]
      for value, decision in zip(DEMO.encode(spec), DEMO.decisions, strict=True)
      if decision.kind == "width"
    ]
    assert max(shares) - min(shares) > 0.1


def test_the_same_seed_gives_the_same_networks_and_another_gives_others():
  measure = MacsMeter().measure
  first, again, other = (networks_over_range(DEMO, 8, seed, measure) for seed in (3, 3, 4))
  assert first == again
  assert not set(first) & set(other)


def test_a_small_space_gives_what_it_has():
  space = space_of(NetworkSpec("n", (4, 4, 1), (Conv(4, 3, 2), Head(2))), 4)
  specs = networks_over_range(space, 10, 0, MacsMeter().measure)
  assert [spec.blocks[0].filters for spec in specs] == [1, 2, 3, 4]
  assert table_plan.CANDIDATES * 10 > 100  # so that none of the four was missed by chance
