"""Super-network, sliced network and plain network are one network (ARCHITECTURE identities 1, 2).

Tolerances are relative to the spread of the outputs; float32 sums of up to 2048 products in
another order differ by about 1e-6 of it.
"""

import random

import backbone_cases
import keras
import numpy as np
import pytest
from backbone_cases import ALL_CASES, CASES

from nadv2_tf import backbones
from nadv2_tf.models import slice_network, stand_alone, super_network

BATCH = 3
#: FastDepth is checked in double precision, below
CLASSIFICATION = [name for name in ALL_CASES if name != "fastdepth"]


@pytest.fixture(scope="module", params=CLASSIFICATION)
def case(request, randomise):
  shape, _, shift = ALL_CASES[request.param]
  space = backbone_cases.space_of(request.param)
  model = randomise(super_network(space), seed=1, shift=shift)
  images = np.random.default_rng(2).normal(size=(BATCH, *shape)).astype(np.float32)
  return space, model, images


def test_no_backbone_is_left_out():
  assert set(CASES) == set(backbones.BACKBONES)


def constructed(space):
  """Specs with what random ones may miss: each is named for what it holds."""
  largest = space.largest()
  specs = {"largest": largest, "smallest": space.smallest()}
  blocks = largest.blocks
  searched = {(decision.blocks[0], decision.field) for decision in space.decisions}
  strided = next(
    index for index, block in enumerate(blocks) if index and getattr(block, "stride", 1) == 2
  )
  full = blocks[strided].widths()
  if not {(strided, field) for field in full} <= searched:  # nothing of it can be removed
    return specs
  specs["stride-2 block removed"] = largest.with_block(strided, **dict.fromkeys(full, 0))
  specs["stride-2 depthwise partly bypassed"] = largest.with_block(
    strided, depthwise=full["depthwise"] // 2
  )
  plain = next(
    index for index in range(strided + 1, len(blocks)) if getattr(blocks[index], "stride", 2) == 1
  )
  specs["stride-1 block removed"] = largest.with_block(
    plain, **dict.fromkeys(blocks[plain].widths(), 0)
  )
  if "expansion" in full:
    # Fewer channels come in than the depthwise layer has filters.
    specs["depthwise wider than its live input"] = largest.with_block(
      strided, expansion=full["expansion"] // 4
    )
  odd = {field: max(width * 3 // 8 - 1, 1) for field, width in full.items()}
  specs["widths off the grid"] = largest.with_block(strided, **odd)
  kernels = [decision for decision in space.decisions if decision.kind == "kernel"]
  for decision in kernels:
    largest = largest.with_block(decision.blocks[0], kernel=decision.choices[0])
  if kernels:
    specs["smallest kernels"] = largest
  return specs


def block_by_block(space):
  """Specs in which one block is at its smallest and all others are full, and one off the grid."""
  full = space.largest()
  specs, off_grid = {"largest": full, "smallest": space.smallest()}, full
  for index, block in enumerate(full.blocks):
    columns = [space.decisions[column] for column in space.columns(index).values()]
    least = {decision.field: decision.choices[0] for decision in columns}
    odd = {field: max(width * 3 // 4 - 1, 1) for field, width in block.widths().items()}
    odd = {field: width for field, width in odd.items() if field in least}
    specs[f"block {index + 1} at its smallest"] = full.with_block(index, **least)
    off_grid = off_grid.with_block(index, **odd)
  return {**specs, "off the grid": off_grid}


def outputs(model, space, spec, images, widths_of):
  return np.asarray(model([images, widths_of(space, spec, len(images))], training=False))


def check(case, spec, widths_of, relative_gap):
  space, model, images = case
  expected = outputs(model, space, spec, images, widths_of)
  sliced = slice_network(model, spec)
  assert (
    sliced.count_params() - sum(np.prod(w.shape) for w in sliced.non_trainable_weights)
    == spec.parameters()
  )
  assert relative_gap(sliced(images, training=False), expected) <= 1e-5
  return expected


def test_twenty_sampled_specs(case, widths_of, relative_gap):
  space, *_ = case
  rng = random.Random(3)
  alive = 0
  for _ in range(20):
    expected = check(case, space.sample(rng), widths_of, relative_gap)
    alive += np.abs(expected - expected[:1]).max() > 1e-3 * expected.std()
  # Networks whose output does not depend on the image would agree for no reason; a random
  # sub-network may be one (all of a ReLU layer dead), twenty of them are not.
  assert alive >= 10


def test_constructed_specs(case, widths_of, relative_gap):
  space, *_ = case
  is_backbone = space.largest().name in CASES
  specs = constructed(space) if is_backbone else block_by_block(space)
  for spec in specs.values():
    check(case, spec, widths_of, relative_gap)


@pytest.mark.parametrize("fixed", [(), (1, 2, 3, 4, 5, 6, 7, 8, 15)])
def test_sampled_networks_with_coupled_skips(fixed, randomise, widths_of, relative_gap, float64):
  """FastDepth, in double precision: its last ReLU leaves little spread to be relative to."""
  shape, _, shift = CASES["fastdepth"]
  space = backbone_cases.space_of("fastdepth").keeping(fixed)
  model = randomise(super_network(space), seed=1, shift=shift)
  images = np.random.default_rng(2).normal(size=(BATCH, *shape))
  rng = random.Random(3)
  alive = 0
  for spec in [space.smallest(), *(space.sample(rng) for _ in range(19))]:
    expected = outputs(model, space, spec, images, widths_of)
    sliced = slice_network(model, spec)
    assert relative_gap(sliced(images, training=False), expected) <= 1e-9
    alive += np.abs(expected - expected[:1]).max() > 0
  assert alive >= 10


def test_rows_of_a_batch_do_not_mix(case, widths_of, relative_gap):
  """Image i under spec i in a mixed batch equals image i under spec i alone."""
  space, model, images = case
  rng = random.Random(4)
  specs = [space.sample(rng) for _ in range(BATCH)]
  rows = np.array([space.encode(spec) for spec in specs], np.int32)
  for column, decision in enumerate(space.decisions):
    if decision.kind == "kernel":
      rows[:, column] = decision.choices[-1]
  mixed = np.asarray(model([images, rows], training=False))
  for index in range(BATCH):
    one = np.tile(rows[index], (BATCH, 1))
    alone = np.asarray(model([images, one], training=False))
    assert np.abs(mixed[index] - alone[index]).max() <= 1e-5 * alone.std()


@pytest.mark.parametrize("name", ALL_CASES)
def test_all_channels_kept_equals_plain_network(name, randomise, widths_of, relative_gap, float64):
  """Identity 1: nothing of the masks is left when all is kept."""
  shape, _, shift = ALL_CASES[name]
  space = backbone_cases.space_of(name)
  model = randomise(super_network(space), seed=1, shift=shift)
  plain = slice_network(model, space.largest())
  assert not any(isinstance(layer, keras.layers.Concatenate) for layer in plain.layers)
  images = np.random.default_rng(2).normal(size=(BATCH, *shape))
  expected = np.asarray(plain(images, training=False))
  full = model([images, widths_of(space, space.largest(), BATCH)], training=False)
  assert expected.dtype == np.float64
  assert relative_gap(full, expected) <= 1e-6


def test_macs_equal_a_count_over_the_built_layers(case):
  """Identity 4: the counter and the built Keras model agree exactly."""
  space, *_ = case
  rng = random.Random(5)
  for spec in [space.largest(), space.sample(rng)]:
    assert spec.macs() == keras_macs(stand_alone(spec))


def keras_macs(model):
  total = 0
  for layer in model.layers:
    if isinstance(layer, (keras.layers.DepthwiseConv2D, keras.layers.Conv2D)):
      _, height, width, _ = layer.output.shape
      total += height * width * int(np.prod(layer.kernel.shape))
  return total
