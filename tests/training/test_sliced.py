"""Sliced execution: the sub-network's own narrower weights give what masks give, in one trace."""

import random

import keras
import numpy as np
import other_networks
import pytest
import tensorflow as tf

from nadv2_tf import backbones
from nadv2_tf.models import slice_network, super_network
from nadv2_tf.spec import NetworkSpec, Skip, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual, Upsample
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.steps.gradients import gradients, sliced_gradients
from nadv2_tf.training.steps.sliced import run_sliced
from nadv2_tf.training.steps.sliced_norms import GivenStatistics, OwnStatistics
from nadv2_tf.training.widths import WidthSampler

CLASSIFIER = NetworkSpec(
  "tiny",
  (8, 8, 3),
  (
    Conv(8, 3, 2, "hard_swish", bypass_cap=4),
    InvertedResidual(16, 16, 8, 5, 1, 4, "relu", bypass_cap=4),
    InvertedResidual(16, 16, 16, 7, 2, 4, "hard_swish", bypass_cap=8, residual=False),
    InvertedResidual(24, 24, 16, 5, 1, None, "relu", bypass_cap=None),
    Conv(24, 1, 1, "hard_swish", bypass_cap=12),
    Head(3, 16, bypass_cap=8),
  ),
)
DECODER = NetworkSpec(
  "decoder",
  (8, 8, 3),
  (
    Conv(6, 3, 1, bypass_cap=4),
    Conv(8, 3, 2, bypass_cap=4),
    Upsample(2),
    Conv(6, 3, bypass_cap=4),
    Conv(1),
  ),
  (Skip(0, 2),),
)


NETWORKS = [CLASSIFIER, DECODER, *other_networks.NETWORKS.values()]


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda network: network.name)
def space(request):
  return space_of(request.param, levels=4)


@pytest.fixture(scope="module")
def images():
  return np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def own_images(space):
  shape = (16, *space.network.input_shape)
  return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def some_specs(space):
  """The ends, blocks removed one by one, and random ones."""
  rng = random.Random(1)
  full = space.encode(space.largest())
  for index in range(len(space.network.blocks)):
    row = list(full)
    for column in space.columns(index).values():
      row[column] = space.decisions[column].choices[0]
    yield space.decode(row)
  count = 2 if space.network.name in other_networks.NETWORKS else 8
  yield from (space.largest(), space.smallest(), *(space.sample(rng) for _ in range(count)))


def relative_gap(one, other):
  one, other = np.asarray(one), np.asarray(other)
  return np.max(np.abs(one - other)) / np.max(np.abs(other))


def test_sliced_is_masked_is_the_network_cut_out(space, own_images, randomise):
  images = own_images
  model = randomise(super_network(space, inference="batch"), seed=2)
  traces = []

  @tf.function(autograph=False)
  def sliced(row):
    traces.append(1)
    return run_sliced(model, images, row)

  for spec in some_specs(space):
    row = np.array(space.encode(spec), np.int32)
    masked = model([images, np.tile(row, (len(images), 1))], training=False)
    alone = slice_network(model, spec)(images, training=True)
    assert relative_gap(sliced(row), masked) < 1e-5
    # One sub-network of "plain" differs by 1.4e-5 in float32, all others by less than 3e-6.
    limit = 5e-5 if space.network.name == "plain" else 1e-5
    assert relative_gap(sliced(row), alone) < limit
  assert len(traces) == 1


def test_statistics_of_other_images_are_folded_in(space, own_images, randomise):
  model = randomise(super_network(space), seed=3)
  own, other = own_images[:12], own_images[4:]
  for spec in some_specs(space):
    row = np.array(space.encode(spec), np.int32)
    statistics = OwnStatistics()
    expected = run_sliced(model, own, row, statistics)
    again = run_sliced(model, own, row, GivenStatistics(statistics.collected))
    assert relative_gap(again, expected) < 1e-5
    elsewhere = OwnStatistics()
    run_sliced(model, other, row, elsewhere)
    shifted = run_sliced(model, own, row, GivenStatistics(elsewhere.collected))
    assert relative_gap(shifted, expected) > 1e-4


@pytest.fixture(scope="module")
def classifier_space():
  return space_of(CLASSIFIER, levels=4)


@pytest.mark.parametrize("subnetworks", [1, 4])
def test_masked_and_sliced_give_the_same_loss_and_gradients(
  classifier_space, images, randomise, subnetworks
):
  task = Classification("demo", 8, 1, 0)
  model = randomise(super_network(classifier_space, groups=subnetworks), seed=4)
  sampler = WidthSampler(classifier_space, 16, subnetworks, seed=5)
  labels = np.random.default_rng(6).integers(0, 3, 16)
  traced = tf.function(sliced_gradients, autograph=False)
  for step in range(6):
    batch = (tf.constant(images), tf.constant(sampler.batch(step))), tf.constant(labels)
    masked = gradients(model, task, 16, *batch)
    sliced = traced(model, task, 16, subnetworks, *batch)
    assert float(sliced[0]) == pytest.approx(float(masked[0]), rel=1e-5)
    assert float(sliced[1]) == float(masked[1])
    largest = max(float(tf.reduce_max(tf.abs(value))) for value in masked[2])
    for variable, one, other in zip(model.trainable_variables, sliced[2], masked[2], strict=True):
      np.testing.assert_allclose(one, other, atol=1e-5 * largest, err_msg=variable.path)


@pytest.mark.parametrize("name", other_networks.NETWORKS)
def test_gradients_of_other_networks(name, randomise):
  """Masked and sliced: through relu6, swish, gates, pools, padding, biases and batch norms."""
  space = space_of(other_networks.NETWORKS[name], levels=4)
  task = Classification("demo", 24, 3, 0)
  model = randomise(super_network(space, groups=2), seed=4)
  images = np.random.default_rng(5).normal(size=(8, *other_networks.SHAPE)).astype(np.float32)
  widths = WidthSampler(space, 8, 2, seed=5).batch(0)
  batch = (tf.constant(images), tf.constant(widths)), tf.constant([0, 1, 2, 3, 4, 5, 6, 0])
  masked = gradients(model, task, 8, *batch)
  sliced = tf.function(sliced_gradients, autograph=False)(model, task, 8, 2, *batch)
  assert float(sliced[0]) == pytest.approx(float(masked[0]), rel=1e-5)
  largest = max(float(tf.reduce_max(tf.abs(value))) for value in masked[2])
  for variable, one, other in zip(model.trainable_variables, sliced[2], masked[2], strict=True):
    np.testing.assert_allclose(one, other, atol=1e-5 * largest, err_msg=variable.path)


def test_distillation_mixes_in_the_full_networks_outputs(classifier_space, images, randomise):
  task, share = Classification("demo", 8, 1, 0), 0.25
  model = randomise(super_network(classifier_space, groups=4), seed=4)
  widths = WidthSampler(classifier_space, 16, 4, seed=5).batch(0)
  labels = tf.constant(np.random.default_rng(6).integers(0, 3, 16))
  full = np.array(classifier_space.encode(classifier_space.largest()), np.int32)
  taught = keras.ops.softmax(run_sliced(model, images, full))
  with tf.GradientTape() as tape:
    outputs = model([images, widths], training=True)
    imitated = -tf.reduce_sum(taught * tf.nn.log_softmax(outputs), -1)
    loss = tf.reduce_mean((1 - share) * task.loss(labels, outputs) + share * imitated)
  expected = tape.gradient(loss, model.trainable_variables)
  found = tf.function(sliced_gradients, autograph=False)(
    model, task, 16, 4, (tf.constant(images), tf.constant(widths)), labels, distillation=share
  )
  assert float(found[0]) == pytest.approx(float(loss), rel=1e-5)
  largest = max(float(tf.reduce_max(tf.abs(value))) for value in expected)
  for variable, one, other in zip(model.trainable_variables, found[2], expected, strict=True):
    np.testing.assert_allclose(one, other, atol=1e-5 * largest, err_msg=variable.path)


def test_every_layer_of_a_removed_block_gets_a_gradient_of_zero(classifier_space, images):
  space, task = classifier_space, Classification("demo", 8, 1, 0)
  model = super_network(space)
  row = list(space.encode(space.largest()))
  columns = space.columns(3)
  for column in columns.values():
    row[column] = space.decisions[column].choices[0]
  widths = np.tile(np.array(row, np.int32), (16, 1))
  batch = (tf.constant(images), tf.constant(widths)), tf.constant([0] * 16)
  _, _, found = tf.function(sliced_gradients, autograph=False)(model, task, 16, 1, *batch)
  names = {f"block04_{field}" for field in ("expansion", "depthwise", "projection")}
  seen = 0
  for variable, value in zip(model.trainable_variables, found, strict=True):
    if any(name in variable.path for name in names):
      seen += 1
      assert not np.any(value), variable.path
  assert seen >= 9


@pytest.mark.parametrize(
  ("subnetworks", "execution", "message"),
  [(16, "sliced", "sliced needs fewer sub-networks"), (4, "cut", "must be one of masked, sliced")],
)
def test_what_cannot_be_executed_is_refused(classifier_space, subnetworks, execution, message):
  sampler = WidthSampler(classifier_space, 16, subnetworks)
  model = super_network(classifier_space)
  with pytest.raises(ValueError, match=message):
    TrainingLoop(model, None, Recipe(1, 16), sampler, execution=execution)


@pytest.mark.parametrize(
  ("own_kernels", "execution", "distillation", "message"),
  [
    (True, "masked", 0.0, "--own_kernels need --execution=sliced"),
    (False, "masked", 0.5, "--distillation and .* need --execution=sliced"),
    (False, "sliced", 1.5, "--distillation must be from 0 to 1, got 1.5"),
  ],
)
def test_what_only_slices_can_do_is_refused_with_masks(
  classifier_space, own_kernels, execution, distillation, message
):
  sampler = WidthSampler(classifier_space, 16, 4, own_kernels=own_kernels)
  model = super_network(classifier_space)
  with pytest.raises(ValueError, match=message):
    TrainingLoop(
      model, None, Recipe(1, 16), sampler, execution=execution, distillation=distillation
    )


def test_the_cifar_network_trains_sliced_as_it_is_measured(randomise):
  """One step of the network of the studies, at its own size: finite, and every weight moves."""
  space = backbones.search_space("mobilenet_v3_cifar")
  keras.utils.set_random_seed(7)
  model = super_network(space)
  images = np.random.default_rng(8).normal(size=(8, 32, 32, 3)).astype(np.float32)
  sampler = WidthSampler(space, 8, 4, full=1)
  task = Classification("demo", 32, 1, 0)
  batch = (tf.constant(images), tf.constant(sampler.batch(0))), tf.constant([0, 1] * 4)
  loss, _, found = tf.function(sliced_gradients, autograph=False)(model, task, 8, 4, *batch)
  assert np.isfinite(loss)
  for variable, value in zip(model.trainable_variables, found, strict=True):
    assert np.all(np.isfinite(value)) and np.any(value), variable.path


def test_a_sliced_training_ends_like_a_masked_one(classifier_space):
  """The same batches in both executions, traced once each: the same weights to rounding."""
  rng = np.random.default_rng(9)
  images, labels = rng.integers(0, 255, (64, 8, 8, 3)), rng.integers(0, 3, 64)
  examples = Examples(images.astype(np.uint8), labels.astype(np.int64))
  recipe = Recipe(3, 16, "sgd", 0.02, weight_decay=0.0, shift=0)
  weights = {}
  for execution in ("masked", "sliced"):
    keras.utils.set_random_seed(10)
    model = super_network(classifier_space, groups=4)
    sampler = WidthSampler(classifier_space, 16, 4, full=1, size_noise=0.2)
    task = Classification("demo", 8, 1, 0)
    loop = TrainingLoop(model, task, recipe, sampler, execution=execution)
    reports = loop.run(examples)
    assert loop.traces == 1 and len(reports) == 2
    weights[execution] = [variable.numpy() for variable in model.trainable_variables]
  for one, other in zip(weights["masked"], weights["sliced"], strict=True):
    np.testing.assert_allclose(one, other, atol=1e-4)  # 12 steps of rounding
