"""The training loop: one trace, learning, replicas, divergence."""

import dataclasses
import gc
import random
import threading

import keras
import numpy as np
import pytest
from bright_halves import bright_halves

from nadv2_tf.models import slice_network, stand_alone, super_network
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recalibration import recalibrate
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator
from nadv2_tf.training.widths import WidthSampler


@pytest.fixture(scope="module")
def space():
  """A tiny space with every kind of decision: 7 widths, 1 kernel size."""
  network = NetworkSpec(
    "tiny",
    (8, 8, 1),
    (
      Conv(8, 3, 2, "hard_swish", bypass_cap=4),
      InvertedResidual(16, 16, 8, 5, 1, 4, "relu", bypass_cap=4),
      InvertedResidual(16, 16, 16, 3, 2, None, "hard_swish", bypass_cap=8, residual=False),
      Head(2, None),
    ),
  )
  return space_of(network, levels=4)


@pytest.fixture(scope="module")
def examples():
  return bright_halves(256)


@pytest.fixture(scope="module")
def task():
  return Classification("demo", 8, 1, 0)


def recipe(**changes):
  return dataclasses.replace(Recipe(4, 32, "adam", 1e-2, weight_decay=0.0, shift=0), **changes)


@pytest.fixture(autouse=True)
def no_flips(monkeypatch):
  """Mirroring swaps the two classes of these images."""
  monkeypatch.setattr(
    "nadv2_tf.tasks.augmentation.flip_and_shift", lambda images, rng, shift, mirror: images
  )


def test_super_network_learns_and_is_traced_once(space, examples, task):
  keras.utils.set_random_seed(1)
  model = super_network(space, groups=4)
  sampler = WidthSampler(space, 32, 4, full=1, size_noise=0.3)
  loop = TrainingLoop(model, task, recipe(epochs=25), sampler)
  reports = loop.run(examples, report_every=1)
  assert len(reports) == 25 * (256 // 32) == 200
  assert len({tuple(map(tuple, sampler.batch(step))) for step in range(200)}) == 200
  assert loop.traces == 1  # identity 9, for 200 different batches of sub-networks
  first = np.mean([report.loss for report in reports[:8]])
  last = np.mean([report.loss for report in reports[-8:]])
  assert last < 0.7 * first


def test_scoring_200_sub_networks_is_one_trace(space, examples, task):
  model = super_network(space)
  evaluator = SharedWeightsEvaluator(model, task, examples, batch_size=64)
  rng = random.Random(2)
  specs = list({space.sample(rng) for _ in range(400)})[:200]
  assert len(specs) == 200
  before = model.get_weights()
  accuracies = evaluator.accuracy(specs)
  assert evaluator.traces == 1
  assert all(0 <= accuracy <= 1 for accuracy in accuracies)
  assert all(map(np.array_equal, before, model.get_weights()))  # scoring changes nothing


def test_a_scoring_prepared_beside_a_training_scores_with_the_weights_of_its_end(
  space, examples, task
):
  model = super_network(space, groups=4)
  evaluator = SharedWeightsEvaluator(model, task, examples, examples.take(slice(64)), 64)
  thread = threading.Thread(target=evaluator.prepare)
  thread.start()
  sampler = WidthSampler(space, 16, 4, 1)
  TrainingLoop(model, task, Recipe(0.5, 16, "adam", 1e-2), sampler).run(examples)
  thread.join()
  assert evaluator.traces == 1
  specs = [space.largest(), space.sample(random.Random(0))]
  fresh = SharedWeightsEvaluator(model, task, examples, examples.take(slice(64)), 64)
  assert evaluator.accuracy(specs) == fresh.accuracy(specs)
  assert evaluator.traces == 1  # the number of batches is a value, not a part of the graph


def test_scores_on_parts_make_up_the_score_on_all(space, examples, task):
  model = super_network(space)
  shares = {"batch_size": 500, "shares": (0.25, 0.5, 0.25)}
  evaluator = SharedWeightsEvaluator(model, task, examples, examples.take(slice(64)), **shares)
  assert evaluator.part_sizes == (64, 128, 64)
  specs = [space.largest(), space.sample(random.Random(0))]
  parts = [evaluator.accuracy(specs, part) for part in range(3)]
  assert evaluator.accuracy(specs) == pytest.approx(
    [(first + 2 * second + third) / 4 for first, second, third in zip(*parts, strict=True)]
  )
  # Part by part it is what an evaluator gives that has no other images.
  for part, images in enumerate([slice(0, 64), slice(64, 192), slice(192, 256)]):
    alone = SharedWeightsEvaluator(
      model, task, examples.take(images), examples.take(slice(64)), batch_size=64
    )
    assert alone.accuracy(specs) == pytest.approx(parts[part])
  assert evaluator.traces == 1
  with pytest.raises(ValueError, match="2 images cannot be in 3 parts"):
    SharedWeightsEvaluator(model, task, examples.take(slice(2)), **shares)


def test_score_is_that_of_the_sliced_network_in_batch_statistics(space, examples, task, randomise):
  model = randomise(super_network(space), seed=3)
  evaluator = SharedWeightsEvaluator(model, task, examples, batch_size=128)
  spec = space.sample(random.Random(4))
  (score,) = evaluator.accuracy([spec])
  alone = slice_network(model, spec)
  right = 0
  for start in (0, 128):
    part = examples.take(slice(start, start + 128))
    logits = np.asarray(alone(part.inputs(), training=True))
    right += np.sum(np.argmax(logits, axis=-1) == part.labels)
  # One image of 256 may fall the other way by rounding.
  assert abs(score - right / 256) <= 1 / 256


def test_paper_form_every_image_another_sub_network(space, examples, task):
  """G = batch size: one mixture of statistics; the loop runs and the loss falls."""
  keras.utils.set_random_seed(5)
  model = super_network(space, groups=1)
  sampler = WidthSampler(space, 32, 32)
  reports = TrainingLoop(model, task, recipe(epochs=12), sampler).run(examples, report_every=8)
  assert reports[-1].loss < reports[0].loss


def test_same_seed_same_weights(space, examples, task):
  weights = []
  for _ in range(2):
    keras.utils.set_random_seed(7)
    model = stand_alone(space.largest())
    TrainingLoop(model, task, recipe(epochs=1), seed=8).run(examples)
    weights.append(model.get_weights())
  for one, two in zip(*weights, strict=True):
    np.testing.assert_allclose(one, two, atol=1e-5)  # threads may sum in another order


def test_recalibration_gives_the_statistics_of_the_images(space, examples, randomise):
  model = randomise(stand_alone(space.largest()), seed=9)
  momenta = [layer.momentum for layer in norms(model)]
  recalibrate(model, examples, batch_size=64)
  first = norms(model)[0]
  features = model.get_layer("block01_filters")(examples.inputs())
  # The mean over four equal batches of their means is the mean over all images.
  np.testing.assert_allclose(
    first.moving_mean, np.mean(features, axis=(0, 1, 2)), rtol=1e-4, atol=1e-4
  )
  assert [layer.momentum for layer in norms(model)] == momenta


def norms(model):
  return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


def test_recipe_refuses_what_cannot_train():
  with pytest.raises(ValueError, match="--batch_size=32 is more than the 8"):
    recipe().steps(8)
  with pytest.raises(ValueError, match="--optimizer must be one of sgd, rmsprop, adam"):
    recipe(optimizer="lion")
  with pytest.raises(ValueError, match="--learning_rate"):
    recipe(learning_rate=0.0)
  with pytest.raises(ValueError, match="--ema must be at least 0 and below 1, got 1"):
    recipe(ema=1)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_training_ends_with_the_moving_average_of_the_weights(examples, task, optimizer):
  network = NetworkSpec("tiny", (8, 8, 1), (Conv(4, 3, 2, "relu"), Head(2, None)))
  last = {}
  for steps in range(4):
    for ema in (0.0, 0.75):
      keras.utils.set_random_seed(3)
      model = stand_alone(network)
      settings = recipe(epochs=steps / 8, optimizer=optimizer, schedule="exponential", ema=ema)
      TrainingLoop(model, task, settings).run(examples)
      last[ema, steps] = [np.array(value) for value in model.trainable_variables]
  # The first step's weights start the average.
  average = last[0.0, 1]
  for steps in (2, 3):
    average = [0.75 * old + 0.25 * new for old, new in zip(average, last[0.0, steps], strict=True)]
    for found, expected in zip(last[0.75, steps], average, strict=True):
      np.testing.assert_allclose(found, expected, atol=1e-5)
  plain = zip(average, last[0.0, 3], strict=True)
  assert any(np.abs(one - other).max() > 1e-4 for one, other in plain)


def test_a_training_leaves_no_graph_behind(space, examples, task):
  def graphs():
    gc.collect()
    return sum(type(one).__name__ == "FuncGraph" for one in gc.get_objects())

  before = graphs()
  for _ in range(2):
    TrainingLoop(stand_alone(space.largest()), task, recipe(epochs=0.25)).run(examples)
  assert graphs() <= before
