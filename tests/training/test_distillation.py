"""Networks that learn a teacher's outputs beside the labels."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from nadv2_tf.models import stand_alone, super_network
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.steps.distillation import Teacher
from nadv2_tf.training.steps.gradients import gradients, sliced_gradients
from nadv2_tf.training.widths import WidthSampler

TASK = Classification("demo", 8, 1, 0)
RECIPE = Recipe(80, 16, "adam", 1e-2, weight_decay=0.0, shift=0)


@pytest.fixture
def networks(tiny_space, randomise):
  """(teacher, pupil)."""
  spec = tiny_space.largest()
  return randomise(stand_alone(spec), seed=1), randomise(stand_alone(spec), seed=2)


@pytest.fixture
def examples():
  rng = np.random.default_rng(0)
  return Examples(rng.integers(0, 256, (32, 8, 8, 1)).astype(np.uint8), rng.integers(0, 2, 32))


def test_the_loss_is_a_mixture_of_labels_and_teacher(networks, examples):
  teacher, pupil = networks
  images, labels = tf.constant(examples.inputs()), tf.constant(examples.labels)
  taught = tf.nn.softmax(teacher(images, training=False))
  with tf.GradientTape() as tape:
    outputs = pupil(images, training=True)
    imitated = -tf.reduce_sum(taught * tf.nn.log_softmax(outputs), -1)
    loss = tf.reduce_mean(0.75 * TASK.loss(labels, outputs) + 0.25 * imitated)
  expected = tape.gradient(loss, pupil.trainable_variables)
  value, _, found = gradients(pupil, TASK, 32, (images,), labels, teacher=Teacher(teacher, 0.25))
  assert float(value) == pytest.approx(float(loss), rel=1e-5)
  for one, other in zip(found, expected, strict=True):
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_pupil_of_the_teacher_alone_learns_its_answers(networks, examples, monkeypatch):
  """Labels that say the contrary do not count with a share of 1, and the teacher stays."""
  monkeypatch.setattr(
    "nadv2_tf.tasks.augmentation.flip_and_shift", lambda images, rng, shift, mirror: images
  )
  teacher, pupil = networks
  first, second = np.transpose(teacher(examples.inputs(), training=False))
  *others, bias = teacher.get_weights()
  teacher.set_weights([*others, bias + [np.median(second - first), 0]])  # as often one as the other
  answers = np.argmax(teacher(examples.inputs(), training=False), -1)
  contrary = dataclasses.replace(examples, labels=1 - answers)
  before = teacher.get_weights()
  keras.utils.set_random_seed(3)
  TrainingLoop(pupil, TASK, RECIPE, teacher=Teacher(teacher, 1.0)).run(contrary)
  learned = np.argmax(pupil(examples.inputs(), training=True), -1)
  assert 0.3 < answers.mean() < 0.7 and (learned == answers).mean() > 0.9
  assert all(map(np.array_equal, before, teacher.get_weights()))


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_outside_0_to_1_is_refused(share):
  with pytest.raises(ValueError, match=f"--finetune_distillation must be from 0 to 1, got {share}"):
    Teacher(None, share)


@pytest.mark.parametrize("execution", ["masked", "sliced"])
def test_every_sub_network_imitates_the_teacher(
  networks, examples, tiny_space, randomise, execution
):
  teacher, _ = networks
  model = randomise(super_network(tiny_space, groups=4), seed=4)
  widths = WidthSampler(tiny_space, 32, 4, full=1, seed=5).batch(0)
  inputs, labels = (
    (tf.constant(examples.inputs()), tf.constant(widths)),
    tf.constant(examples.labels),
  )
  taught = tf.nn.softmax(teacher(inputs[0], training=False))
  outputs = model(list(inputs), training=True)
  imitated = -tf.reduce_sum(taught * tf.nn.log_softmax(outputs), -1)
  expected = tf.reduce_mean(0.25 * TASK.loss(labels, outputs) + 0.75 * imitated)
  imitation = Teacher(teacher, 0.75)
  if execution == "masked":
    loss, _, _ = gradients(model, TASK, 32, inputs, labels, teacher=imitation)
  else:
    find = tf.function(sliced_gradients, autograph=False)
    loss, _, _ = find(model, TASK, 32, 4, inputs, labels, teacher=imitation)
  assert float(loss) == pytest.approx(float(expected), rel=1e-4)
