"""Ordering channels: no output changes, and prefixes then hold what matters most."""

import dataclasses

import numpy as np
import other_networks
import pytest

from nadv2_tf import backbones
from nadv2_tf.models import slice_network, stand_alone, super_network
from nadv2_tf.models.importance import IMPORTANCES
from nadv2_tf.models.pruning import channel_importance, order_by_importance, order_by_norm
from nadv2_tf.models.slicing import fill_super_network
from nadv2_tf.options.training import IMPORTANCES as OFFERED
from nadv2_tf.spec import NetworkSpec, SearchSpace, Skip, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head, InvertedResidual, Norm, Upsample

RESIDUAL = NetworkSpec(
  "residual",
  (8, 8, 3),
  (
    Conv(8, 3, 2, "hard_swish"),
    InvertedResidual(16, 16, 8, 5, 1, 4, "relu"),
    InvertedResidual(None, 8, 12, 3, 1, 4, "relu"),  # widens what it adds to
    InvertedResidual(16, 16, 16, 3, 2, None, "hard_swish", residual=False),
    DepthwiseSeparable(16, 24),
    Head(3, 16),
  ),
)
DECODER = NetworkSpec(
  "decoder",
  (8, 8, 3),
  (Conv(6, 3), Conv(8, 3, 2), Upsample(2), Conv(6, 3), Conv(8), Conv(2)),
  (Skip(0, 4),),
)


def without_depthwise(network, levels=4):
  """Its space of widths above 0 in which depthwise layers follow."""
  decisions = (
    dataclasses.replace(one, choices=tuple(choice for choice in one.choices if choice))
    for one in space_of(network, levels).decisions
    if one.field not in ("depthwise", "kernel")
  )
  return SearchSpace(network, tuple(decisions))


@pytest.fixture(scope="module")
def images():
  return np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)


def _outputs(model, spec, images):
  return np.asarray(slice_network(model, spec)(images))


def _norms(layer, spec_layer):
  kernel = np.asarray(layer.kernel)[:, :, : spec_layer.in_channels, : spec_layer.kept]
  return np.sqrt((kernel.astype(np.float64) ** 2).sum((0, 1, 2)))


@pytest.mark.parametrize("network", [RESIDUAL, DECODER], ids=lambda network: network.name)
def test_ordering_changes_no_output_of_what_it_is_ordered_for(
  network, images, randomise, relative_gap
):
  space = without_depthwise(network)
  model = randomise(super_network(space), seed=1)
  smaller = space.decode(tuple(one.choices[-2 + i % 2] for i, one in enumerate(space.decisions)))
  for spec in (space.largest(), smaller):
    before, weights = _outputs(model, spec, images), model.get_weights()
    order_by_norm(model, spec)
    moved = [
      not np.array_equal(one, other)
      for one, other in zip(weights, model.get_weights(), strict=True)
    ]
    assert sum(moved) > len(moved) / 2
    assert relative_gap(_outputs(model, spec, images), before) < 1e-5


def test_a_prefix_holds_the_largest_norms(randomise):
  space = without_depthwise(RESIDUAL)
  model = randomise(super_network(space), seed=2)
  order_by_norm(model, space.largest())
  shapes = {
    (index, one.field): one for index, block in enumerate(RESIDUAL.layers()) for one in block
  }
  norms = {
    name: _norms(model.get_layer(name), shapes[index, field])
    for name, index, field in (
      ("block01_filters", 0, "filters"),
      ("block02_expansion", 1, "expansion"),
      ("block02_projection", 1, "projection"),
      ("block03_projection", 2, "projection"),
      ("block04_expansion", 3, "expansion"),
      ("block04_projection", 3, "projection"),
      ("block05_pointwise", 4, "pointwise"),
      ("block06_hidden", 5, "hidden"),
    )
  }
  tied = norms.pop("block03_projection")
  shared = norms.pop("block01_filters") + norms.pop("block02_projection") + tied[:8]
  for values in (*norms.values(), shared, tied[8:]):
    assert np.all(np.diff(values) <= 1e-12) and values[0] > values[-1]


def test_what_only_the_wider_of_two_tied_layers_has_stays_behind(images, randomise, relative_gap):
  space = without_depthwise(RESIDUAL)
  model = randomise(super_network(space), seed=4)
  spec = RESIDUAL.with_block(1, projection=4)
  stem = model.get_layer("block01_filters").kernel
  stem.assign(np.array(stem) * np.where(np.arange(8) == 7, 100, 1).astype(np.float32))
  before = _outputs(model, spec, images)
  order_by_norm(model, spec)
  largest = np.argmax(_norms(model.get_layer("block01_filters"), spec.layers()[0][0]))
  assert largest == 4  # first of those that the projection has no filter for
  assert relative_gap(_outputs(model, spec, images), before) < 1e-5


def test_what_was_cut_off_stays_cut_off_and_does_not_count(randomise):
  space = without_depthwise(NetworkSpec("plain", (8, 8, 3), (Conv(4, 3), Conv(4, 3), Head(2))))
  model = randomise(super_network(space), seed=3)
  first, second = (model.get_layer(f"block0{number}_filters") for number in (1, 2))
  kernel = np.ones((3, 3, 4, 4), np.float32) * [1.0, 2.0, 3.0, 4.0]
  kernel[:, :, 3] = [90.0, 80.0, 70.0, 60.0]  # on a channel that the first layer cuts off
  second.kernel.assign(kernel)
  cut_off = np.array(first.kernel)[..., 3]
  order_by_norm(model, space.decode((3, 2)))
  np.testing.assert_array_equal(np.asarray(second.kernel)[0, 0, 0], [2.0, 1.0, 3.0, 4.0])
  np.testing.assert_array_equal(np.asarray(first.kernel)[..., 3], cut_off)


def test_a_bypass_is_refused(tiny_space):
  with pytest.raises(ValueError, match="block01_filters lets channels pass"):
    order_by_norm(super_network(tiny_space), tiny_space.largest())


def test_a_depthwise_width_of_its_own_is_refused():
  network = NetworkSpec("separable", (8, 8, 3), (Conv(4), DepthwiseSeparable(4, 4), Head(2)))
  space = space_of(network, 2)
  with pytest.raises(ValueError, match="block02_depthwise lets channels pass"):
    order_by_norm(super_network(space), space.largest())


@pytest.mark.parametrize("name", ["mobilenet_v3_demo", "netadaptv2_mac", "fastdepth"])
def test_the_full_network_of_a_space_with_bypasses_stays_what_it_is(name, randomise, relative_gap):
  own = backbones.search_space(name).network.input_shape
  space = backbones.search_space(name, (32, 32, own[-1]))
  model = randomise(super_network(space), seed=5)
  images = np.random.default_rng(0).normal(size=(2, *space.network.input_shape)).astype(np.float32)
  before, weights = _outputs(model, space.largest(), images), model.get_weights()
  order_by_importance(model)
  after = model.get_weights()
  moved = [not np.array_equal(one, other) for one, other in zip(weights, after, strict=True)]
  assert sum(moved) > 0.8 * len(moved)
  assert relative_gap(_outputs(model, space.largest(), images), before) < 1e-4


@pytest.mark.parametrize("name", other_networks.NETWORKS)
def test_other_networks_stay_what_they_are(name, randomise, relative_gap, float64):
  network = other_networks.NETWORKS[name]
  model = randomise(super_network(space_of(network, 4)), seed=5, shift=0.3)
  images = np.random.default_rng(0).normal(size=(2, *network.input_shape))
  before, weights = _outputs(model, network, images), model.get_weights()
  order_by_importance(model)
  after = model.get_weights()
  moved = [not np.array_equal(one, other) for one, other in zip(weights, after, strict=True)]
  assert sum(moved) > 0.8 * len(moved)
  assert relative_gap(_outputs(model, network, images), before) < 1e-6


def test_a_batch_norm_by_itself_follows_the_channels_that_come(randomise):
  """Two convolutions that are added up share one order, and what scales their sum counts."""
  blocks = (Conv(4, activation="linear"), Conv(4), Norm("relu"), Head(2))
  network = NetworkSpec("summed", (8, 8, 3), blocks, (Skip(0, 1),))
  model = randomise(super_network(space_of(network, 4)), seed=6)
  norm, kernel = model.get_layer("block03_norm").norm, model.get_layer("block04_classes").kernel
  kernel.assign(np.ones((4, 2)) * np.array([1, 5, 2, 3])[:, None])
  norm.gamma.assign([-4.0, 0.1, 0.5, 1.0])
  norm.beta.assign([0.0, 0.1, -1.0, 1.0])
  first, second = (model.get_layer(f"block0{number}_filters").kernel for number in (1, 2))
  second.assign(np.asarray(second) * 1e-3)  # it reads the same channels, but little of them
  before = [np.array(one)[0, 0] for one in (first, second)]
  order = [3, 0, 2, 1]
  order_by_importance(model, "readers")  # 1 x 4, 5 x 0.2, 2 x 1.5, 3 x 2
  np.testing.assert_allclose(norm.gamma, [1.0, -4.0, 0.5, 0.1])
  np.testing.assert_array_equal(np.asarray(first)[0, 0], before[0][:, order])
  # What the second convolution reads is ordered as well.
  np.testing.assert_array_equal(np.asarray(second)[0, 0], before[1][order][:, order])


def test_what_is_read_by_large_weights_and_is_large_itself_comes_first(randomise):
  spec = NetworkSpec(
    "bottleneck", (8, 8, 3), (Conv(4), InvertedResidual(4, 4, 4, 3, residual=False), Head(2, 4))
  )
  model = randomise(super_network(space_of(spec, 4)), seed=6)
  projection, norm = (model.get_layer(f"block02_{one}") for one in ("projection", "depthwise"))
  norm = norm.norm
  projection.kernel.assign(np.ones((1, 1, 4, 4)) * np.array([1, 5, 2, 3])[:, None])
  norm.gamma.assign([-4.0, 0.1, 0.5, 1.0])
  norm.beta.assign([0.0, 0.1, -1.0, 1.0])
  order_by_importance(model, "readers")  # 1 x 4, 5 x 0.2, 2 x 1.5, 3 x 2
  np.testing.assert_allclose(norm.gamma, [1.0, -4.0, 0.5, 0.1])
  np.testing.assert_allclose(np.asarray(projection.kernel)[0, 0, :, 0], [3, 1, 2, 5])
  order_by_importance(model)  # by default how much of it is read counts alone
  np.testing.assert_allclose(np.asarray(projection.kernel)[0, 0, :, 0], [5, 3, 2, 1])


def test_channels_that_pass_a_bypass_of_the_full_network_keep_their_places(randomise, relative_gap):
  spec = NetworkSpec("passing", (8, 8, 3), (Conv(8), Conv(4, bypass_cap=8), Conv(8), Head(2, 4)))
  space = space_of(spec, 4)
  model = randomise(super_network(space), seed=7)
  images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
  before, first = _outputs(model, spec, images), model.get_layer("block01_filters").get_weights()
  order_by_importance(model)
  assert relative_gap(_outputs(model, spec, images), before) < 1e-5
  assert all(map(np.array_equal, first, model.get_layer("block01_filters").get_weights()))


@pytest.mark.parametrize("name", ["mobilenet_v3_demo", "fastdepth", *other_networks.NETWORKS])
def test_a_super_network_takes_the_weights_of_a_full_network(name, randomise):
  if name in other_networks.NETWORKS:
    space = space_of(other_networks.NETWORKS[name], 4)
  else:
    own = backbones.search_space(name).network.input_shape
    space = backbones.search_space(name, (32, 32, own[-1]))
  full = randomise(stand_alone(space.largest()), seed=8)
  model = super_network(space)
  fill_super_network(model, full)
  for one, other in zip(
    slice_network(model, space.largest()).get_weights(), full.get_weights(), strict=True
  ):
    np.testing.assert_array_equal(one, other)


def test_importance_of_channels_is_that_of_their_order(randomise):
  space = space_of(RESIDUAL, 4)
  model = randomise(super_network(space), seed=5)
  before = channel_importance(model)
  widths = {(i, one.field) for one in space.decisions if one.kind == "width" for i in one.blocks}
  assert set(before) == widths
  np.testing.assert_array_equal(before[1, "expansion"], before[1, "depthwise"])
  assert before[1, "expansion"].shape == (16,) and before[1, "expansion"].std() > 0
  order_by_importance(model)
  after = channel_importance(model)
  for place in ((1, "expansion"), (3, "expansion"), (5, "hidden")):
    np.testing.assert_allclose(after[place], np.sort(before[place])[::-1], rtol=1e-6)


def test_every_importance_has_a_value_for_every_channel_and_one_alone_its_formula(randomise):
  space = space_of(RESIDUAL, 4)
  model = randomise(super_network(space), seed=6)
  rng = np.random.default_rng(0)
  slopes = [
    {one.path: rng.normal(size=one.shape) for one in model.trainable_variables} for _ in range(2)
  ]
  assert tuple(IMPORTANCES) == OFFERED
  for by in IMPORTANCES:
    found = channel_importance(model, by, slopes)
    assert all(np.all(values >= 0) and values.std() > 0 for values in found.values()), by
  by_hand = {}
  # This expansion is made by one layer, scaled by two norms, and read by one layer.
  made, passed, read = (
    model.get_layer(f"block04_{field}") for field in ("expansion", "depthwise", "projection")
  )
  filters = np.sqrt((np.asarray(made.kernel) ** 2).sum((0, 1, 2)))
  rows = np.sqrt((np.asarray(read.kernel) ** 2).sum((0, 1, 3)))
  scale = sum(np.abs(np.asarray(one)) for one in (passed.norm.gamma, passed.norm.beta))
  by_hand["filters"] = filters
  by_hand["scaled_filters"] = filters * np.abs(np.asarray(made.norm.gamma))
  by_hand["unscaled_readers"], by_hand["readers"] = rows, rows * scale
  by_hand["taylor"] = sum(
    np.abs(batch[layer.norm.gamma.path] + batch[layer.norm.beta.path]) / 2
    for batch in slopes
    for layer in (made, passed)
  )
  for by, values in by_hand.items():
    found = channel_importance(model, by, slopes)[3, "expansion"]
    np.testing.assert_allclose(found, values, rtol=1e-5, err_msg=by)


def test_taylor_without_gradients_is_refused(randomise):
  model = super_network(space_of(RESIDUAL, 4))
  with pytest.raises(ValueError, match="needs gradients"):
    order_by_importance(model, "taylor")
