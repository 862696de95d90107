"""The study of races: what its rules choose on given scores, and what they cost."""

import numpy as np
import pytest

from nadv2_tf.benchmarks.studies.race import RULES, Rule, worth


def scores(best, samples=12):
  """[samples, 8]: sample `best` is the best on every part, the others get worse in order."""
  rows = np.linspace(0.6, 0.3, samples)[:, None] * np.ones(8)
  rows[best] = 0.9
  return rows


@pytest.mark.parametrize("rule", RULES)
def test_what_is_best_everywhere_is_chosen_by_every_rule(rule):
  best, _, seen = rule.choose(scores(7))
  assert best == 7 and seen == sum(rule.parts)
  assert worth(rule, [scores(7), scores(3)], np.random.default_rng(0), 5)[0] == pytest.approx(0.9)


def test_who_shines_on_the_first_part_alone_is_found_out():
  rows = scores(7)
  rows[2] = [0.95, *[0.1] * 7]
  assert Rule((1,)).choose(rows)[0] == 2
  assert Rule((1, 2, 1)).choose(rows)[0] == 7


def test_costs_by_hand():
  race = Rule((1, 2, 1))
  _, entrants, _ = race.choose(scores(0, samples=40))
  assert entrants == (40, 10, 3)
  by_hand = (40 * (500 + 256) + 10 * (1000 + 256) + 3 * (500 + 256)) / 40
  assert race.images(entrants, 500, 256) == pytest.approx(by_hand)
  assert Rule((2,)).images((40,), 500, 256) == 1256
