"""The hold-out's loss in the super-network, its slopes, and a search that follows them."""

import random

import numpy as np
import pytest
import tensorflow as tf
from shares import one_hot

from nadv2_tf.models import super_network
from nadv2_tf.resources import MacsMeter
from nadv2_tf.search import Differentiable, Problem, minimize
from nadv2_tf.search.needs import SLOPES
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator
from nadv2_tf.training.steps.sliced import run_sliced

SPACE = space_of(
  NetworkSpec(
    "tiny",
    (8, 8, 1),
    (Conv(6, 3, 2), InvertedResidual(8, 8, 6, 5, squeeze=4, bypass_cap=4), Head(3, 6)),
  ),
  levels=3,
)
TASK = Classification("demo", 8, 1, 0)
LARGEST = MacsMeter().measure(SPACE.largest())
OPTIMIZER = Differentiable(
  refit_samples=3, descent_steps=4, predictor_samples=40, slopes="super_network", descent_images=8
)


@pytest.fixture(scope="module")
def images():
  rng = np.random.default_rng(0)
  return Examples(rng.integers(0, 256, (20, 8, 8, 1), np.uint8), rng.integers(0, 3, 20))


@pytest.fixture(scope="module")
def model(randomise):
  return randomise(super_network(SPACE), seed=1)


@pytest.fixture(scope="module")
def evaluator(model, images):
  return SharedWeightsEvaluator(model, TASK, images.take(slice(12)), images.take(slice(12, 20)))


def test_the_loss_of_a_sub_network_is_its_loss(model, images, evaluator):
  rng = random.Random(2)
  for spec in (SPACE.largest(), SPACE.smallest(), SPACE.sample(rng), SPACE.sample(rng)):
    # Of twelve images the second batch of eight ends with the first four.
    batch = images.take(np.arange(8, 16) % 12)
    outputs = run_sliced(model, tf.constant(batch.inputs()), tf.constant(SPACE.encode(spec)))
    expected = float(tf.reduce_mean(TASK.loss(batch.labels, outputs)))
    found, slopes = evaluator.loss_slopes(one_hot(SPACE, spec), 1, 8)
    assert found == pytest.approx(expected, rel=1e-5)
    assert slopes.shape == one_hot(SPACE, spec).shape and np.isfinite(slopes).all() and slopes.any()
  assert evaluator.loss_slopes.traces == 1


def test_fewer_images_than_asked_for_are_all_of_them(evaluator):
  shares = one_hot(SPACE, SPACE.largest())
  few, _ = evaluator.loss_slopes(shares, 0, 12)
  assert evaluator.loss_slopes(shares, 5, 500)[0] == pytest.approx(few)


def test_going_down_the_slopes_lowers_the_loss(evaluator):
  """Of the soft network, by a small step on the simplex."""
  shares = np.zeros_like(one_hot(SPACE, SPACE.largest()))
  for row, decision in zip(shares, SPACE.decisions, strict=True):
    row[: len(decision.choices)] = 1 / len(decision.choices)
  loss, slopes = evaluator.loss_slopes(shares, 0, 12)
  possible = shares > 0
  means = (slopes * shares).sum(axis=1, keepdims=True)
  moved = shares - 0.003 * np.where(possible, slopes - means, 0.0)
  assert evaluator.loss_slopes(moved, 0, 12)[0] < loss


class Counting:
  """An evaluator that counts what it is asked; one that `is_dumb` may be asked for no slope."""

  def __init__(self, evaluator, is_dumb=False):
    self._evaluator, self._is_dumb = evaluator, is_dumb
    self.scored, self.steps = [], 0

  def accuracy(self, specs):
    self.scored += map(SPACE.encode, specs)
    return self._evaluator.accuracy(specs)

  def loss_slopes(self, shares, batch, images):
    assert not self._is_dumb
    self.steps += 1
    return self._evaluator.loss_slopes(shares, batch, images)


def _problem():
  return Problem(SPACE, SPACE.largest(), MacsMeter(), 0.5 * LARGEST, (0.75 * LARGEST,))


def test_a_search_through_the_super_network_meets_its_targets_and_goes_on(evaluator, tmp_path):
  assert SLOPES.is_met_by(evaluator)
  paths = [tmp_path / f"{number}.jsonl" for number in range(2)]
  counting = [Counting(evaluator) for _ in paths]
  results = [
    minimize(_problem(), OPTIMIZER, each, path, seed=3)
    for each, path in zip(counting, paths, strict=True)
  ]
  assert results[0] == results[1] and paths[0].read_bytes() == paths[1].read_bytes()
  for found in results[0].found:
    assert found.resource == MacsMeter().measure(found.spec) <= found.target
  scored, text = counting[0].scored, paths[0].read_bytes()
  assert len(scored) == len(set(scored)) == results[0].samples_scored <= 2 * 3
  descents = text.count(b'"type":"descent"')
  assert counting[0].steps == 4 * descents and descents >= 2
  # Cut behind any line, what stands there is neither scored nor followed again.
  lines = text.splitlines(keepends=True)
  for kept in range(0, len(lines), 4):
    paths[1].write_bytes(b"".join(lines[:kept]) + lines[kept][:9])
    again = Counting(evaluator, is_dumb=b'"type":"descent"' not in b"".join(lines[kept:]))
    assert minimize(_problem(), OPTIMIZER, again, paths[1], seed=3) == results[0]
    assert paths[1].read_bytes() == text
    assert again.steps == 4 * b"".join(lines[kept:]).count(b'"type":"descent"')
