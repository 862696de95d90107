"""Which operators of a file belong to which block, and which of the blocks are int8."""

import random

import keras
import numpy as np
import pytest
from read_networks import READ_NETWORKS

from nadv2_tf.export import blocks, predictor
from nadv2_tf.export.mixed_files import MixedFiles
from nadv2_tf.export.tflite import concrete_function
from nadv2_tf.models import stand_alone


@pytest.fixture(scope="module")
def of_all_kinds(spec, randomise, examples):
  """The files of the network that the other tests of exports have."""
  network = randomise(stand_alone(spec), seed=3)
  return MixedFiles(concrete_function(network), examples.inputs())


def test_operators_without_a_name_belong_to_the_block_that_takes_their_output(of_all_kinds):
  # A slice and a concatenation of a bypass, zeros before a sum; block 4 is removed, and what it
  # does with its input, pooling and zeros, is done for block 5.
  made = of_all_kinds
  assert made.blocks == (1, 2, 3, 5, 6)
  found = blocks.by_block(blocks.operators(made.in_float))
  names = {block: [one.name for one in operators] for block, operators in found.items()}
  assert all("STRIDED_SLICE" in names[block] for block in (2, 3))
  assert "AVERAGE_POOL_2D" in names[5] and names[6][-1] == "RESHAPE"
  assert sum(map(len, names.values())) == len(blocks.operators(made.in_float))


@pytest.mark.parametrize("int8", [{2}, {1, 3}, {2, 5}, {6}, {1, 2, 3, 5}, {1, 2, 3, 5, 6}], ids=str)
def test_exactly_the_chosen_blocks_are_int8(of_all_kinds, examples, int8):
  content = of_all_kinds.content(int8)
  assert blocks.precisions(content) == {
    block: {"int8"} if block in int8 else {"float32"} for block in (1, 2, 3, 5, 6)
  }
  assert blocks.conversions(content) >= 2
  assert predictor(content)(examples.inputs()[:2]).shape == (2, 3)


@pytest.mark.parametrize("name", ["plain", "skips"])
def test_blocks_of_networks_like_other_peoples(name, randomise):
  spec, rng = READ_NETWORKS[name], random.Random(0)
  images = np.random.default_rng(4).normal(size=(4, *spec.input_shape)).astype(np.float32)
  network = randomise(stand_alone(spec), seed=3, shift=0.1)  # whose variables a function only sees
  made = MixedFiles(concrete_function(network), images)
  assert len(made.blocks) > 5
  for _ in range(4):
    int8 = set(rng.sample(made.blocks, rng.randint(1, len(made.blocks) - 1)))
    found = blocks.precisions(made.content(int8))
    assert {block for block, types in found.items() if types == {"int8"}} == int8
    assert {types for block, types in found.items() if block not in int8} == {
      frozenset({"float32"})
    }


def test_a_network_whose_layers_say_nothing_of_blocks(examples):
  model = keras.Sequential([keras.layers.Input((8, 8, 1)), keras.layers.Conv2D(2, 3)])
  with pytest.raises(ValueError, match="needs a network whose layers are named after blocks"):
    MixedFiles(concrete_function(model), examples.inputs())
