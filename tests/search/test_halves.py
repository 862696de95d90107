"""The searches of HURRICANE's halves by themselves, each with weights of its own."""

import json

import pytest
from additive import table_of_costs
from toy import SPACE

from nadv2_tf.resources import MacsMeter
from nadv2_tf.search import Hurricane, Problem, UnreachableTarget, minimize
from nadv2_tf.search.choices import choices
from nadv2_tf.search.halves import EARLIER, LATER, HalfSearch
from nadv2_tf.search.hurricane import base_of
from nadv2_tf.search.race import Race

METHOD = Hurricane(6, 2, 3, 0.3, 2, 4)
BENCH = table_of_costs([(0, 3, 8)] * 6, lambda row: sum(row) / 20 + 0.01 * row[-1])
PROBLEM = Problem(BENCH.space, BENCH.space.largest(), BENCH, 32.0)
BLOCKS = choices(BENCH.space)


def _toy_problem(share):
  meter = MacsMeter()
  return Problem(SPACE, SPACE.largest(), meter, share * meter.measure(SPACE.largest()))


def _samples(path):
  entries = [json.loads(line) for line in path.read_text().splitlines()]
  return [entry for entry in entries if entry["type"] == "sample"]


def test_the_later_half_is_searched_as_the_whole_search_begins(tmp_path):
  """Same seed, same weights: the networks of the half are the first of the method's own."""
  whole, half = tmp_path / "whole.jsonl", tmp_path / "half.jsonl"
  minimize(PROBLEM, METHOD, BENCH, whole, seed=4)
  later = HalfSearch.later(METHOD, PROBLEM)
  found = minimize(PROBLEM, later, BENCH, half, seed=4)
  samples = _samples(half)
  assert 1 < len(samples) < len(_samples(whole))
  assert samples == _samples(whole)[: len(samples)]
  base = base_of(PROBLEM, 32.0, BLOCKS[:3], BLOCKS[3:])
  assert {tuple(sample["widths"][:3]) for sample in samples} == {base[:3]}
  assert found.accuracy == max(sample["accuracy"] for sample in samples)


@pytest.mark.parametrize("race", [None, Race()])
def test_the_earlier_half_begins_with_what_was_found_and_keeps_the_later(tmp_path, race):
  class Scores:
    """The weights of the earlier half say other things of the same networks."""

    part_sizes = (100, 200, 100)

    def accuracy(self, specs, part=None):
      return [1 - score / 2 for score in BENCH.accuracy(specs)]

  found = minimize(PROBLEM, HalfSearch.later(METHOD, PROBLEM), BENCH, seed=1).spec
  path = tmp_path / "search.jsonl"
  earlier = HalfSearch.earlier(METHOD, PROBLEM, found)
  result = minimize(PROBLEM, earlier, Scores(), path, seed=1, race=race)
  row, samples = BENCH.space.encode(found), _samples(path)
  assert tuple(samples[0]["widths"]) == row
  assert samples[0]["accuracy"] == Scores().accuracy([found])[0]
  assert {tuple(sample["widths"][3:]) for sample in samples} == {row[3:]}
  assert len({tuple(sample["widths"]) for sample in samples}) == result.samples_scored > 2
  assert result.accuracy >= samples[0]["accuracy"]
  assert result.resource <= PROBLEM.target


def test_what_may_be_drawn_is_the_free_half_alone():
  problem = _toy_problem(0.5)
  earlier, later = Hurricane().halves(problem)
  assert len(earlier) == len(later) == 2
  halves = (
    (HalfSearch.later(Hurricane(), problem), later),
    (HalfSearch.earlier(Hurricane(), problem, SPACE.smallest()), earlier),
  )
  for half, free in halves:
    values = half.values(problem)
    columns = {column for block in free for column in block.columns}
    for column, (decision, these) in enumerate(zip(SPACE.decisions, values, strict=True)):
      if column not in columns:
        assert these == (half.row[column],)
      else:
        assert set(these) <= set(decision.choices) and list(these) == sorted(these)
        assert len(these) > 1 or decision.kind == "kernel"
    for block in free:
      for choice in block.choices:
        for column, value in zip(block.columns, choice.values, strict=True):
          # Of a block that is gone there is no kernel.
          is_word = choice.removed and SPACE.decisions[column].kind == "kernel"
          assert is_word or value in values[column]


def test_a_half_without_room_says_so():
  problem = Problem(BENCH.space, BENCH.space.largest(), BENCH, 30.0)
  largest = BENCH.space.largest()
  with pytest.raises(
    UnreachableTarget, match="leaves the earlier half no network within 30"
  ) as one:
    minimize(problem, HalfSearch.earlier(METHOD, problem, largest), BENCH)
  assert "\n" not in str(one.value)


def test_what_is_found_may_be_above_a_target_that_was_lowered():
  """A further round searches for less: what the later half ended with is no longer within."""
  found = minimize(PROBLEM, HalfSearch.later(METHOD, PROBLEM), BENCH, seed=1)
  lower = Problem(BENCH.space, BENCH.space.largest(), BENCH, found.resource - 1)
  result = minimize(lower, HalfSearch.earlier(METHOD, lower, found.spec), BENCH, seed=1)
  assert result.resource <= lower.target
  assert BENCH.space.encode(result.spec)[3:] == BENCH.space.encode(found.spec)[3:]


def test_the_amount_is_that_of_one_half():
  later, earlier = (HalfSearch(METHOD, half, ()) for half in (LATER, EARLIER))
  assert later.amount(PROBLEM) == (4, 24)
  assert earlier.amount(PROBLEM) == (5, 25)
