"""Evaluation batch by batch: every example counts once, and memory has a bound."""

import numpy as np
import pytest

from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.depth import Depth
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.scoring import evaluation


def of_size(count, side):
  return Examples(np.zeros((count, side, side, 1), np.uint8), np.zeros(count, np.int64))


@pytest.mark.parametrize(
  ("count", "side", "expected"),
  [
    (500, 32, (1, 500)),
    (2000, 64, (4, 500)),
    (501, 32, (2, 250)),
    (95, 96, (1, 95)),
    # 500 * 64 * 64 / (224 * 224) = 40.8
    (2000, 224, (50, 40)),
    (1, 4096, (1, 1)),
  ],
)
def test_batches_fit_into_memory(count, side, expected):
  assert evaluation.batches_of(of_size(count, side)) == expected


def test_every_example_counts_once(monkeypatch):
  monkeypatch.setattr(evaluation, "PIXELS", 3 * 4)
  labels = np.array([0, 1, 2, 0, 1, 2, 0, 1])
  examples = Examples(np.repeat(labels, 4).reshape(8, 2, 2, 1).astype(np.uint8), labels)
  sizes = []

  def predict(images):
    sizes.append(len(images))
    numbers = np.rint((images[:, 0, 0, 0] + 1) * 127.5).astype(int)
    return np.eye(3)[np.where(numbers == 2, 0, numbers)]

  result = evaluation.measure(Classification("demo", 2, 1, 0), predict, examples)
  assert sum(sizes) == 8 and max(sizes) <= 3 and len(sizes) > 2
  assert result.accuracy == 6 / 8 and result.per_class == (1, 1, 0)
  assert result.measures == {}


def test_maps_are_evaluated_batch_by_batch(monkeypatch):
  truth = np.random.default_rng(0).uniform(1, 5, (7, 4, 4, 1)).astype(np.float32)
  examples = Examples(np.zeros((7, 4, 4, 3), np.uint8), truth)
  task = Depth("rooms:10", 4, 1, 0)
  whole = evaluation.measure(task, lambda images: np.full((len(images), 4, 4, 1), 3.0), examples)
  monkeypatch.setattr(evaluation, "PIXELS", 2 * 16)
  parts = evaluation.measure(task, lambda images: np.full((len(images), 4, 4, 1), 3.0), examples)
  assert parts.examples == 7 and parts.measures == pytest.approx(whole.measures)
