"""Networks that end in a sigmoid for each class: each probability is trained by itself."""

import keras
import numpy as np
import pytest

from nadv2_tf.options import TrainOptions
from nadv2_tf.tasks.classification import Classification

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]], np.float32)
LABELS = np.array([0, 1])


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


def cross_entropy(probabilities, logits):
  """Of each class by itself, and their mean, in NumPy."""
  found = sigmoid(logits.astype(np.float64))
  each = -(probabilities * np.log(found) + (1 - probabilities) * np.log(1 - found))
  return each.mean(axis=1)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_by_hand(smoothing):
  plain = Classification("demo", 8, 1, 0, TrainOptions(label_smoothing=smoothing))
  task = plain.with_sigmoids()
  labels, logits = keras.ops.convert_to_tensor(LABELS), keras.ops.convert_to_tensor(LOGITS)
  smooth = np.eye(3)[LABELS] * (1 - smoothing) + smoothing / 2
  np.testing.assert_allclose(task.loss(labels, logits), cross_entropy(smooth, LOGITS), rtol=1e-5)
  teacher = keras.ops.convert_to_tensor(LOGITS[::-1].copy())
  np.testing.assert_allclose(
    task.imitation(teacher, logits), cross_entropy(sigmoid(LOGITS[::-1]), LOGITS), rtol=1e-5
  )
  # Raised together, the logits of an image mean something else; to softmax they do not.
  raised = keras.ops.convert_to_tensor(LOGITS + 4)
  assert (np.asarray(task.loss(labels, raised)) > np.asarray(task.loss(labels, logits))).all()
  np.testing.assert_allclose(plain.loss(labels, raised), plain.loss(labels, logits), rtol=1e-4)
