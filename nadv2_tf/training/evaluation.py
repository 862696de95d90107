"""Accuracy of a network on labelled images: top-1, top-5, per class."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """Shares of right answers in [0, 1]; `per_class` by class index, None without examples.

  `top_5` is None for fewer than six classes, where it would say nothing.
  """

  examples: int
  accuracy: float
  top_5: float | None
  per_class: tuple[float | None, ...]


def evaluate(predict, examples, classes, batch_size=500):
  """Evaluates a network.

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


def evaluate_logits(logits, labels, classes):
  """`Evaluation` of logits, [examples, classes], against labels, [examples]."""
  # Ties go to the lower class, as argmax has it; NaN is never right.
  order = np.argsort(-logits, axis=-1, kind="stable")
  finite = np.isfinite(logits).all(axis=-1)
  right = (order[:, 0] == labels) & finite
  top_5 = (order[:, :5] == labels[:, None]).any(axis=-1) & finite
  return Evaluation(
    examples=len(labels),
    accuracy=float(right.mean()),
    top_5=float(top_5.mean()) if classes > 5 else None,
    per_class=tuple(
      float(right[labels == label].mean()) if (labels == label).any() else None
      for label in range(classes)
    ),
  )


def keras_predictor(model):
  """`predict` of a Keras model, traced once, whatever the number of images."""
  import tensorflow as tf

  from nadv2_tf.training.tracing import traced

  signature = [tf.TensorSpec(model.inputs[0].shape, tf.float32)]
  forward = traced(lambda images: model(images, training=False), signature)
  return lambda images: forward(images).numpy()
