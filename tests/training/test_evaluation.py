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


@pytest.mark.parametrize(
  ("images", "sizes"),
  [
    (400, (100, 200, 100)),
    (401, (100, 200, 100)),
    (1000, (250, 500, 250)),
    (3000, (750, 1500, 750)),
    (10000, (2500, 5000, 2500)),
  ],
)
def test_parts_have_their_shares(images, sizes):
  examples = Examples(np.zeros((images, 8, 8, 1), np.uint8), np.zeros(images, np.int64))
  _, size, bounds = evaluation.parts_of(examples, 500, (0.25, 0.5, 0.25))
  assert tuple(size * (end - start) for start, end in bounds) == sizes
  assert evaluation.parts_of(examples, 500, (1.0,))[:2] == evaluation.batches_of(examples, 500)


def test_a_part_without_a_batch_is_refused():
  examples = Examples(np.zeros((3, 8, 8, 1), np.uint8), np.zeros(3, np.int64))
  with pytest.raises(ValueError, match="3 images are too few for parts"):
    evaluation.parts_of(examples, 500, (0.05, 0.05, 0.9))


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
