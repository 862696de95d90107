"""Seconds of a training step: super-network against the same largest network in plain Keras.

  python -m nadv2_tf.benchmarks.studies.training_step --batch_size=64

Both are built, traced and stepped in one process, in turns; the ratio of the medians is what
counts. Ordered dropout, channel bypass and superkernels are all on.
"""

import statistics
import time

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags
from nadv2_tf.benchmarks.devices.host import processor_name

from nadv2_tf import backbones
from nadv2_tf.models import stand_alone, super_network
from nadv2_tf.training.widths import WidthSampler

BACKBONE = flags.DEFINE_string("backbone", "mobilenet_v3_demo", "Initial network.")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images per step.")
STEPS = flags.DEFINE_integer("steps", 30, "Timed steps of each.")
REPEATS = flags.DEFINE_integer("repeats", 3, "Rounds of --steps; each gives a ratio.")


def make_step(model):
  """A traced training step of `model`, and how often it has been traced."""
  loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
  optimizer = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
  optimizer.build(model.trainable_variables)
  traces = []

  def step(inputs, labels):
    traces.append(1)
    with tf.GradientTape() as tape:
      loss = loss_of(labels, model(inputs, training=True))
    variables = model.trainable_variables
    optimizer.apply(tape.gradient(loss, variables), variables)
    return loss

  return tf.function(step, autograph=False), traces


def main(_):
  batch = BATCH_SIZE.value
  space = backbones.search_space(BACKBONE.value)
  rng = np.random.default_rng(0)
  images = tf.constant(rng.normal(size=(batch, *space.largest().input_shape)), tf.float32)
  labels = tf.constant(rng.integers(0, 10, batch))
  modes = {"paper's form, G = batch": (batch, 1), "G = 8, own statistics": (8, 8)}
  steps = {"plain largest network": (*make_step(stand_alone(space.largest())), None)}
  for title, (subnetworks, groups) in modes.items():
    sampler = WidthSampler(space, batch, subnetworks)
    steps[title] = (*make_step(super_network(space, groups=groups)), sampler)

  def inputs(sampler, index):
    return images if sampler is None else [images, tf.constant(sampler.batch(index))]

  for step, _, sampler in steps.values():
    step(inputs(sampler, 0), labels)
  medians = {title: [] for title in steps}
  for repeat in range(REPEATS.value):
    times = {title: [] for title in steps}
    for index in range(STEPS.value):
      for title, (step, _, sampler) in steps.items():
        arguments = inputs(sampler, 1 + repeat * STEPS.value + index)
        start = time.perf_counter()
        float(step(arguments, labels))
        times[title].append(time.perf_counter() - start)
    for title, seconds in times.items():
      medians[title].append(statistics.median(seconds))
  print(f"{BACKBONE.value}, batch {batch}, {processor_name()}, TensorFlow {tf.__version__}")
  plain = medians["plain largest network"]
  for title, (_, traces, _) in steps.items():
    ratios = [one / other for one, other in zip(medians[title], plain, strict=True)]
    print(
      f"{title:28s} {1e3 * statistics.median(medians[title]):7.1f} ms  ratio "
      f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})  "
      f"{len(traces)} trace(s) for {1 + REPEATS.value * STEPS.value} batches"
    )


if __name__ == "__main__":
  app.run(main)
