"""The super-network with shares of all options, and its slopes."""

import random

import numpy as np
import other_networks
import pytest
import tensorflow as tf
from shares import one_hot, soft

from nadv2_tf.models import super_network
from nadv2_tf.models.relaxed import run_relaxed
from nadv2_tf.spec import NetworkSpec, Skip, space_of
from nadv2_tf.spec.blocks import Conv, Depthwise, Head, InvertedResidual, Upsample

CLASSIFIER = NetworkSpec(
  "tiny",
  (8, 8, 3),
  (
    Conv(8, 3, 2, "hard_swish", bypass_cap=4),
    InvertedResidual(16, 16, 8, 5, 1, 4, "relu", bypass_cap=4),
    InvertedResidual(12, 12, 12, 5, 2, 4, "hard_swish", bypass_cap=8, residual=False),
    InvertedResidual(16, 16, 12, 3, 1, None, "relu", bypass_cap=None),
    Head(3, 16, bypass_cap=8),
  ),
)
DECODER = NetworkSpec(
  "decoder",
  (8, 8, 3),
  (Conv(6, 3, bypass_cap=4), Conv(8, 3, 2, bypass_cap=4), Upsample(2), Conv(6, 3), Conv(1)),
  (Skip(0, 2),),
)
NETWORKS = [CLASSIFIER, DECODER, *other_networks.NETWORKS.values()]


def some_specs(space):
  """The ends, blocks removed one by one, and random ones."""
  rng, full = random.Random(1), space.encode(space.largest())
  for index in range(len(space.network.blocks)):
    row = list(full)
    for column in space.columns(index).values():
      row[column] = space.decisions[column].choices[0]
    yield space.decode(row)
  yield from (space.largest(), space.smallest(), *(space.sample(rng) for _ in range(3)))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_with_one_option_of_each_decision_it_is_the_masked_sub_network(network, randomise):
  space = space_of(network, levels=4)
  model = randomise(super_network(space, inference="batch"), seed=2)
  images = np.random.default_rng(0).normal(size=(8, *network.input_shape))
  images = tf.constant(images, tf.float32)
  relaxed = tf.function(lambda shares: run_relaxed(model, images, shares), autograph=False)
  masked = tf.function(
    lambda row: model([images, tf.tile(row[None], (8, 1))], training=False),
    autograph=False,
  )
  for spec in some_specs(space):
    expected = masked(tf.constant(space.encode(spec), tf.int32)).numpy()
    found = relaxed(tf.constant(one_hot(space, spec), tf.float32)).numpy()
    # The same operations but for the order of sums in a graph: rounding alone.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def _loss_and_slopes(model, images, outwards):
  @tf.function(autograph=False)
  def run(shares):
    with tf.GradientTape() as tape:
      tape.watch(shares)
      loss = tf.reduce_sum(run_relaxed(model, images, shares) * outwards)
    return loss, tape.gradient(loss, shares)

  return run


@pytest.mark.parametrize("network", [CLASSIFIER, DECODER], ids=lambda network: network.name)
def test_slopes_are_differences(network, float64, randomise):
  space = space_of(network, levels=4)
  model = randomise(super_network(space), seed=3)
  rng = np.random.default_rng(4)
  images = rng.normal(size=(4, *network.input_shape))
  shape = model.compute_output_shape([(4, *network.input_shape), (4, len(space))])
  run = _loss_and_slopes(model, images, rng.normal(size=(4, *shape[1:])))
  shares, step = soft(space, 5), 1e-7
  _, slopes = run(tf.constant(shares))
  assert np.count_nonzero(slopes) >= 0.9 * np.count_nonzero(shares)
  for row, decision in enumerate(space.decisions):
    moved = np.zeros_like(shares)
    moved[row, row % len(decision.choices)] = step
    up, down = (float(run(tf.constant(shares + side * moved))[0]) for side in (1, -1))
    # Rounding over the step, and kinks of ReLUs that lie within it.
    expected = (up - down) / (2 * step)
    found = float(slopes[row, row % len(decision.choices)])
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


#: networks, and decisions in which their loss is linear if each other one has one option: behind
#: them no norm sees more than one of their channels
LINEAR = {
  "a hidden layer": (CLASSIFIER, -1),
  "before a depthwise layer": (
    NetworkSpec("two", (8, 8, 3), (Conv(8, 3), Depthwise(8, 3, 2), Head(2))),
    0,
  ),
  "a depthwise layer": (
    NetworkSpec("one", (8, 8, 3), (Conv(8, 3), Depthwise(8, 3, 2, "hard_swish"), Head(2))),
    1,
  ),
}


@pytest.mark.parametrize("name", sorted(LINEAR))
def test_what_is_not_there_is_worth_what_it_would_give(name, float64, randomise):
  """A norm behind a mask would make up for any share, and see nothing in one of 0."""
  network, column = LINEAR[name]
  space = space_of(network, levels=4)
  model = randomise(super_network(space), seed=3)
  rng, row = np.random.default_rng(6), list(space.encode(space.largest()))
  outwards = rng.normal(size=(4, network.blocks[-1].classes))
  run = _loss_and_slopes(model, rng.normal(size=(4, *network.input_shape)), outwards)
  column %= len(space)
  row[column] = space.decisions[column].choices[1]
  loss, slopes = run(tf.constant(one_hot(space, space.decode(row))))
  for option, value in enumerate(space.decisions[column].choices):
    row[column] = value
    other, _ = run(tf.constant(one_hot(space, space.decode(row))))
    assert float(other - loss) == pytest.approx(float(slopes[column, option] - slopes[column, 1]))
