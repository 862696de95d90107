"""Quality of a network on examples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras
import numpy as np

from nadv2_tf.tasks.chance import chance_of
from nadv2_tf.tasks.classification_measures import Evaluation, evaluate_logits
from nadv2_tf.training.image_network import as_input

if TYPE_CHECKING:
  from collections.abc import Callable, Iterator, Sequence
  from typing import Any

  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.tasks.task import Task
  from nadv2_tf.types import Tensor

__all__ = [
  "Evaluation",
  "batches_of",
  "evaluate",
  "evaluate_logits",
  "keras_predictor",
  "measure",
  "measure_beside_chance",
]

#: pixels of one call: as many images of 64x64 as a call takes at most
PIXELS = 500 * 64 * 64


def batches_of(examples: Examples | StreamedExamples, most: int = 500) -> tuple[int, int]:
  """(number of batches, images in each) for equal batches that fit into memory.

  Images that fill no batch are fewer than there are batches.
  """
  height, width, _ = examples.image_shape
  most = max(min(most, PIXELS // (height * width)), 1)
  count = -(-len(examples) // most)
  return count, len(examples) // count


def parts_of(
  examples: Examples | StreamedExamples, most: int, shares: Sequence[float]
) -> tuple[int, int, tuple[tuple[int, int], ...]]:
  """(number of batches, images in each, the batches [first, end) of each part).

  The parts are as near to `shares` of the images as whole batches allow.

  Raises:
    ValueError: if there are fewer images than parts.
  """
  if len(examples) < len(shares):
    raise ValueError(f"{len(examples)} images cannot be in {len(shares)} parts.")
  smallest = max(int(min(shares) * len(examples)), 1)
  least, _ = batches_of(examples, min(most, smallest) if len(shares) > 1 else most)
  # A few more batches may fit the shares better: three do not, four do.
  counts = range(least, min(least + len(shares) + 1, len(examples) + 1))
  count = min(counts, key=lambda count: _distance(count, shares))
  ends = _ends(count, shares)
  bounds = tuple(zip([0, *ends[:-1]], ends, strict=True))
  if any(start == end for start, end in bounds):
    raise ValueError(f"{len(examples)} images are too few for parts of {tuple(shares)}.")
  return count, len(examples) // count, bounds


def _ends(count: int, shares: Sequence[float]) -> list[int]:
  # Halves up: round() sends 1.5 and 2.5 to 2, and a part would have no batch.
  return [math.floor(sum(shares[: part + 1]) * count + 0.5) for part in range(len(shares))]


def _distance(count: int, shares: Sequence[float]) -> float:
  """How far the parts of `count` batches are from their shares, at most; equal ones are equal."""
  ends = _ends(count, shares)
  parts = zip([0, *ends[:-1]], ends, shares, strict=True)
  return round(max(abs((end - start) / count - share) for start, end, share in parts), 9)


def batch_of(examples: Examples, batch: int, images: int) -> Examples:
  """`images` of them, decoded, one batch after the other; behind the last come the first again."""
  count = min(images, len(examples))
  places = (batch * count + np.arange(count)) % len(examples)
  return examples.take(places).decoded()


def measure(
  task: Task, predict: Callable[[np.ndarray], Tensor], examples: Examples | StreamedExamples
) -> Any:
  """The task's evaluation of a network.

  Args:
    task: the `Task`.
    predict: function from images, float32 [batch, height, width, channels], to outputs.
    examples: `Examples` or `StreamedExamples`, at least one; decoded batch by batch.
  """
  return task.evaluate(_answers(predict, examples))


def measure_beside_chance(
  task: Task, predict: Callable[[np.ndarray], Tensor], examples: Examples | StreamedExamples
) -> tuple[Any, float]:
  """(what `measure` gives, the quality of the same outputs for every image); reads images once."""
  targets: list[np.ndarray] = []

  def kept() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for outputs, labels in _answers(predict, examples):
      targets.append(labels)
      yield outputs, labels

  found = task.evaluate(kept())
  return found, chance_of(task, np.concatenate(targets))


def _answers(
  predict: Callable[[np.ndarray], Tensor], examples: Examples | StreamedExamples
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """(outputs, targets) of all examples, batch by batch."""
  _, size = batches_of(examples)
  for start in range(0, len(examples), size):
    part = examples.take(slice(start, start + size)).decoded()
    yield np.asarray(predict(part.inputs())), part.labels


def evaluate(
  predict: Callable[[np.ndarray], Tensor],
  examples: Examples | StreamedExamples,
  classes: int,
  batch_size: int = 500,
) -> Evaluation:
  """Evaluates a classifier.

  Args:
    predict: function from images, float32 [batch, height, width, channels], to logits.
    examples: `Examples` or `StreamedExamples`, at least one; decoded batch by batch.
    classes: number of classes.
    batch_size: images per call.
  """
  logits, labels = [], []
  for start in range(0, len(examples), batch_size):
    part = examples.take(slice(start, start + batch_size)).decoded()
    logits.append(np.asarray(predict(part.inputs())))
    labels.append(part.labels)
  return evaluate_logits(np.concatenate(logits), np.concatenate(labels), classes)


def keras_predictor(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
  """`predict` of a Keras model, traced once, whatever the number of images.

  Images are float32, of the range that the model takes; one of integers is fed integers.
  """
  dtype = model.inputs[0].dtype
  if keras.config.backend() == "jax":
    from nadv2_tf.training.jax_models import compiled

    run = compiled(model, training=False)
    return lambda images: np.asarray(run(as_input(images, dtype))[0])
  import tensorflow as tf

  from nadv2_tf.training.steps.tracing import traced

  signature = [tf.TensorSpec(model.inputs[0].shape, tf.float32)]
  forward = traced(lambda images: model(as_input(images, dtype), training=False), signature)
  return lambda images: forward(images).numpy()
