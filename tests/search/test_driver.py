"""The driver: what it scores and measures, what it reports, what it refuses."""

import dataclasses
import json
import zlib

import pytest
from toy import SPACE

from nadv2_tf.resources import MacsMeter
from nadv2_tf.search import (
  MultiLayerCoordinateDescent,
  Problem,
  Race,
  journal,
  minimize,
)
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, Head

LARGEST = MacsMeter().measure(SPACE.largest())
SETTINGS = MultiLayerCoordinateDescent(6, 3, 0.1)


class Evaluator:
  """Scores that are the same for the same network; remembers what it was asked."""

  def __init__(self, constant=None):
    self.asked = []
    self._constant = constant

  def accuracy(self, specs):
    self.asked += [SPACE.encode(spec) for spec in specs]
    if self._constant is not None:
      return [self._constant for _ in specs]
    return [zlib.crc32(repr(SPACE.encode(spec)).encode()) / 2**32 for spec in specs]


def _problem(share=0.4, meter=None):
  return Problem(SPACE, SPACE.largest(), meter or MacsMeter(), share * LARGEST)


def test_iterations_are_reported_as_they_end():
  reported = []
  result = minimize(_problem(), SETTINGS, Evaluator(), on_iteration=reported.append)
  assert tuple(reported) == result.iterations
  assert [iteration.number for iteration in reported] == list(range(1, len(reported) + 1))
  assert result.trajectory == tuple(iteration.best.spec for iteration in reported)
  assert result.trajectory[-1].blocks == result.spec.blocks
  resources = [iteration.best.resource for iteration in reported]
  assert resources == sorted(resources, reverse=True)
  assert all(resource > 0.4 * LARGEST for resource in resources[:-1])
  scored = [iteration.samples_scored for iteration in reported]
  assert scored == sorted(scored) and scored[-1] == result.samples_scored
  assert all(1 <= iteration.samples <= 6 for iteration in reported)


def test_the_journal_has_a_line_for_the_search_each_sample_and_each_iteration(tmp_path):
  path = tmp_path / "search.jsonl"
  result = minimize(_problem(), SETTINGS, Evaluator(), path, seed=5)
  entries = [json.loads(line) for line in path.read_text().splitlines()]
  kinds = [entry["type"] for entry in entries]
  assert kinds[0] == "search" and kinds.count("search") == 1
  assert kinds.count("sample") == result.samples_scored
  assert kinds.count("iteration") == len(result.iterations)
  assert entries[0] == {
    "type": "search",
    "space": "toy",
    "input_shape": [8, 8, 1],
    "start": list(SPACE.encode(SPACE.largest())),
    "unit": "MACs",
    "target": 0.4 * LARGEST,
    "optimizer": "MultiLayerCoordinateDescent",
    "settings": dataclasses.asdict(SETTINGS),
    "seed": 5,
  }
  for entry in entries:
    if entry["type"] == "sample":
      spec = SPACE.decode(entry["widths"])
      assert entry["resource"] == MacsMeter().measure(spec)
      assert [entry["accuracy"]] == Evaluator().accuracy([spec])
  last = entries[-1]
  assert SPACE.decode(last["widths"]).blocks == result.spec.blocks
  assert (last["accuracy"], last["resource"]) == (result.accuracy, result.resource)


class Spreading(Evaluator):
  """Scores two networks in the time of one."""

  at_once = 2

  def __init__(self):
    super().__init__()
    self.calls = []

  def accuracy(self, specs):
    self.calls.append(len(specs))
    return super().accuracy(specs)


def test_an_evaluator_on_two_devices_is_asked_half_as_often(tmp_path):
  one, two, evaluator = tmp_path / "one.jsonl", tmp_path / "two.jsonl", Spreading()
  result = minimize(_problem(), SETTINGS, Evaluator(), one)
  assert minimize(_problem(), SETTINGS, evaluator, two) == result
  assert two.read_bytes() == one.read_bytes()
  assert sum(evaluator.calls) == result.samples_scored and max(evaluator.calls) == 2
  # A round with an odd number of new samples ends with a call for one.
  assert len(evaluator.calls) <= (result.samples_scored + len(result.iterations)) / 2
  text = two.read_bytes()
  two.write_bytes(text[: len(text) // 2])  # after a kill the rest is asked for, in pairs again
  again = Spreading()
  assert minimize(_problem(), SETTINGS, again, two) == result and two.read_bytes() == text
  assert 0 < sum(again.calls) < result.samples_scored and max(again.calls) == 2


def test_a_race_needs_an_evaluator_that_knows_parts():
  with pytest.raises(ValueError, match="score on a part of its images"):
    minimize(_problem(), SETTINGS, Evaluator(), race=Race())


def test_what_another_search_scored_and_measured_is_not_asked_for_again(tmp_path):
  class Wattmeter(MacsMeter):
    is_exact = False
    measured = 0

    def measure(self, spec):
      type(self).measured += 1
      return super().measure(spec)

  first, second = tmp_path / "search.jsonl", tmp_path / "search_2.jsonl"
  problem, evaluator = _problem(0.4, Wattmeter()), Evaluator()
  minimize(problem, SETTINGS, evaluator, first)
  measured, asked = Wattmeter.measured, list(evaluator.asked)
  lower = dataclasses.replace(problem, target=0.3 * LARGEST)
  again = minimize(lower, SETTINGS, evaluator, second, known=journal.read(first))
  assert len(evaluator.asked) == len(set(evaluator.asked))  # nothing twice
  assert again.samples_scored > len(evaluator.asked) - len(asked) > 0
  assert Wattmeter.measured - measured < measured
  # The second journal is whole: it is the one of a search that knew nothing.
  alone = minimize(lower, SETTINGS, Evaluator(), tmp_path / "alone.jsonl")
  assert alone == again and (tmp_path / "alone.jsonl").read_bytes() == second.read_bytes()


def test_an_optimizer_may_be_given_by_name():
  # The default takes 5 % first, so 2 % less is one iteration, after the start's score.
  result = minimize(_problem(0.98), "mcd", Evaluator(), seed=1)
  default = minimize(_problem(0.98), MultiLayerCoordinateDescent(), Evaluator(), seed=1)
  assert result == default and len(result.iterations) == 2
  with pytest.raises(ValueError, match="Unknown optimizer 'adam'. Known: .*evolution, .*mcd"):
    minimize(_problem(), "adam", Evaluator())


@pytest.mark.parametrize(
  "accuracy", [float("nan"), float("inf"), -0.1, 1.5], ids=["nan", "inf", "below", "above"]
)
def test_scores_that_are_no_accuracy_are_refused_and_not_journalled(accuracy, tmp_path):
  path = tmp_path / "search.jsonl"
  with pytest.raises(ValueError, match=rf"values in \[0, 1\], got {accuracy}"):
    minimize(_problem(), SETTINGS, Evaluator(accuracy), path)
  assert '"sample"' not in path.read_text()
  # The journal stays good: the search goes on from it.
  assert minimize(_problem(), SETTINGS, Evaluator(), path) == minimize(
    _problem(), SETTINGS, Evaluator()
  )


@pytest.mark.parametrize("accuracy", [0, 1, 0.0, 1.0])
def test_the_ends_of_the_accuracy_range_are_allowed(accuracy):
  assert minimize(_problem(), SETTINGS, Evaluator(accuracy)).accuracy == accuracy


@pytest.mark.parametrize("target", [0, -1, float("nan")])
def test_a_target_must_be_a_positive_number(target):
  problem = dataclasses.replace(_problem(), target=target)
  with pytest.raises(ValueError, match=f"target must be above 0 MACs, got {target}"):
    minimize(problem, SETTINGS, Evaluator())


def test_a_start_of_another_space_is_refused():
  other = NetworkSpec("other", (8, 8, 1), (Conv(4), Head(2)))
  with pytest.raises(ValueError, match="block02_expansion of 'other' must be an integer"):
    minimize(dataclasses.replace(_problem(), start=other), SETTINGS, Evaluator())


def test_a_search_may_start_below_the_largest_network():
  start = SPACE.largest().with_block(0, filters=4)
  problem = dataclasses.replace(_problem(), start=start)
  result = minimize(problem, SETTINGS, Evaluator())
  assert result.spec.blocks[0].filters <= 4
  assert result.resource <= problem.target
