"""Identity 3: gradients reach exactly the kept weights and no others."""

import functools
import random

import backbone_cases
import numpy as np
import pytest
import tensorflow as tf
from backbone_cases import ALL_CASES

from nadv2_tf import backbones
from nadv2_tf.models import slice_network, super_network
from nadv2_tf.models.parts.names import layer_name
from nadv2_tf.spec import channels, space_of

#: those that have every kind of layer and of bypass are tried with more sub-networks
SEEDS = {"mobilenet_v3_demo": 3, "fastdepth": 3}
ALL = [(name, seed) for name in ALL_CASES for seed in range(SEEDS.get(name, 1))]


@functools.cache
def case_of(name):
  space = backbone_cases.space_of(name)
  return space, super_network(space), ALL_CASES[name].shift


def kept_mask(variable, name, shape):
  """1 where the sub-network has the weight, for a layer of the given `LayerShape`."""
  mask = np.zeros(variable.shape, bool)
  if name == "kernel" and shape.kind == "conv":
    mask[:, :, : shape.in_channels, : shape.kept] = True
  elif name == "kernel" and shape.kind == "depthwise":
    centre = channels.kernel_centre(variable.shape[0], shape.kernel)
    mask[centre, centre, : shape.kept] = True
  else:
    mask[: shape.kept] = True
  return mask


@pytest.mark.parametrize(("name", "seed"), ALL)
def test_gradients_reach_exactly_the_kept_weights(name, seed, randomise, widths_of):
  space, model, shift = case_of(name)
  randomise(model, seed, shift)
  spec = space.sample(random.Random(seed))
  shape = (8, *space.largest().input_shape)
  images = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
  with tf.GradientTape() as tape:
    logits = model([images, widths_of(space, spec, 8)], training=False)
    loss = tf.reduce_sum(logits * tf.random.stateless_normal(logits.shape, [seed, 0]))
  gradients = tape.gradient(loss, model.trainable_variables)
  by_path = {
    variable.path: np.zeros(variable.shape) if gradient is None else gradient.numpy()
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True)
  }
  touched = 0
  for index, layers in enumerate(spec.layers()):
    present = {shape.field: shape for shape in layers if shape.field and shape.kind != "classifier"}
    for field in space.largest().blocks[index].widths():
      layer = model.get_layer(layer_name(index, field))
      for variable in layer.trainable_variables:
        gradient, shape = by_path[variable.path], present.get(field)
        if shape is None:  # a removed block
          assert not gradient.any(), variable.path
          continue
        mask = kept_mask(variable, variable.name, shape)
        assert not gradient[~mask].any(), variable.path
        touched += np.count_nonzero(gradient[mask])
  # Dead ReLUs take some gradients away, but not nearly all.
  assert touched > 0.2 * spec.parameters()


def test_group_statistics_are_those_of_the_stand_alone_network(randomise, relative_gap):
  """A group of images in a mixed batch is normalised as its sub-network alone would be."""
  network = backbones.network("mobilenet_v3_demo").with_block(-1, dropout=0.0)
  space = space_of(network, levels=8)
  grouped = randomise(super_network(space, groups=2), seed=7)
  rng = random.Random(7)
  rows = np.array([space.encode(spec) for spec in (space.sample(rng), network)], np.int32)
  for column, decision in enumerate(space.decisions):
    if decision.kind == "kernel":
      rows[:, column] = decision.choices[-1]
  images = np.random.default_rng(7).normal(size=(16, 32, 32, 1)).astype(np.float32)
  mixed = np.asarray(grouped([images, np.repeat(rows, 8, axis=0)], training=True))
  for group, row in enumerate(rows):
    alone = slice_network(grouped, space.decode(row))
    part = slice(8 * group, 8 * group + 8)
    # 1e-4: variances are means of squares here, and two passes in Keras.
    assert relative_gap(mixed[part], alone(images[part], training=True)) <= 1e-4


@pytest.mark.parametrize(("groups", "is_alike"), [(2, True), (1, False)])
def test_what_was_trained_in_groups_is_scored_by_the_statistics_of_the_batch(
  tiny_space, randomise, relative_gap, widths_of, groups, is_alike
):
  """Averages over groups of other sub-networks are those of none; of one group they are used."""
  model = randomise(super_network(tiny_space, groups=groups), seed=7)
  spec = tiny_space.sample(random.Random(7))
  images = np.random.default_rng(7).normal(size=(8, *spec.input_shape)).astype(np.float32)
  outputs = model([images, widths_of(tiny_space, spec, 8)], training=False)
  alone = slice_network(model, spec)(images, training=True)
  # 1e-4 as above.
  assert (relative_gap(outputs, alone) <= 1e-4) == is_alike
