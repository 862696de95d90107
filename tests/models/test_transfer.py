"""Weights that two stand-alone networks of one space have in common."""

import random

import backbone_cases
import numpy as np
import other_networks
import pytest

from nadv2_tf import backbones
from nadv2_tf.models import slice_network, stand_alone, super_network
from nadv2_tf.models.transfer import copy_overlap

SPACES = {"mobilenet_v3_demo": (32, 32, 1), "fastdepth": (32, 32, 3)}


@pytest.mark.parametrize("name", [*SPACES, *other_networks.NETWORKS])
def test_a_cut_of_a_cut_is_the_cut(name, randomise):
  """From a network to one inside it, the overlap is what slicing the shared weights gives."""
  if name in SPACES:
    space = backbones.search_space(name, input_shape=SPACES[name])
  else:
    space = backbone_cases.space_of(name)
  model = randomise(super_network(space), seed=1)
  middle = space.decode([d.choices[-1 if d.kind == "kernel" else -2] for d in space.decisions])
  rng = random.Random(2)
  inner = space.decode(
    [
      rng.choice([choice for choice in decision.choices if choice <= limit])
      for decision, limit in zip(space.decisions, space.encode(middle), strict=True)
    ]
  )
  expected, target = slice_network(model, inner), randomise(stand_alone(inner), seed=3)
  assert any(
    not np.array_equal(a, b) for a, b in zip(expected.weights, target.weights, strict=True)
  )
  copy_overlap(slice_network(model, middle), target)
  for one, other in zip(expected.weights, target.weights, strict=True):
    np.testing.assert_array_equal(one, other, err_msg=one.path)


def test_what_is_not_in_both_stays(randomise):
  """From a narrow network to a wide one: the rest of the wide one is left alone."""
  space = backbones.search_space("mobilenet_v3_demo")
  wide, narrow = space.largest(), space.largest().with_block(0, filters=4)
  full = next(index for index, block in enumerate(wide.blocks) if getattr(block, "kernel", 0) == 5)
  narrow = narrow.with_block(full, kernel=3)
  source, target = randomise(stand_alone(narrow), seed=1), randomise(stand_alone(wide), seed=2)
  before = {layer.name: layer.get_weights() for layer in target.layers}
  copy_overlap(source, target)
  kernel, old = target.get_layer("block01_filters").get_weights()[0], before["block01_filters"][0]
  np.testing.assert_array_equal(
    kernel[..., :4], source.get_layer("block01_filters").get_weights()[0]
  )
  np.testing.assert_array_equal(kernel[..., 4:], old[..., 4:])
  name = f"block{full + 1:02d}_depthwise"
  kernel, old = target.get_layer(name).get_weights()[0], before[name][0]
  small = source.get_layer(name).get_weights()[0]
  np.testing.assert_array_equal(kernel[1:4, 1:4, : small.shape[2]], small)
  np.testing.assert_array_equal(kernel[0], old[0])
