"""Search spaces: their grids, encoding and shrink steps."""

import random

import pytest

from nadv2_tf import backbones
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head, InvertedResidual
from nadv2_tf.spec.space import Decision, kernel_choices, width_choices

BACKBONES = list(backbones.BACKBONES)

# Searched widths and kernel sizes. A table of NetAdaptV2's appendix A has one width for each layer
# of: the first convolution, three in a block (two without expansion), last convolution, hidden.
DECISIONS = {
  "netadaptv2_latency": (1 + 17 * 3 + 1 + 1, 17),  # 54 and 17
  "mobilenet_v3_demo": (1 + 17 * 3 + 1 + 1, 17),
  "mobilenet_v3_cifar": (1 + 8 * 3 + 1 + 1, 8),
  "mobilenet_v3_cifar_small": (1 + 5 * 3 + 1 + 1, 5),
  "netadaptv2_mac": (1 + 2 + 17 * 3 + 1 + 1, 18),  # 56 and 18; block 2 has no expansion
  "mobilenet_v1": (1 + 13 * 2, 0),  # 27; every kernel is 3x3
  "mobilenet_v3_large": (1 + 2 + 14 * 3 + 1 + 1, 6),  # 6 blocks have a 5x5 kernel
  "fastdepth": (27 + 5 * 2 - 3, 5),  # three pairs are coupled; the output layer is fixed
  "single_path": (20, 20),  # 20 of 22 blocks choose an expansion and a kernel size
}


@pytest.mark.parametrize("name", BACKBONES)
def test_number_of_decisions(name):
  space = backbones.search_space(name)
  kinds = [decision.kind for decision in space.decisions]
  assert (kinds.count("width"), kinds.count("kernel")) == DECISIONS[name]
  assert len(space) == sum(DECISIONS[name])
  assert len({decision.name for decision in space.decisions}) == len(space)


@pytest.mark.parametrize(
  ("full", "levels", "expected"),
  [
    (16, 8, (0, 2, 4, 6, 8, 10, 12, 14, 16)),
    # 20 i / 8 = 0, 2.5, 5, 7.5, 10, 12.5, 15, 17.5, 20; halves go up.
    (20, 8, (0, 3, 5, 8, 10, 13, 15, 18, 20)),
    # 3 i / 8 = 0, 0.375, 0.75, 1.125, 1.5, 1.875, 2.25, 2.625, 3; doubles are one choice.
    (3, 8, (0, 1, 2, 3)),
    (24, 10, (0, 2, 5, 7, 10, 12, 14, 17, 19, 22, 24)),
    (0, 8, (0,)),
  ],
)
def test_width_choices(full, levels, expected):
  assert width_choices(full, levels) == expected
  assert width_choices(full, levels, zero_allowed=False) == tuple(c for c in expected if c)


@pytest.mark.parametrize(("full", "expected"), [(7, (3, 5, 7)), (5, (3, 5)), (3, (3,)), (1, (1,))])
def test_kernel_choices(full, expected):
  assert kernel_choices(full) == expected


@pytest.mark.parametrize("name", BACKBONES)
def test_grids_reach_from_nothing_to_the_largest_network(name):
  space = backbones.search_space(name)
  for decision in space.decisions:
    assert list(decision.choices) == sorted(set(decision.choices))
    for index in decision.blocks:
      assert decision.choices[-1] == getattr(space.network.blocks[index], decision.field)
    if decision.kind == "kernel":
      assert decision.choices[0] == 3
    elif name != "single_path":  # whose blocks are never removed
      assert (decision.choices[0] == 0) == (decision.blocks[0] > 0)  # the first layer stays


@pytest.mark.parametrize(
  ("name", "space"),
  [("netadaptv2_51ms", "netadaptv2_latency"), ("netadaptv2_314m", "netadaptv2_mac")],
)
def test_published_networks_lie_on_the_grid(name, space):
  space, spec = backbones.search_space(space), backbones.network(name)
  assert space.contains(spec)
  assert space.decode(space.encode(spec)).blocks == spec.blocks


def test_the_published_depth_network_misses_the_grid_in_one_width():
  space, spec = backbones.search_space("fastdepth"), backbones.network("netadaptv2_depth_87ms")
  assert not space.contains(spec)
  off_grid = [
    (decision.name, decision.choices, value)
    for decision, value in zip(space.decisions, space.encode(spec), strict=True)
    if value not in decision.choices
  ]
  assert off_grid == [("block23_depthwise", (0, 8, 16, 24, 32, 40, 48, 56, 64), 28)]
  assert space.contains(spec.with_block(22, depthwise=24))


@pytest.mark.parametrize("name", BACKBONES)
def test_encode_and_decode_there_and_back(name):
  space, rng = backbones.search_space(name), random.Random(0)
  for spec in [space.largest(), space.smallest(), *(space.sample(rng) for _ in range(10))]:
    values = space.encode(spec)
    assert space.decode(values) == spec
    assert space.contains(spec)
    for column, decision in enumerate(space.decisions):
      assert values[column] in decision.choices
      for index in decision.blocks:
        assert getattr(spec.blocks[index], decision.field) == values[column]
        assert space.columns(index)[decision.field] == column
  assert space.encode(space.largest()) == tuple(d.choices[-1] for d in space.decisions)
  assert space.columns(len(space.network.blocks)) == {}


def _small_space():
  blocks = (
    Conv(4, 3, 2),
    InvertedResidual(8, 8, 4, kernel=5, bypass_cap=2),
    Head(3, hidden=8, bypass_cap=4),
  )
  return space_of(NetworkSpec("small", (8, 8, 1), blocks), levels=2)


def test_what_has_no_bypass_is_not_removed():
  """Nothing would go through: the network after it would see no channel at all."""
  blocks = (Conv(4, 3, 2), InvertedResidual(8, 8, 4), Conv(6, bypass_cap=3), Head(3, hidden=8))
  space = space_of(NetworkSpec("narrow", (8, 8, 1), blocks), levels=2)
  smallest = space.smallest()
  assert [decision.choices[0] for decision in space.decisions] == [2, 4, 4, 2, 0, 4]
  assert smallest.block_outputs() == ((4, 4, 2), (4, 4, 2), (4, 4, 2), (1, 1, 3))


def test_a_small_space_in_full():
  assert _small_space().decisions == (
    Decision("width", "filters", (0,), (2, 4)),
    Decision("width", "expansion", (1,), (0, 4, 8)),
    Decision("width", "depthwise", (1,), (0, 4, 8)),
    Decision("width", "projection", (1,), (0, 2, 4)),
    Decision("kernel", "kernel", (1,), (3, 5)),
    Decision("width", "hidden", (2,), (0, 4, 8)),
  )


def test_the_kernel_of_a_removed_layer_is_the_smallest():
  space = _small_space()
  spec = space.decode((4, 8, 0, 4, 5, 8))
  assert spec == space.decode((4, 8, 0, 4, 3, 8))
  assert spec.blocks[1].kernel == 3
  with_large_kernel = space.largest().with_block(1, depthwise=0)
  assert with_large_kernel.blocks[1].kernel == 5
  assert space.encode(with_large_kernel) == space.encode(spec) == (4, 8, 0, 4, 3, 8)


def test_shrink_takes_one_step_of_one_decision():
  space = _small_space()
  values = space.encode(space.largest())
  for column, decision in enumerate(space.decisions):
    smaller = space.encode(space.shrink(space.largest(), column))
    assert smaller[column] == decision.choices[-2]
    assert smaller[:column] + smaller[column + 1 :] == values[:column] + values[column + 1 :]


def test_shrink_goes_from_beside_the_grid_to_the_next_smaller_choice():
  space = _small_space()
  spec = space.largest().with_block(1, expansion=7)
  assert space.shrink(spec, 1).blocks[1].expansion == 4


@pytest.mark.parametrize("name", BACKBONES)
def test_growing_takes_back_what_shrinking_took(name):
  space, rng = backbones.search_space(name), random.Random(0)
  full = space.largest()
  for column in range(len(space)):
    smaller = space.shrink(full, column)
    assert space.grow(full, column, full) is space.grow(smaller, column, smaller) is None
    grown = space.grow(smaller, column, full)
    assert space.encode(grown)[column] == space.encode(full)[column]
  spec, columns = space.smallest(), list(range(len(space)))
  while columns:
    column = rng.choice(columns)
    larger = space.grow(spec, column, full)
    if larger is None and space.encode(spec)[column] == space.encode(full)[column]:
      columns.remove(column)
    elif larger is not None:
      assert space.contains(larger)
      spec = larger
  assert spec == full


def test_growing_stops_at_its_limit_even_beside_the_grid():
  space = _small_space()
  limit = space.largest().with_block(1, expansion=7)
  assert space.grow(space.largest().with_block(1, expansion=4), 1, limit) == limit
  assert space.grow(limit, 1, limit) is None


@pytest.mark.parametrize("name", BACKBONES)
def test_shrinking_to_the_end_gives_the_smallest_network(name):
  space, rng = backbones.search_space(name), random.Random(0)
  spec, columns = space.largest(), list(range(len(space)))
  while columns:
    column = rng.choice(columns)
    smaller = space.shrink(spec, column)
    if smaller is None:
      columns.remove(column)
    else:
      assert space.contains(smaller)
      spec = smaller
  assert spec == space.smallest()


def test_a_removed_layer_has_no_kernel_to_shrink():
  space = _small_space()
  removed = space.shrink(space.shrink(space.largest(), 2), 2)
  assert (removed.blocks[1].depthwise, removed.blocks[1].kernel) == (0, 3)
  assert space.shrink(removed, 2) is None
  assert space.shrink(removed.with_block(1, kernel=5), 4) is None
  assert space.grow(removed, 4, space.largest()) is None


@pytest.mark.parametrize(("source", "target"), [(1, 20), (3, 18), (5, 16)])
def test_the_ends_of_a_depth_skip_share_one_width(source, target):
  space = backbones.search_space("fastdepth")
  column = space.columns(source)["pointwise"]
  assert space.columns(target)["pointwise"] == column
  assert space.decisions[column].name == f"block{source + 1:02d}+block{target + 1:02d}_pointwise"
  spec = space.shrink(space.largest(), column)
  full = space.network.blocks[source].pointwise
  assert spec.blocks[source].pointwise == spec.blocks[target].pointwise == full * 7 // 8
  with pytest.raises(ValueError, match="is not a sub-network of 'fastdepth'"):
    space.encode(spec.with_block(target, pointwise=8))


def test_coupled_widths_must_be_the_same_field():
  network = NetworkSpec("n", (8, 8, 1), (Conv(4), DepthwiseSeparable(4, 4), Head(2)))
  with pytest.raises(ValueError, match="Coupled widths must be the same field"):
    space_of(network, 4, [((0, "filters"), (1, "pointwise"))])


def test_networks_of_other_spaces_are_refused():
  space = backbones.search_space("netadaptv2_latency")
  largest = space.largest()
  refused = (
    (largest.with_block(1, expansion=18), "block02_expansion .* from 0 to 16 .* got 18"),
    (largest.with_block(4, kernel=9), "block05_kernel .* from 0 to 7 .* got 9"),
    (largest.with_block(4, squeeze=16), "differ in more than searched widths and kernel"),
    (largest.with_block(-1, classes=10), "differ in more than searched widths and kernel"),
    (backbones.search_space("netadaptv2_latency", (96, 96, 3)).largest(), "differ in more"),
    (NetworkSpec("short", (224, 224, 3), largest.blocks[:3]), "block04_expansion .* got None"),
    (backbones.network("mobilenet_v1"), "block01_filters of 'mobilenet_v1' .* to 16 .* got 32"),
  )
  for spec, message in refused:
    assert not space.contains(spec)
    with pytest.raises(ValueError, match=message):
      space.encode(spec)


def test_decode_names_the_decision_and_its_choices():
  space = _small_space()
  with pytest.raises(ValueError, match=r"block02_expansion must be one of \(0, 4, 8\), got 5"):
    space.decode((4, 5, 8, 4, 5, 8))
  with pytest.raises(ValueError, match="'small' has 6 decisions, got 2 values"):
    space.decode((4, 8))


def test_sampling_follows_its_generator_and_reaches_every_choice():
  space = _small_space()
  first = [space.sample(random.Random(3)) for _ in range(2)]
  assert first[0] == first[1]
  rng = random.Random(0)
  seen = {space.encode(space.sample(rng)) for _ in range(400)}
  for column, decision in enumerate(space.decisions):
    assert {values[column] for values in seen} == set(decision.choices)
