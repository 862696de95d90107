"""The study of scores among networks of nearly one latency, by hand."""

import math

import pytest

from nadv2_tf.benchmarks.studies import near
from nadv2_tf.search.journal import Sample
from nadv2_tf.training.scoring.rank_correlation import kendall_tau


def test_networks_are_drawn_from_those_within_5_percent():
  samples = [Sample((number,), 0.9005 + number / 1000, 0.5, 0.5) for number in range(201)]
  found = near.drawn(samples, 1.0, 20)
  assert len({one.widths for one in found}) == 20 and found == near.drawn(samples[::-1], 1.0, 20)
  assert all(0.975 <= one.resource <= 1.025 for one in found)
  assert [one.resource for one in found] == sorted(one.resource for one in found)
  assert len(near.drawn(samples, 1.0, 50)) == 50
  with pytest.raises(ValueError, match="scored 50 networks within 5% of 1, and --networks is 51"):
    near.drawn(samples, 1.0, 51)


def test_the_noise_of_seeds_is_taken_out():
  # Means 0.2, 0.4, 0.6: variance 0.04; each network's own is 0.02, of two seeds' mean 0.01.
  accuracies = [[mean - 0.1, mean + 0.1] for mean in (0.2, 0.4, 0.6)]
  between, within = near.spreads(accuracies)
  assert (between**2, within**2) == pytest.approx((0.03, 0.02))
  assert near.spreads([[0.4, 0.6], [0.6, 0.4]]) == pytest.approx((0.0, math.sqrt(0.02)))
  assert near.ceiling(between, within, 2) == pytest.approx(2 / math.pi * math.asin(0.75**0.5))
  assert near.ceiling(0.0, 0.1, 3) == 0.0 and near.ceiling(0.1, 0.0, 3) == pytest.approx(1)


def test_the_ceiling_is_the_tau_of_who_knows_the_truth():
  import numpy as np

  rng = np.random.default_rng(0)
  truths = rng.normal(0, 2.0, 3000)
  means = (truths[:, None] + rng.normal(0, 3.0, (3000, 3))).mean(axis=1)
  assert near.ceiling(2.0, 3.0, 3) == pytest.approx(kendall_tau(truths, means), abs=0.03)


def test_gaps_are_of_the_same_networks():
  truths = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
  assert near.difference(truths, truths, truths) == (0.0, 0.0)
  low, high = near.difference(truths, truths[::-1], truths)
  assert 1.5 < low <= high == 2.0


def test_the_table():
  accuracies = [[0.5, 0.52], [0.6, 0.62], [0.7, 0.72], [0.8, 0.82]]
  rankings = {near.SCORE: [1, 2, 3, 4], near.MACS: [4, 3, 2, 1], "latency": [1, 1, 1, 1]}
  text = list(near.lines(rankings, accuracies))
  assert text[0] == "4 networks, 2 seeds each: test accuracy 51.00% to 81.00%"
  assert "seeds of one network 1.41" in text[1]
  rows = {line[:26].strip(): line[26:].split()[0] for line in text[4:-1]}
  assert rows == {near.SCORE: "1.00", near.MACS: "-1.00", "latency": "0.00"}
  assert ": +2.00," in text[-1]
