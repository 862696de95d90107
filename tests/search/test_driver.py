"""The driver: what it scores and measures, what it reports, what it refuses."""

import dataclasses
import json
import zlib

import pytest

from nadv2_tf.resources import MacsMeter
from nadv2_tf.search import (
  OPTIMIZERS,
  MultiLayerCoordinateDescent,
  Problem,
  UnreachableTarget,
  minimize,
)
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head, InvertedResidual

SPACE = space_of(
  NetworkSpec(
    "toy",
    (8, 8, 1),
    (
      Conv(8, 3, 2),
      InvertedResidual(16, 16, 8, 5, squeeze=4, bypass_cap=4),
      DepthwiseSeparable(8, 16, 3, 2, bypass_cap=4),
      Head(4, hidden=16),
    ),
  ),
  levels=4,
)
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


class Stopwatch:
  """A meter that is not exact: every measurement gives another number."""

  unit, is_exact = "ms", False

  def __init__(self):
    self.asked = []

  def measure(self, spec):
    self.asked.append(SPACE.encode(spec))
    return MacsMeter().measure(spec) * (1 + len(self.asked) / 1e6)


def _problem(share=0.4, meter=None):
  return Problem(SPACE, SPACE.largest(), meter or MacsMeter(), share * LARGEST)


# Every optimizer keeps the driver's promises; a new one joins by being registered.
QUICK = {"mcd": SETTINGS}


def test_every_optimizer_stands_in_the_table():
  assert sorted(OPTIMIZERS) == sorted(QUICK)


@pytest.mark.parametrize("name", sorted(QUICK))
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_the_found_network_meets_the_target(name, share):
  problem, evaluator = _problem(share), Evaluator()
  result = minimize(problem, QUICK[name], evaluator)
  assert SPACE.contains(result.spec)
  assert result.resource == MacsMeter().measure(result.spec) <= problem.target
  assert (result.accuracy,) == tuple(Evaluator().accuracy([result.spec]))
  assert result.spec.name == "toy_found"


@pytest.mark.parametrize("name", sorted(QUICK))
def test_no_network_is_scored_twice(name):
  evaluator = Evaluator()
  result = minimize(_problem(0.2), QUICK[name], evaluator)
  assert len(evaluator.asked) == len(set(evaluator.asked)) == result.samples_scored


@pytest.mark.parametrize("name", sorted(QUICK))
def test_no_network_is_measured_twice(name):
  meter = Stopwatch()
  result = minimize(_problem(0.2, meter), QUICK[name], Evaluator())
  assert len(meter.asked) == len(set(meter.asked)) > result.samples_scored
  assert result.resource <= 0.2 * LARGEST


@pytest.mark.parametrize("name", sorted(QUICK))
@pytest.mark.parametrize("make_meter", [MacsMeter, Stopwatch])
def test_the_seed_decides_everything(name, make_meter, tmp_path):
  texts = []
  for number, seed in enumerate([7, 7, 8]):
    path = tmp_path / f"{number}.jsonl"
    minimize(_problem(0.3, make_meter()), QUICK[name], Evaluator(), path, seed)
    texts.append(path.read_bytes())
  assert texts[0] == texts[1]
  # More than the seed in the first line differs.
  assert texts[0].splitlines()[1:] != texts[2].splitlines()[1:]


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


def test_an_optimizer_may_be_given_by_name():
  # The default takes 3 % first, so 2 % less is one iteration of its 200 samples.
  result = minimize(_problem(0.98), "mcd", Evaluator(), seed=1)
  default = minimize(_problem(0.98), MultiLayerCoordinateDescent(), Evaluator(), seed=1)
  assert result == default and len(result.iterations) == 1
  with pytest.raises(ValueError, match="Unknown optimizer 'adam'. Known: mcd"):
    minimize(_problem(), "adam", Evaluator())


@pytest.mark.parametrize("share", [1.0, 1.5])
def test_a_start_that_meets_the_target_is_the_answer(share):
  evaluator = Evaluator()
  result = minimize(_problem(share), SETTINGS, evaluator)
  assert result.spec.blocks == SPACE.largest().blocks
  assert (result.accuracy, result.samples_scored, result.iterations) == (None, 0, ())
  assert evaluator.asked == []


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


def test_an_unreachable_target_is_told_before_anything_is_scored():
  evaluator = Evaluator()
  smallest = MacsMeter().measure(SPACE.smallest())
  problem = dataclasses.replace(_problem(), target=smallest - 1)
  with pytest.raises(UnreachableTarget, match=f"the smallest .* 'toy' has {smallest:g} MACs"):
    minimize(problem, SETTINGS, evaluator)
  assert evaluator.asked == []


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
