"""Identities 2, 4 and 10 for the depth network: skips, removed decoder layers, the published one.

In double precision where outputs are compared: the last ReLU leaves little spread.
"""

import random

import keras
import numpy as np
import pytest

from nadv2_tf import backbones, export
from nadv2_tf.models import slice_network, stand_alone, super_network
from nadv2_tf.spec import NetworkSpec

SHAPE, BATCH = (64, 64, 3), 2
ORDINARY = {
  "ADD",
  "AVERAGE_POOL_2D",
  "CONCATENATION",
  "CONV_2D",
  "DEPTHWISE_CONV_2D",
  "PAD",
  "PADV2",
  "RESIZE_NEAREST_NEIGHBOR",
  "STRIDED_SLICE",
}
#: blocks of the encoder, and those of the decoder whose upsampled output they are added to
SKIPS = ((1, 20), (3, 18), (5, 16))


@pytest.fixture(scope="module")
def space():
  return backbones.search_space("fastdepth", input_shape=SHAPE)


def constructed(space):
  """Specs with what random ones may miss: each is named for what it holds."""
  largest = space.largest()
  removed = dict.fromkeys(("depthwise", "pointwise"), 0)
  specs = {"smallest": space.smallest(), "largest": largest}
  for index in (14, 16, 18, 20, 22):
    block = largest.with_block(index, **removed)
    partner = [source for source, target in SKIPS if target == index]
    if partner:  # they share one width
      block = block.with_block(partner[0], pointwise=0)
    specs[f"decoder block {index} removed"] = block
  specs["whole decoder removed"] = specs["decoder block 14 removed"]
  for index in (16, 18, 20, 22):
    partner = [source for source, target in SKIPS if target == index]
    spec = specs["whole decoder removed"].with_block(index, **removed)
    specs["whole decoder removed"] = spec.with_block(partner[0], pointwise=0) if partner else spec
  for source, target in SKIPS:
    narrow = largest.with_block(source, pointwise=8).with_block(target, pointwise=8)
    specs[f"skip of {source} narrower than the bypass"] = narrow
  specs["stride-2 encoder block removed"] = largest.with_block(4, **removed)
  specs["small kernels"] = largest
  for index in (14, 16, 18, 20, 22):
    specs["small kernels"] = specs["small kernels"].with_block(index, kernel=3)
  published = backbones.network("netadaptv2_depth_87ms")
  specs["published"] = NetworkSpec("published", SHAPE, published.blocks, published.skips)
  return specs


def test_constructed_networks(space, randomise, compiled, widths_of, relative_gap, float64):
  """Identity 2: the super-network under a spec equals its sliced network."""
  model = randomise(super_network(space), seed=1, shift=0.5)
  model.get_layer("block25_filters").norm.beta.assign([3.0])  # what the last ReLU lets through
  images = np.random.default_rng(2).normal(size=(BATCH, *SHAPE))
  call, alive = compiled(model), 0
  specs = constructed(space)
  for name, spec in specs.items():
    expected = np.asarray(call(images, widths_of(space, spec, BATCH)))
    assert expected.shape == (BATCH, 64, 64, 1)
    gap = relative_gap(slice_network(model, spec)(images, training=False), expected)
    assert gap <= 1e-9, name
    alive += np.abs(expected - expected[:1]).max() > 0
  # Networks whose output does not depend on the image would agree for no reason.
  assert alive >= 0.8 * len(specs)


def test_macs_and_parameters_equal_a_count_over_the_built_layers(space):
  """Identity 4."""
  specs = constructed(space)
  names = ("published", "whole decoder removed", "decoder block 18 removed")
  for spec in [*(specs[name] for name in names), space.sample(random.Random(5))]:
    model = stand_alone(spec)
    macs = 0
    for layer in model.layers:
      if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
        _, height, width, _ = layer.output.shape
        macs += height * width * int(np.prod(layer.kernel.shape))
    assert macs == spec.macs(), spec.name
    assert sum(np.prod(w.shape) for w in model.trainable_weights) == spec.parameters()


def test_tflite_gives_the_same_metres(space, tmp_path, randomise):
  """Identity 10, with outputs of metres: a shift of 3 keeps the last ReLU from hiding them."""
  model = randomise(super_network(space), seed=3, shift=0.5)
  model.get_layer("block25_filters").norm.beta.assign([3.0])
  images = np.random.default_rng(1).normal(size=(2, *SHAPE)).astype(np.float32)
  specs = constructed(space)
  for name in ("published", "whole decoder removed", "skip of 3 narrower than the bypass"):
    network = slice_network(model, specs[name])
    path = export.to_tflite(network, tmp_path / "network.tflite")
    expected = np.asarray(network(images, training=False))
    assert expected.min() >= 0 and expected.max() > 1
    found = export.predictor(path)(images)
    assert found.shape == (2, 64, 64, 1)
    # 1e-4 of the largest depth: float32 sums in another order.
    assert np.abs(found - expected).max() <= 1e-4 * expected.max(), name
    assert set(export.operators(path)) <= ORDINARY, name


def test_a_network_that_is_called_is_not_trained(space):
  """A user calls the Keras model as it is; a layer in it once made Keras believe otherwise."""
  model = stand_alone(space.largest())
  images = np.random.default_rng(0).normal(3, 2, (BATCH, *SHAPE)).astype(np.float32)
  before = model.get_weights()
  called = np.asarray(model(images))
  for one, other in zip(before, model.get_weights(), strict=True):
    np.testing.assert_array_equal(one, other)
  np.testing.assert_array_equal(called, np.asarray(model(images, training=False)))
