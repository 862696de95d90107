"""Several targets in one search, and limits beside the target."""

import dataclasses
import json
import math
import random
import zlib

import pytest

from nadv2_tf import backbones
from nadv2_tf.resources import MacsMeter, ParametersMeter
from nadv2_tf.search import (
  Differentiable,
  Evolution,
  Flash,
  FpNas,
  Hurricane,
  IntegerProgram,
  LayerNAS,
  MultiLayerCoordinateDescent,
  NetAdaptV1,
  Problem,
  RandomSearch,
  SingleLayerCoordinateDescent,
  UniformScaling,
  UnreachableTarget,
  minimize,
)
from nadv2_tf.search.problem import LimitedMeter
from nadv2_tf.spec.sums import total

SPACE = backbones.search_space("mobilenet_v3_demo")
MACS, PARAMETERS = MacsMeter().measure, ParametersMeter().measure
LARGEST, MOST_PARAMETERS = MACS(SPACE.largest()), PARAMETERS(SPACE.largest())
FULL = SPACE.encode(SPACE.largest())
MCD = MultiLayerCoordinateDescent(10, 10, 0.05, choose_by="accuracy")
OPTIMIZERS = {
  "differentiable": Differentiable(30, 1, 6, 30, predictor_samples=100),
  "evolution": Evolution(8, 3, 4, 0.2, 2, 3),
  "flash": Flash(flash_samples=12, width_levels=2),
  "fp_nas": FpNas(60, 0.1, step_size=1.0, joint_after=1.0, likelihood_scale=0.002),
  "hurricane": Hurricane(8, 3, 4, 0.2, 2, 3),
  "layernas": LayerNAS(3, 1, 2),
  "integer_program": IntegerProgram(width_levels=2, program_rounds=1, program_solutions=2),
  "mcd": MCD,
  "mcd by ratio": dataclasses.replace(MCD, choose_by="ratio"),
  "netadaptv1": NetAdaptV1(0.05, 0.98),
  "random": RandomSearch(20),
  "scd": SingleLayerCoordinateDescent(0.05, choose_by="accuracy"),
  "uniform": UniformScaling(),
}
NAMES = sorted(OPTIMIZERS)


def score(spec):
  """More of everything is better, less so the more there is, but for some noise."""
  row = SPACE.encode(spec)
  share = total(math.sqrt(value / full) for value, full in zip(row, FULL, strict=True)) / len(row)
  return 0.95 * share + 0.05 * zlib.crc32(repr(row).encode()) / 2**32


class Evaluator:
  def accuracy(self, specs):
    return [score(spec) for spec in specs]


def _problem(*shares, limits=()):
  *larger, target = (share * LARGEST for share in shares)
  return Problem(SPACE, SPACE.largest(), MacsMeter(), target, tuple(larger), limits)


def _parameters(share):
  return ((ParametersMeter(), share * MOST_PARAMETERS),)


@pytest.mark.parametrize("name", NAMES)
def test_each_target_gets_a_network_of_its_own(name):
  problem = _problem(0.8, 0.6, 0.45)
  result = minimize(problem, OPTIMIZERS[name], Evaluator(), seed=1)
  assert [found.target for found in result.found] == list(problem.targets)
  for found in result.found:
    assert found.resource == MACS(found.spec) <= found.target
    assert found.accuracy == score(found.spec)
  names = [found.spec.name for found in result.found]
  assert names[-1] == "mobilenet_v3_demo_found" and len(set(names)) == 3
  assert names[0] == f"mobilenet_v3_demo_found_at_{0.8 * LARGEST:g}"
  last = result.found[-1]
  assert (result.spec, result.resource, result.accuracy) == (
    last.spec,
    last.resource,
    last.accuracy,
  )
  accuracies = [found.accuracy for found in result.found]
  assert accuracies == sorted(accuracies, reverse=True)
  # A target more is room that is used: what is found for it is larger than what the next allows.
  assert result.found[0].resource > result.found[1].target


@pytest.mark.parametrize("name", ["mcd", "scd", "netadaptv1"])
def test_a_descent_stops_at_every_target_so_that_no_accuracy_is_given_away(name):
  # A step of 40 % would jump from 100 % over 90 % and 75 % at once.
  optimizer = dataclasses.replace(OPTIMIZERS[name], initial_reduction=0.4)
  if name == "mcd":
    result = minimize(_problem(0.9, 0.75, 0.3), optimizer, Evaluator())
    assert all(0.95 * found.target < found.resource for found in result.found)
  result = minimize(_problem(0.95, 0.3), optimizer, Evaluator())
  assert result.found[0].resource > 0.85 * LARGEST
  assert len(minimize(_problem(0.3), optimizer, Evaluator()).iterations) < len(result.iterations)


def test_an_iteration_cut_short_by_a_target_does_not_count_in_the_schedule():
  # 10 %, then a tenth as much: 10 + 1 + 0.1 + ... add up to 11.1 %, and end above 88.8 %.
  optimizer = MultiLayerCoordinateDescent(20, 3, 0.1, 0.1, "accuracy")
  with pytest.raises(UnreachableTarget, match="take off 11%"):
    minimize(_problem(0.99, 0.98, 0.97, 0.88), optimizer, Evaluator())
  # 89.5 % is above that. Were the three short iterations counted, 0.1 % steps would be left at
  # 97 %, too small to go on with: 3 % + 0.011 % in all.
  result = minimize(_problem(0.99, 0.98, 0.97, 0.895), optimizer, Evaluator())
  shares = [iteration.best.resource / LARGEST for iteration in result.iterations]
  assert all(share > 0.95 for share in shares[:3])
  assert shares[3] <= 0.895 and len(shares) == 4


def test_one_target_has_the_journal_it_always_had(tmp_path):
  path = tmp_path / "search.jsonl"
  minimize(_problem(0.8), MCD, Evaluator(), path, seed=3)
  lines = path.read_bytes().splitlines()
  assert sorted(json.loads(lines[0])) == sorted(
    ["type", "space", "input_shape", "start", "unit", "target", "optimizer", "settings", "seed"]
  )
  # Every sample and every iteration of this seed, as they were on 2026-11-29.
  assert zlib.crc32(b"\n".join(lines[1:])) == 1111195252


def test_targets_and_limits_stand_in_the_header(tmp_path):
  path = tmp_path / "search.jsonl"
  minimize(_problem(0.9, 0.8, limits=_parameters(0.5)), MCD, Evaluator(), path)
  header = json.loads(path.read_text().splitlines()[0])
  assert (header["target"], header["larger_targets"]) == (0.8 * LARGEST, [0.9 * LARGEST])
  assert header["limits"] == [["parameters", 0.5 * MOST_PARAMETERS]]


def test_a_target_that_the_start_meets_is_met_by_the_start():
  result = minimize(_problem(1.2, 1.0, 0.8), MCD, Evaluator())
  for found in result.found[:2]:
    assert found.spec.blocks == SPACE.largest().blocks
    assert (found.resource, found.accuracy) == (LARGEST, None)
  alone = minimize(_problem(0.8), MCD, Evaluator())
  assert result.found[2] == alone.found[0] and result.iterations == alone.iterations


@pytest.mark.parametrize("larger", [0.8, 0.7, float("nan"), float("inf")])
def test_larger_targets_must_be_larger(larger):
  with pytest.raises(ValueError, match="must be above the target of .* MACs, got"):
    minimize(_problem(larger, 0.8), MCD, Evaluator())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.5, 0.15])
def test_the_found_networks_meet_all_limits(name, share):
  limit = share * MOST_PARAMETERS
  result = minimize(_problem(0.8, 0.45, limits=_parameters(share)), OPTIMIZERS[name], Evaluator())
  for found in result.found:
    assert MACS(found.spec) == found.resource <= found.target
    assert PARAMETERS(found.spec) <= limit
  # The limit costs MACs, where it binds: both targets are not used up then, the larger least.
  if share == 0.15:
    assert result.found[0].resource < 0.8 * LARGEST


def test_a_limit_that_does_not_bind_changes_nothing():
  free = minimize(_problem(0.6), MCD, Evaluator())
  assert minimize(_problem(0.6, limits=_parameters(1.0)), MCD, Evaluator()) == free


@pytest.mark.parametrize("seed", range(3))
def test_a_limit_that_binds_is_used_up(seed):
  result = minimize(_problem(0.9, limits=_parameters(0.3)), MCD, Evaluator(), seed=seed)
  assert 0.28 * MOST_PARAMETERS < PARAMETERS(result.spec) <= 0.3 * MOST_PARAMETERS
  # Parameters first go where they are most, so MACs are left that the target would allow.
  assert result.resource < 0.9 * LARGEST


def test_a_start_that_meets_the_target_but_no_limit_is_searched_from():
  result = minimize(_problem(1.0, limits=_parameters(0.6)), MCD, Evaluator())
  assert PARAMETERS(result.spec) <= 0.6 * MOST_PARAMETERS and result.iterations


def test_an_infeasible_limit_names_the_smallest_value():
  smallest = PARAMETERS(SPACE.smallest())
  limits = ((MacsMeter(), LARGEST), (ParametersMeter(), smallest - 1))
  message = f"The limit of {smallest - 1:g} parameters .* has {smallest:g} parameters"
  with pytest.raises(UnreachableTarget, match=message):
    minimize(_problem(0.8, limits=limits), MCD, Evaluator())


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_a_limit_must_be_a_positive_number(limit):
  with pytest.raises(ValueError, match="limit must be a number above 0 parameters, got"):
    minimize(_problem(0.8, limits=((ParametersMeter(), limit),)), MCD, Evaluator())


class Constant:
  """A meter that gives the same for every network."""

  unit, is_exact = "things", True

  def __init__(self, value):
    self._value = value

  def measure(self, spec):
    return self._value


@pytest.mark.parametrize(
  ("resource", "values", "expected"),
  [
    (7.0, [], 7.0),
    (12.0, [], 12.0),
    (7.0, [3.0], 7.0),  # of 4: met, and so no matter
    (7.0, [4.0], 7.0),
    (7.0, [6.0], 15.0),  # half as much again as allowed: 10 x 1.5
    (12.0, [6.0], 15.0),
    (18.0, [6.0], 18.0),  # the target is further off
    (18.0, [6.0, 8.0], 20.0),
  ],
)
def test_target_and_limits_are_one_number(resource, values, expected):
  limits = [(Constant(value), 4.0) for value in values]
  assert LimitedMeter(Constant(resource), 10.0, limits).measure(None) == expected


def test_a_limit_exceeded_by_the_smallest_step_is_not_met():
  rng = random.Random(0)
  for _ in range(1000):
    target, drawn = (2.0 ** rng.uniform(-30, 30) for _ in range(2))
    for limit in (drawn, math.nextafter(2.0, 0.0), 1.0):
      limits = [(Constant(math.nextafter(limit, math.inf)), limit)]
      assert LimitedMeter(Constant(target / 2), target, limits).measure(None) > target
      met = [(Constant(limit), limit)]
      assert LimitedMeter(Constant(target), target, met).measure(None) == target


class Stopwatch:
  """A limit's meter that is not exact: every measurement gives another number."""

  unit, is_exact = "ms", False

  def __init__(self):
    self.asked = []

  def measure(self, spec):
    self.asked.append(SPACE.encode(spec))
    return PARAMETERS(spec) * (1 + len(self.asked) / 1e9)


def test_a_limit_that_must_be_measured_is_measured_once_and_journalled(tmp_path):
  path, meter = tmp_path / "search.jsonl", Stopwatch()
  limits = ((MacsMeter(), LARGEST), (meter, 0.4 * MOST_PARAMETERS))
  problem = _problem(0.8, limits=limits)
  result = minimize(problem, MCD, Evaluator(), path)
  text = path.read_bytes()
  entries = [json.loads(line) for line in text.splitlines()]
  measured = [entry for entry in entries if entry["type"] == "measurement"]
  assert [tuple(entry["widths"]) for entry in measured] == meter.asked
  assert len(set(meter.asked)) == len(meter.asked)
  assert {entry["limit"] for entry in measured} == {2}
  again = Stopwatch()
  problem = _problem(0.8, limits=((MacsMeter(), LARGEST), (again, 0.4 * MOST_PARAMETERS)))
  assert minimize(problem, MCD, Evaluator(), path) == result
  assert again.asked == [] and path.read_bytes() == text
