"""Weights and distribution trained in turn: the gradient, a run, and one that is killed."""

import dataclasses
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from bright_halves import bright_halves
from PIL import Image

from nadv2_tf.models import stand_alone, super_network
from nadv2_tf.resources import MacsMeter
from nadv2_tf.search import FpNas, Problem
from nadv2_tf.search.in_turn import Turns
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.records import Files
from nadv2_tf.tasks.stream import streamed
from nadv2_tf.training.checkpoints.folder import Checkpoints
from nadv2_tf.training.in_turn import InTurnLoop, halves, images_each
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.steps.distillation import Teacher
from nadv2_tf.training.steps.gradients import gradients
from nadv2_tf.training.steps.importance import log_likelihoods, weighted_gradients

TASK = Classification("demo", 8, 1, 0)
#: 20 steps of 4 for each of the halves
RECIPE = Recipe(
  5, 16, "adam", 1e-2, shift=0, mirror=False
)  # mirrored, an image is of the other class
STEPS = 20


class PowerCut(Exception):
  """Stands for a kill between two steps."""


@pytest.fixture(scope="module")
def examples():
  return bright_halves(130)


@pytest.mark.parametrize(("share", "l2"), [(0.0, 0.5), (0.25, 0.0)])
def test_the_gradient_is_the_importance_weighted_sum_of_single_networks(
  tiny_space, examples, randomise, share, l2
):
  """Each network alone, masked, gives its loss and gradient; the weights are e^-loss by NumPy."""
  model = randomise(super_network(tiny_space, groups=1), seed=4)
  teacher = Teacher(stand_alone(tiny_space.largest()), share) if share else None
  rng, column = random.Random(1), tiny_space.columns(1)["kernel"]
  rows = [tiny_space.encode(tiny_space.sample(rng)) for _ in range(5)]
  rows[1] = rows[0]  # drawn twice, it counts twice
  assert {row[column] for row in rows} == {3, 5}  # on the same images in one step
  part = examples.take(slice(6))
  images, labels = tf.constant(part.inputs()), tf.constant(part.labels)
  losses, qualities, found = [], [], []
  for row in rows:
    batch = (images, tf.constant([row] * 6)), labels
    loss, quality, slopes = gradients(model, TASK, 6, *batch, teacher=teacher)
    qualities.append(float(quality))
    found.append(slopes)
    losses.append(float(gradients(model, TASK, 6, *batch)[0]))
  likelihoods = np.exp(-6 * np.array(losses))
  shares = likelihoods / likelihoods.sum()
  assert shares.max() < 0.9 and shares.min() > 1e-4  # else one network would be tested alone
  traced = tf.function(weighted_gradients, autograph=False)
  loss, quality, sums = traced(
    model, TASK, images, labels, tf.constant(rows), teacher=teacher, l2=l2
  )
  assert float(loss) == pytest.approx(-np.log(likelihoods.mean()) / 6, rel=1e-5)
  assert float(quality) == pytest.approx(np.dot(shares, qualities), rel=1e-5)
  largest = max(float(tf.reduce_max(tf.abs(value))) for value in sums)
  for number, variable in enumerate(model.trainable_variables):
    expected = sum(m * np.asarray(one[number]) for m, one in zip(shares, found, strict=True))
    if "kernel" in variable.path:
      expected = expected + l2 * np.asarray(variable)  # once, however many networks there are
    np.testing.assert_allclose(sums[number], expected, atol=1e-5 * largest, err_msg=variable.path)
  single = tf.function(log_likelihoods, autograph=False)(
    model, TASK, images, labels, tf.constant(rows)
  )
  np.testing.assert_allclose(single, np.log(likelihoods), rtol=1e-4)


def test_the_gradient_is_the_slope_of_minus_log_the_mean_likelihood(
  tiny_space, examples, randomise
):
  """Differences of the likelihoods themselves, along the gradient, variable by variable."""
  model, rng = randomise(super_network(tiny_space, groups=1), seed=4), random.Random(1)
  rows = tf.constant([tiny_space.encode(tiny_space.sample(rng)) for _ in range(4)])
  part = examples.take(slice(6))
  batch = (tf.constant(part.inputs()), tf.constant(part.labels), rows)
  _, _, found = tf.function(weighted_gradients, autograph=False)(model, TASK, *batch)
  likelihoods = tf.function(log_likelihoods, autograph=False)
  norms = [float(tf.norm(value)) for value in found]

  def loss():
    logs = np.asarray(likelihoods(model, TASK, *batch), np.float64)
    return -np.log(np.exp(logs - logs.max()).mean()) / 6 - logs.max() / 6

  for variable, slope, norm in zip(model.trainable_variables, found, norms, strict=True):
    if norm < 0.02 * max(norms):  # float32 losses of about 1 are known to 1e-7, steps are 4e-3
      continue
    before, losses = np.asarray(variable), []
    for step in (2e-3, -2e-3):
      variable.assign(before + step * np.asarray(slope) / norm)
      losses.append(loss())
    variable.assign(before)
    # ReLUs have kinks, and the third derivative counts: a percent or two.
    assert (losses[0] - losses[1]) / 4e-3 == pytest.approx(norm, rel=0.03), variable.path
  assert sum(norm >= 0.02 * max(norms) for norm in norms) > len(norms) / 2


@pytest.mark.parametrize(
  ("networks", "images"), [(30, 8), (9, 8), (8, 8), (5, 12), (3, 21), (2, 32)]
)
def test_a_batch_is_shared_among_the_networks(networks, images):
  assert images_each(64, 8, networks) == images


def test_the_halves_are_two(examples):
  one, other = halves(examples, 3)
  assert (len(one), len(other)) == (65, 65)
  pixels = {image.tobytes() for image in (*one.images, *other.images)}
  assert pixels == {image.tobytes() for image in examples.images}
  assert not np.array_equal(halves(examples, 4)[0].images, one.images)


@pytest.fixture(scope="module")
def train(tiny_space, examples):
  """Function (folder, lives, ...) -> weights, `TrainedInTurn`, reports, traces of the loop."""

  def run(folder, lives=10**9, parts=None, recipe=RECIPE):
    keras.utils.set_random_seed(5)
    model = super_network(tiny_space, groups=4)
    largest = MacsMeter().measure(tiny_space.largest())
    problem = Problem(tiny_space, tiny_space.largest(), MacsMeter(), 0.5 * largest)
    settings = FpNas(samples_per_nat=1.5, step_size=1.5, shared_weights="in_turn")
    one, other = parts or halves(examples, 3)
    turns = Turns(problem, settings, recipe.steps(len(one)), 3)
    loop = InTurnLoop(model, TASK, recipe, turns, other, 4, 3)

    def count(report):
      nonlocal lives
      lives -= 1
      if lives < 0:
        raise PowerCut

    keeper = Checkpoints(folder, {}, every=0)
    reports = loop.run(one, count, report_every=1, checkpoints=keeper)
    return model.get_weights(), turns.record(), reports, loop.traces

  return run


@pytest.fixture(scope="module")
def undisturbed(train, tmp_path_factory):
  return train(tmp_path_factory.mktemp("alone"))


def test_entropy_and_the_number_of_networks_fall_in_two_traces(undisturbed):
  _, record, reports, traces = undisturbed
  assert len(reports) == STEPS
  entropies = [note.entropy_nats for note in record.notes]
  drawn = [note.networks_drawn for note in record.notes]
  assert len(drawn) == STEPS and entropies[-1] < 0.7 * entropies[0]
  assert drawn == [max(round(1.5 * entropy), 2) for entropy in entropies]
  assert drawn[-1] < drawn[0] and len(set(drawn)) > 2
  assert traces == 2  # of the weights' step and of the distribution's, whatever K is
  first, last = (np.mean([one.loss for one in part]) for part in (reports[:5], reports[-5:]))
  assert last < 0.8 * first


def test_a_training_that_is_cut_off_ends_with_the_same_bits(train, undisturbed, tmp_path):
  with pytest.raises(PowerCut):
    train(tmp_path, 13)  # after decisions were joined
  weights, record, reports, _ = train(tmp_path)
  assert record == undisturbed[1] and reports == undisturbed[2]
  for resumed, alone in zip(weights, undisturbed[0], strict=True):
    np.testing.assert_array_equal(resumed, alone)


def test_streamed_images_give_what_images_in_memory_do(train, tmp_path):
  rng = np.random.default_rng(0)
  paths = [str(tmp_path / f"{number}.png") for number in range(32)]
  for path in paths:
    Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(path)
  pictures = streamed(Files("folder:x", paths, np.arange(32) % 2), 8, 1)
  recipe = dataclasses.replace(RECIPE, epochs=2)
  parts = halves(pictures, 3)
  ways = [parts, [part.decoded() for part in parts]]
  found = [
    train(tmp_path / f"way_{number}", parts=way, recipe=recipe) for number, way in enumerate(ways)
  ]
  assert found[0][1].notes == found[1][1].notes and len(found[0][2]) == 2
  for one, other in zip(found[0][0], found[1][0], strict=True):
    np.testing.assert_array_equal(one, other)
