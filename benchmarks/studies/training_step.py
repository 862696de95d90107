"""Seconds of a training step: super-network against the same largest network in plain Keras.

  python -m nadv2_tf.benchmarks.studies.training_step --backbone=mobilenet_v3_cifar --batch_size=256

All are built, traced and stepped in one process, in turns; the ratio of the medians is what counts.
Ordered dropout, channel bypass and superkernels are all on. Beside it stands what training without
ordered dropout costs: N passes over the same images, one sub-network each.
"""

from __future__ import annotations

import datetime
import functools
import statistics
import sys
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

from nadv2_tf import backbones
from nadv2_tf.benchmarks.studies.in_turns import ratio_text, round_medians
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.models import stand_alone, super_network
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.training.fused_norms import with_fused_norms
from nadv2_tf.training.steps.gradients import gradients, sliced_gradients
from nadv2_tf.training.widths import WidthSampler

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence

  from nadv2_tf.spec import SearchSpace
  from nadv2_tf.types import Tensor

BACKBONE = flags.DEFINE_string("backbone", "mobilenet_v3_cifar", "Initial network.")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Images per step.")
STEPS = flags.DEFINE_integer("steps", 10, "Timed steps of each in a round.")
REPEATS = flags.DEFINE_integer("repeats", 3, "Rounds; each gives a ratio.")
WARMUP = flags.DEFINE_integer(
  "warmup", 60, "Steps before; in the first ones oneDNN compiles sliced shapes it has not met."
)
PASSES = (4, 32)
PLAIN = "plain largest network"
#: the same as runs train it (training/fused_norms.py)
FUSED = "the same, its batch norms fused"


class Step:
  """A traced training step.

  Attributes:
    subnetworks: different sub-networks in one step.
    traces: how often it was traced.
  """

  def __init__(
    self,
    model: keras.Model,
    find: Callable[[tuple[Tensor, ...], Tensor], tuple[Tensor, Tensor, Sequence[Tensor]]],
    sampler: WidthSampler | None,
    passes: int = 1,
  ) -> None:
    """`find` is gradients(inputs, targets); `passes` that many of them make one step."""
    self.subnetworks = passes if passes > 1 else sampler.subnetworks if sampler else 1
    self._sampler, self._passes = sampler, passes
    self.traces = 0
    variables = model.trainable_variables
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
    optimizer.build(variables)

    def step(images, labels, widths):
      self.traces += 1
      inputs = (images,) if widths is None else (images, widths)
      loss, _, found = find(inputs, labels)
      optimizer.apply(found, variables)
      return loss

    self._step = tf.function(step, autograph=False)

  def __call__(self, index: int, images: Tensor, labels: Tensor) -> float:
    for number in range(self._passes):
      widths = None
      if self._sampler:
        widths = tf.constant(self._sampler.batch(index * self._passes + number))
      loss = self._step(images, labels, widths)
    return float(loss)


def make_steps(space: SearchSpace, batch: int) -> dict[str, Step]:
  """{title: `Step`}."""
  task = Classification("demo", 32, 1, 0)
  plain = stand_alone(space.largest())
  steps = {PLAIN: Step(plain, functools.partial(gradients, plain, task, batch), None)}
  fused = with_fused_norms(plain)
  steps[FUSED] = Step(plain, functools.partial(gradients, fused, task, batch), None)
  forms = {
    "paper's form, G = batch, masked": (batch, False),
    "G = 8, masked": (8, False),
    "G = 8, sliced": (8, True),
    "G = 4, sliced": (4, True),
  }
  for title, (subnetworks, is_sliced) in forms.items():
    sampler = WidthSampler(space, batch, subnetworks, size_noise=0.2)
    model = super_network(space, groups=1 if subnetworks == batch else subnetworks)
    find = functools.partial(gradients, model, task, batch)
    if is_sliced:
      find = functools.partial(sliced_gradients, model, task, batch, subnetworks)
    steps[title] = Step(model, find, sampler)
  for passes in PASSES:
    model = super_network(space)
    find = functools.partial(sliced_gradients, model, task, batch, 1)
    sampler = WidthSampler(space, batch, 1)
    steps[f"{passes} passes, one sub-network each"] = Step(model, find, sampler, passes)
  return steps


def main(_: list[str]) -> None:
  batch = BATCH_SIZE.value
  space = backbones.search_space(BACKBONE.value)
  rng = np.random.default_rng(0)
  images = tf.constant(rng.normal(size=(batch, *space.largest().input_shape)), tf.float32)
  labels = tf.constant(rng.integers(0, space.largest().blocks[-1].classes, batch))
  steps = make_steps(space, batch)
  for title, step in steps.items():
    for index in range(WARMUP.value if "sliced" in title else 1):
      step(100_000 + index, images, labels)
  calls = {
    title: lambda index, step=step: step(index, images, labels) for title, step in steps.items()
  }
  slow = [title for title in steps if "passes" in title]
  medians = round_medians(calls, REPEATS.value, STEPS.value, once=slow)
  print("$ python -m nadv2_tf.benchmarks.studies.training_step", *sys.argv[1:])
  print(
    f"{datetime.date.today()}, {BACKBONE.value}, batch {batch}, {processor_name()}, TensorFlow "
    f"{tf.__version__}"
  )
  print(f"{'':34s}   step (ms)  ratio to plain        sub-networks/s  images x sub-networks/s")
  for title, step in steps.items():
    seconds = statistics.median(medians[title])
    pairs = batch * (step.subnetworks if "passes" in title else 1)
    print(
      f"{title:34s} {1e3 * seconds:9.1f}    {ratio_text(medians[title], medians[PLAIN])} "
      f"{step.subnetworks / seconds:14.1f} {pairs / seconds:18.0f}   "
      f"{step.traces} trace(s)"
    )


if __name__ == "__main__":
  app.run(main)
