"""Soft draws of networks and their slopes."""

import numpy as np
import pytest
from toy import SPACE

from nadv2_tf.search.relaxed import Codes, Relaxed, softmax, through_softmax
from nadv2_tf.spec.features import features_of, value_features

DECISIONS = SPACE.decisions
MOST = max(len(decision.choices) for decision in DECISIONS)


def _hard(row):
  """[decisions, most options], a 1 for each value of `row`."""
  places = [one.choices.index(value) for one, value in zip(DECISIONS, row, strict=True)]
  return np.eye(MOST)[places]


def test_the_features_of_a_hard_draw_are_those_of_its_network():
  codes = Codes.of(DECISIONS, value_features)
  for row in (SPACE.encode(SPACE.largest()), SPACE.encode(SPACE.smallest())):
    features = features_of(DECISIONS, row)
    assert codes.of_row(DECISIONS, row) == features
    np.testing.assert_allclose(codes.expected(_hard(row)), features, atol=1e-12)


def test_slopes_of_features_become_slopes_of_shares():
  codes, rng = Codes.of(DECISIONS, value_features), np.random.default_rng(0)
  slopes = rng.normal(size=codes.table.shape[1])
  shares = rng.uniform(size=(len(DECISIONS), MOST))
  moved = rng.normal(size=shares.shape)
  # The features are linear in the shares, so differences are exact but for rounding.
  difference = (codes.expected(shares + moved) - codes.expected(shares)) @ slopes
  assert difference == pytest.approx((codes.through(slopes, shares.shape) * moved).sum())


def test_slopes_through_a_softmax_are_those_of_differences():
  rng, temperature, step = np.random.default_rng(1), 0.7, 1e-6
  logits, slopes = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
  found = through_softmax(softmax(logits / temperature), slopes, temperature)
  for place in np.ndindex(3, 4):
    moved = np.zeros((3, 4))
    moved[place] = step
    up, down = (softmax((logits + side * moved) / temperature) for side in (1, -1))
    # Central differences of a function of order 1: off by step^2 and rounding over the step.
    assert found[place] == pytest.approx(((up - down) * slopes).sum() / (2 * step), abs=1e-8)


def test_a_hard_draw_has_one_value_of_each_decision_and_none_that_it_has_not():
  relaxed = Relaxed(DECISIONS, temperature=2.0, rate=0.1, seed=0)
  for _ in range(50):
    soft, hard = relaxed.draw()
    np.testing.assert_allclose(soft.sum(axis=1), 1)
    assert np.array_equal(hard.sum(axis=1), np.ones(len(DECISIONS)))
    for decision, soft_row, hard_row in zip(DECISIONS, soft, hard, strict=True):
      assert soft_row[len(decision.choices) :].sum() == 0
      assert hard_row.argmax() < len(decision.choices)
      assert hard_row.argmax() == soft_row.argmax()
  assert [len(row) for row in relaxed.rows()] == [len(one.choices) for one in DECISIONS]


def test_draws_are_as_frequent_as_probable():
  relaxed = Relaxed(DECISIONS[:1], temperature=0.5, rate=0.1, seed=0)
  relaxed.logits = np.log([[0.1, 0.2, 0.3, 0.4]])
  counts = sum(relaxed.draw()[1][0] for _ in range(4000))
  # Five standard deviations of a share, 0.04: one in 10^6 false alarms.
  np.testing.assert_allclose(counts / 4000, [0.1, 0.2, 0.3, 0.4], atol=0.04)


def test_steps_go_downhill():
  relaxed, rng = Relaxed(DECISIONS, 1.0, 0.1, seed=0), np.random.default_rng(3)
  loss = rng.normal(size=relaxed.logits.shape)
  for _ in range(200):
    relaxed.step(lambda hard: loss)
  for row, losses in zip(relaxed.rows(), loss, strict=True):
    assert np.argmax(row) == np.argmin(losses[: len(row)])
