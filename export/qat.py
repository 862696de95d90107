"""Quantization-aware training: the network learns to give its own float outputs in int8."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
import tf_keras

from nadv2_tf.export import ranges
from nadv2_tf.export.quantizers import (
  largest_weight,
  make_room_for_bias,
  output_range,
  set_output_range,
  tfmot_keras,
)
from nadv2_tf.export.twin import twin
from nadv2_tf.tasks.augmentation import Augmentation

if TYPE_CHECKING:
  from collections.abc import Callable

  import keras

  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.types import Tensor


@dataclasses.dataclass(frozen=True)
class QatOptions:
  """How the training goes.

  Attributes:
    epochs: passes over the training images.
    batch_size: images per step.
    learning_rate: largest one, of Adam; cosine down to 0.
    seed: of shuffling and augmentation.
    shift: augmentation moves images by up to this many pixels.
    mirror: whether it mirrors half of them.
  """

  epochs: float = 2.0
  batch_size: int = 64
  learning_rate: float = 1e-4
  seed: int = 0
  shift: int = 1
  mirror: bool = True

  def steps(self, examples: int) -> int:
    return max(round(self.epochs * max(examples // self.batch_size, 1)), 1)


def train(
  network: keras.Model,
  spec: NetworkSpec,
  examples: Examples | StreamedExamples,
  calibration: np.ndarray,
  options: QatOptions,
  report: Callable[[int, int, float], None] | None = None,
) -> tf_keras.Model:
  """Trains a twin of a network under fake int8 quantization.

  The loss is the mean square difference to the float network's outputs, over their variance: no
  labels are needed, so it serves every task, and what is learnt is to be the same network, which
  the gate checks.

  Args:
    network: a stand-alone Keras 3 network.
    spec: its `NetworkSpec`.
    examples: training `Examples`; labels are not used.
    calibration: float32 [images, ...], training images that the first ranges come from.
    options: `QatOptions`.
    report: called with (step, steps, loss).

  Returns:
    The trained tf_keras model, whose fake quantization `quantization.convert` turns into int8.

  Raises:
    RuntimeError: if the loss is not finite.
  """
  model = twin(network, spec, quantized=True)
  calibrate(model, twin(network, spec), calibration)
  steps = options.steps(len(examples))
  rate = tf_keras.optimizers.schedules.CosineDecay(options.learning_rate, steps)
  step_function = _step(network, model, tf_keras.optimizers.Adam(rate))
  batch_size = min(options.batch_size, len(examples))
  batches = examples.training_batches(
    batch_size, Augmentation("shift", options.shift, options.mirror), options.seed
  )
  for step, (images, _) in zip(range(steps), batches, strict=False):
    loss = float(step_function(tf.constant(images)))
    if not math.isfinite(loss):
      raise RuntimeError(
        f"The loss became {loss} at step {step + 1} of quantization-aware training; try a lower "
        f"--qat_learning_rate than {options.learning_rate:g}."
      )
    if report:
      report(step + 1, steps, loss)
  model(calibration[: options.batch_size], training=True)  # the ranges of the final weights
  widen(model)
  return model


def calibrate(
  quantized: tf_keras.Model, plain: tf_keras.Model, images: np.ndarray, batch_size: int = 64
) -> None:
  """Sets the output ranges of a quantized twin to what the plain one gives on `images`."""
  wrappers = {
    layer.layer.name: layer
    for layer in quantized.layers
    if isinstance(layer, tfmot_keras.QuantizeWrapperV2)
  }
  probe = tf_keras.Model(plain.input, {name: plain.get_layer(name).output for name in wrappers})
  lows = dict.fromkeys(wrappers, np.inf)
  highs = dict.fromkeys(wrappers, -np.inf)
  run = tf.function(lambda batch: probe(batch, training=False), autograph=False)
  for start in range(0, len(images), batch_size):
    for name, values in run(images[start : start + batch_size]).items():
      lows[name] = min(lows[name], float(tf.reduce_min(values)))
      highs[name] = max(highs[name], float(tf.reduce_max(values)))
  for name, wrapper in wrappers.items():
    set_output_range(wrapper, lows[name], highs[name])


def widen(model: tf_keras.Model) -> None:
  """Widens the ranges of a quantized twin where int8 could not work with them.

  From the images on: a range that was widened counts for the layers after it.
  """
  for wrapper in model.layers:
    if isinstance(wrapper, tfmot_keras.QuantizeWrapperV2):
      given = wrapper.input if isinstance(wrapper.input, list) else [wrapper.input]
      inputs = [ranges.step(*found) for found in map(_range_of, given) if found]
      weight = largest_weight(wrapper)
      if weight is not None:
        make_room_for_bias(wrapper, *inputs)
        made_in = inputs[0] * weight / ranges.KERNEL_STEPS
      elif isinstance(wrapper.layer, tf_keras.layers.Multiply):
        made_in = math.prod(inputs)
      else:
        made_in = max(inputs, default=0.0)
      found = output_range(wrapper)
      wanted = ranges.widened(*found, made_in, inputs)
      if wanted != found:
        set_output_range(wrapper, *wanted)


def _range_of(tensor: Tensor) -> tuple[float, float] | None:
  """The range that a tensor of a quantized twin has in int8; None of the images."""
  layer = tensor._keras_history.layer
  if isinstance(layer, tfmot_keras.QuantizeWrapperV2):
    return output_range(layer)
  if isinstance(layer, tf_keras.layers.Activation):
    return 0.0, 1.0  # of a sigmoid, the one that is not wrapped
  # What is padded, pooled or sliced has the range that it had.
  return None if isinstance(layer, tf_keras.layers.InputLayer) else _range_of(layer.input)


def _step(
  network: keras.Model, model: tf_keras.Model, optimizer: tf_keras.optimizers.Optimizer
) -> Callable[[Tensor], Tensor]:
  variables = model.trainable_variables

  def step(images):
    expected = network(images, training=False)
    with tf.GradientTape() as tape:
      outputs = model(images, training=True)
      loss = tf.reduce_mean(tf.square(outputs - expected)) / tf.math.reduce_variance(expected)
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
    return loss

  return tf.function(step, autograph=False)
