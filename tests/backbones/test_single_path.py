"""The space of Single-Path NAS: its structure, its counts, and cutting its networks."""

import random

import numpy as np
import pytest

from nadv2_tf import backbones
from nadv2_tf.models import slice_network, super_network
from nadv2_tf.search.descent import layers_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

SPACE = backbones.search_space("single_path")

# Output channels and stride of every MBConv block, as printed in the paper's Fig. 2.
BLOCKS = [(16, 1)]
BLOCKS += [(24, 2), *[(24, 1)] * 3]
BLOCKS += [(40, 2), *[(40, 1)] * 3]
BLOCKS += [(80, 2), *[(80, 1)] * 3]
BLOCKS += [(96, 1), *[(96, 1)] * 3]
BLOCKS += [(192, 2), *[(192, 1)] * 3]
BLOCKS += [(320, 1)]


def test_blocks_are_those_of_the_paper():
  stem, *blocks, last, head = SPACE.largest().blocks
  assert stem == Conv(32, 3, 2) and last == Conv(1280) and isinstance(head, Head)
  assert len(blocks) == len(BLOCKS) == 22
  inputs = 32
  for number, (block, (outputs, stride)) in enumerate(zip(blocks, BLOCKS, strict=True)):
    assert isinstance(block, InvertedResidual) and block.bypass_cap == 0 and block.squeeze is None
    assert (block.projection, block.stride) == (outputs, stride), number
    assert block.residual == (stride == 1 and inputs == outputs), number
    assert block.expansion == (None if number == 0 else 6 * inputs), number
    assert block.kernel == (3 if number in (0, 21) else 5), number
    inputs = outputs
  # 224 / 2^5
  assert SPACE.largest().block_outputs()[-3:] == ((7, 7, 320), (7, 7, 1280), (1, 1, 1000))


def test_every_searched_block_has_two_expansions_and_two_kernels():
  assert len(SPACE.decisions) == 40
  for number, (inputs, _) in enumerate(BLOCKS[:-2], start=1):
    expansion, kernel = SPACE.decisions[2 * number - 2 : 2 * number]
    assert (expansion.field, expansion.choices) == ("expansion", (3 * inputs, 6 * inputs))
    assert (kernel.field, kernel.choices) == ("kernel", (3, 5))
    assert expansion.blocks == kernel.blocks == (number + 1,)


def test_each_kernel_is_a_layer_of_its_own_to_the_search():
  assert sorted(layers_of(SPACE)) == [(column,) for column in range(40)]


def test_counts_of_the_largest_network():
  # Published are counts of found networks only; these are what we counted first.
  assert SPACE.largest().macs() == 525_305_600
  assert SPACE.largest().parameters() == 4_833_768


def test_a_narrow_expansion_is_what_its_depthwise_layer_has():
  """Its own width is fixed at the most, and filters without a live channel do not exist."""
  for layers in SPACE.smallest().layers()[2:-3]:
    expansion, depthwise, _ = layers[:3]
    assert depthwise.kept == depthwise.out_channels == expansion.kept
    assert depthwise.kernel == 3 and not depthwise.bypassed


@pytest.fixture(scope="module")
def super_model(randomise):
  space = backbones.search_space("single_path", (32, 32, 3), 5)
  return space, randomise(super_network(space), seed=1, shift=0.3)


@pytest.mark.parametrize("name", ["largest", "smallest", "random"])
def test_sliced_networks_are_the_super_network(super_model, widths_of, relative_gap, name):
  space, model = super_model
  spec = space.sample(random.Random(0)) if name == "random" else getattr(space, name)()
  images = np.random.default_rng(2).normal(size=(3, 32, 32, 3)).astype(np.float32)
  expected = np.asarray(model([images, widths_of(space, spec, 3)], training=False))
  sliced = slice_network(model, spec)
  assert relative_gap(sliced(images, training=False), expected) <= 1e-5
  assert expected.std() > 0
  trained = sum(np.prod(weight.shape) for weight in sliced.trainable_weights)
  assert trained == spec.parameters()
