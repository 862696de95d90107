"""Blocks that are priced one by one cost what whole networks do."""

import random

import pytest
from additive import SKIPPED
from toy import SPACE

from nadv2_tf import backbones
from nadv2_tf.benchmarks.tables.plan import planned_pieces
from nadv2_tf.resources import COUNTS
from nadv2_tf.resources.block_table import BlockTable
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import pieces
from nadv2_tf.search.chain import Chain
from nadv2_tf.search.choices import choices
from nadv2_tf.search.tabular import TabularBenchmark

ADDED = ("macs", "parameters", "size_bytes")
SPACES = {"toy": SPACE, "skipped": SKIPPED} | {
  name: backbones.search_space(name) for name in ("mobilenet_v3_demo", "fastdepth", "single_path")
}


def path_of(chain, picks):
  """Numbers of the pieces that make the network of `picks`."""
  spec = chain.network(picks)
  shapes = [spec.input_shape, *spec.block_outputs()]
  found = [
    number
    for number, piece in enumerate(chain.pieces)
    if all(picks[block] == option for block, option in piece.options.items())
    and piece.before == shapes[piece.index]
    and piece.skipped == tuple(shapes[source + 1] for source in chain.sources[piece.index])
  ]
  assert [chain.pieces[number].index for number in found] == list(range(len(spec.blocks)))
  assert [chain.pieces[number].after for number in found] == shapes[1:]
  return found


def assert_adds_up(chain, meter, rng, networks=10):
  sums = chain.costs(meter)
  for _ in range(networks):
    picks = tuple(rng.randrange(len(block.choices)) for block in chain.blocks)
    path = path_of(chain, picks)
    added = [constant + sum(costs[number] for number in path) for constant, costs in sums]
    assert max(added) == pytest.approx(meter.measure(chain.network(picks)), rel=1e-12)


@pytest.mark.parametrize("name", SPACES)
def test_counts_add_up_along_a_path(name):
  chain = Chain(SPACES[name], choices(SPACES[name], 2))
  for count in ADDED:
    assert_adds_up(chain, COUNTS[count](), random.Random(0))


def table_of(space, rng, **facts):
  """A table of random rows that has every piece of the space's widths at its ends."""
  rows = {}
  for piece in {
    piece
    for block in choices(space, 2)
    for choice in block.choices
    for layers in space.decode(block.put(space.encode(space.largest()), choice)).layers()
    for layer in layers
    for piece in pieces(layer)
  }:
    shape = piece.shape
    for inputs in (1, 64):
      for kept in (1, 64) if piece.kind == "conv" else (inputs,):
        rows[type(piece)(**{**vars(shape), "in_channels": inputs, "kept": kept})] = rng.random()
  return LatencyTable(rows, facts)


@pytest.mark.parametrize("name", SPACES)
def test_a_table_of_what_runs_in_a_space_has_every_piece(name):
  space, rng = SPACES[name], random.Random(3)
  rows = {piece: 0.1 + piece.in_channels * piece.kept for piece in planned_pieces(space)}
  assert_adds_up(Chain(space, choices(space, 2)), LatencyTable(rows), rng)


@pytest.mark.parametrize("cache_kb", [0.0, 1.5, 100.0])
def test_a_table_whose_weights_outgrow_the_cache_is_the_larger_of_two_sums(cache_kb):
  table = table_of(SPACE, random.Random(1), scale=2, spill_ms_per_kb=0.5, cache_kb=cache_kb)
  chain = Chain(SPACE, choices(SPACE, 2))
  assert [constant for constant, _ in chain.costs(table)] == [0.0, -0.5 * cache_kb]
  assert_adds_up(chain, table, random.Random(0), networks=30)


def test_a_table_of_blocks_adds_up():
  rng = random.Random(2)
  rows = [{(k, e): rng.random() for k in (3, 5) for e in (3, 6)} for _ in range(22)]
  space = SPACES["single_path"]
  assert_adds_up(Chain(space, choices(space)), BlockTable(rows), rng)


def test_a_benchmark_of_trained_networks_adds_up():
  rows = {(a, b): (0.5, 10.0 + a + 5 * b) for a in range(3) for b in range(3)}
  bench = TabularBenchmark(rows)
  assert_adds_up(Chain(bench.space, choices(bench.space)), bench, random.Random(0))


def test_the_pieces_of_a_chain_by_hand():
  chain = Chain(SPACE, choices(SPACE, 1))
  # Two options of the stem: 2 and 8 filters. The inverted residual keeps its input where it is
  # removed, or has 8 channels. The separable block: 16 channels, or min(8, 4) or min(2, 4) that
  # go around.
  assert chain.shapes == [
    ((8, 8, 1),),
    ((4, 4, 2), (4, 4, 8)),
    ((4, 4, 2), (4, 4, 8)),
    ((2, 2, 2), (2, 2, 16), (2, 2, 4)),
    ((1, 1, 4),),
  ]
  assert chain.network(chain.smallest) == SPACE.smallest()
  # The width that two blocks share is the first one's to say.
  shared = Chain(SKIPPED, choices(SKIPPED, 1))
  assert {tuple(piece.options) for piece in shared.pieces if piece.index == 3} == {(1, 3)}
  assert [len(piece.skipped) for piece in shared.pieces if piece.index == 4][0] == 1
  # So a skip from one of them never brings the full 12 channels where the other is removed.
  added = {(piece.before[2], piece.skipped[0][2]) for piece in shared.pieces if piece.index == 4}
  assert (12, 12) in added and all(skipped < 12 for before, skipped in added if before < 12)
