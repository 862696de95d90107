"""The race of a search: who is scored on what, and that it stays a search that can be resumed."""

import json
import random
import zlib

import pytest
from toy import SPACE

from nadv2_tf.resources import MacsMeter, ParametersMeter
from nadv2_tf.search import (
  OPTIMIZERS,
  Evolution,
  Hurricane,
  LayerNAS,
  MultiLayerCoordinateDescent,
  Problem,
  Race,
  RandomSearch,
  SingleLayerCoordinateDescent,
  UniformScaling,
  minimize,
)
from nadv2_tf.search.entries import RacedOn, SampleEntry
from nadv2_tf.search.journal import read, samples
from nadv2_tf.search.race import may_race, pooled

MACS = MacsMeter().measure
LARGEST = MACS(SPACE.largest())
SIZES = (100, 200, 100)
#: netadaptv1 trains its samples
QUICK = {
  "evolution": Evolution(8, 3, 4, 0.2, 2, 5),
  "hurricane": Hurricane(24, 3, 8, 0.2, 8, 3),
  "layernas": LayerNAS(6, 2, 3),
  "mcd": MultiLayerCoordinateDescent(12, 3, 0.1),
  "random": RandomSearch(40),
  "scd": SingleLayerCoordinateDescent(0.1, 0.98),
  "uniform": UniformScaling(),
}


class Evaluator:
  """Scores that are the same for the same network and part; remembers what it was asked."""

  part_sizes = SIZES

  def __init__(self):
    self.asked = []

  def accuracy(self, specs, part=None):
    self.asked += [(SPACE.encode(spec), part) for spec in specs]
    return [score(SPACE.encode(spec), part) for spec in specs]


def score(widths, part):
  return zlib.crc32(repr((tuple(widths), part)).encode()) / 2**32


def _problem(share=0.4, **details):
  return Problem(SPACE, SPACE.largest(), MacsMeter(), share * LARGEST, **details)


def _specs(count):
  rng, specs = random.Random(3), {}
  while len(specs) < count:
    spec = SPACE.sample(rng)
    specs.setdefault(SPACE.encode(spec), spec)
  return list(specs.values())


def test_every_optimizer_that_scores_races():
  racing = {name for name in OPTIMIZERS if may_race(OPTIMIZERS[name])}
  assert set(QUICK) == racing - {"netadaptv1"}


def test_all_run_a_quarter_goes_on_and_the_best_three_arrive():
  specs, asked = _specs(20), []

  def scores_of(left, part):
    asked.append((part, left))
    # In the first part the later ones are better, in the second the earlier ones.
    ranks = [specs.index(spec) for spec in left]
    return ranks if part == 0 else [-rank for rank in ranks]

  arrived = Race().run(specs, scores_of)
  assert asked == [(0, specs), (1, specs[15:]), (2, specs[15:18])]
  assert arrived == specs[15:18]


@pytest.mark.parametrize(
  "count, entrants", [(1, (1, 1, 1)), (3, (3, 3, 3)), (13, (13, 4, 3)), (200, (200, 50, 3))]
)
def test_who_is_scored_on_what(count, entrants):
  assert Race().entrants(count) == entrants
  asked = []
  Race().run(_specs(count), lambda left, part: asked.append(len(left)) or [0.0] * len(left))
  assert tuple(asked) == entrants


def test_images_of_a_sample_by_hand():
  # 24 samples on 250 images, 6 on 500, 3 on 250, each time after 256 of calibration.
  images = (24 * 506 + 6 * 756 + 3 * 506) / 24
  assert Race().images_per_sample(24, 1000, 256) == pytest.approx(images)
  # On five devices they take 5, 2 and 1 calls.
  images = (5 * 506 + 2 * 756 + 1 * 506) / 24
  assert Race().images_per_sample(24, 1000, 256, at_once=5) == pytest.approx(images)


def test_a_pooled_score_counts_images():
  assert pooled({0: 0.5, 1: 0.8}, SIZES) == pytest.approx((50 + 160) / 300)
  assert pooled({0: 0.5}, SIZES) == 0.5


@pytest.mark.parametrize(
  "values, words",
  [
    ({"shares": (0.5, 0.5)}, "three shares"),
    ({"shares": (0.5, 0.5, 0.5)}, "add up to 1"),
    ({"shares": (1.2, -0.1, -0.1)}, "between 0 and 1"),
    ({"kept": 0}, "above 0"),
    ({"finalists": 0}, "at least one finalist"),
  ],
)
def test_a_race_that_is_none(values, words):
  with pytest.raises(ValueError, match=words):
    Race(**values)


def test_the_optimizer_sees_finalists_scored_on_all_images(tmp_path):
  path = tmp_path / "search.jsonl"
  result = minimize(_problem(), QUICK["mcd"], Evaluator(), path, race=Race())
  entries = read(path)
  assert entries[0].race == RacedOn((0.25, 0.5, 0.25), 0.25, 3, SIZES)
  for iteration in result.iterations:
    widths = SPACE.encode(iteration.best.spec)
    parts = {part: score(widths, part) for part in range(3)}
    assert iteration.best.accuracy == pytest.approx(pooled(parts, SIZES))
    samples = [entry for entry in entries if isinstance(entry, SampleEntry)]
    here = [entry for entry in samples if entry.iteration == iteration.number]
    counts = [sum(entry.part == part for entry in here) for part in range(3)]
    # The last iterations have fewer samples, and some of them were scored before.
    assert 12 >= counts[0] >= counts[1] and 3 >= counts[1] >= counts[2]
    best = max(here, key=lambda entry: (entry.part == 0, entry.accuracy))
    assert best.widths in [entry.widths for entry in here if entry.part == 1]
  first = [entry.part for entry in samples if entry.iteration == 1]
  all_of, kept, finalists = Race().entrants(first.count(0))
  assert first == [0] * all_of + [1] * kept + [2] * finalists
  widths = SPACE.encode(result.spec)
  assert result.found[-1].checked == score(widths, 2)
  assert result.found[-1].accuracy == result.iterations[-1].best.accuracy
  assert minimize(_problem(), QUICK["mcd"], Evaluator()).found[-1].checked is None


def test_samples_of_a_journal_are_merged(tmp_path):
  path = tmp_path / "search.jsonl"
  result = minimize(_problem(), QUICK["mcd"], Evaluator(), path, race=Race())
  merged = samples(read(path) + read(path))
  assert len(merged) == result.samples_scored
  for entry in merged:
    assert entry.first == score(entry.widths, 0)
  found = {entry.widths: entry.accuracy for entry in merged}
  assert found[SPACE.encode(result.spec)] == result.accuracy
  plain = tmp_path / "plain.jsonl"
  minimize(_problem(), QUICK["mcd"], Evaluator(), plain)
  for entry in samples(read(plain)):
    assert entry.first == entry.accuracy == score(entry.widths, None)


@pytest.mark.parametrize("name", sorted(QUICK))
def test_a_search_is_cheaper_by_far_and_meets_its_targets(name):
  evaluator, details = Evaluator(), {"larger_targets": (0.6 * LARGEST,)}
  result = minimize(_problem(**details), QUICK[name], evaluator, race=Race())
  assert all(found.resource <= found.target for found in result.found)
  assert len(set(evaluator.asked)) == len(evaluator.asked)  # nothing is scored twice
  on = [sum(part == each for _, part in evaluator.asked) for each in range(3)]
  assert on[0] >= on[1] >= on[2] > 0
  # These have few samples here, in a round or in all.
  assert name in {"hurricane", "scd", "uniform"} or on[0] > 1.5 * on[1]


@pytest.mark.parametrize("name", sorted(QUICK))
def test_cut_anywhere_a_race_goes_on_as_if_nothing_had_happened(name, tmp_path):
  details = {"limits": ((ParametersMeter(), 0.5 * ParametersMeter().measure(SPACE.largest())),)}
  whole, path = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
  result = minimize(_problem(0.3, **details), QUICK[name], Evaluator(), whole, race=Race())
  text, rng = whole.read_bytes(), random.Random(1)
  for _ in range(8):
    cut = text[: rng.randrange(len(text))]
    path.write_bytes(cut)
    evaluator = Evaluator()
    again = minimize(_problem(0.3, **details), QUICK[name], evaluator, path, race=Race())
    assert again == result and path.read_bytes() == text
    assert sorted([*_scored(cut), *evaluator.asked]) == sorted(_scored(text))


def _scored(text):
  """(widths, part) of all whole samples."""
  lines = text[: text.rfind(b"\n") + 1].splitlines()
  entries = [entry for entry in map(json.loads, lines) if entry["type"] == "sample"]
  return [(tuple(entry["widths"]), entry["part"]) for entry in entries]


def test_a_race_and_its_evaluator_have_as_many_parts():
  class Whole(Evaluator):
    part_sizes = (400,)

  with pytest.raises(ValueError, match="has 3 parts"):
    minimize(_problem(), QUICK["mcd"], Whole(), race=Race())


def test_a_journal_with_a_race_is_another_search_than_one_without(tmp_path):
  path = tmp_path / "search.jsonl"
  minimize(_problem(), QUICK["mcd"], Evaluator(), path, race=Race())
  with pytest.raises(ValueError, match="of another search"):
    minimize(_problem(), QUICK["mcd"], Evaluator(), path)


def test_scores_on_other_images_are_not_taken_for_those_of_a_race(tmp_path):
  plain, race = tmp_path / "plain.jsonl", tmp_path / "race.jsonl"
  minimize(_problem(), QUICK["mcd"], Evaluator(), plain)
  minimize(_problem(), QUICK["mcd"], Evaluator(), race, race=Race())
  evaluator = Evaluator()
  minimize(_problem(), QUICK["mcd"], evaluator, known=read(plain), race=Race())
  assert {part for _, part in evaluator.asked} == {0, 1, 2}
  evaluator = Evaluator()
  minimize(_problem(), QUICK["mcd"], evaluator, known=read(race))
  assert evaluator.asked and {part for _, part in evaluator.asked} == {None}


def test_what_a_race_of_another_round_scored_is_not_asked_for_again(tmp_path):
  first = tmp_path / "search.jsonl"
  minimize(_problem(), QUICK["mcd"], Evaluator(), first, race=Race())
  evaluator, known = Evaluator(), read(first)
  minimize(_problem(), QUICK["mcd"], evaluator, known=known, race=Race())
  assert not evaluator.asked
  minimize(_problem(0.2), QUICK["mcd"], evaluator, known=known, race=Race())
  before = {(e.widths, e.part) for e in known if isinstance(e, SampleEntry)}
  assert evaluator.asked and not before & set(evaluator.asked)
