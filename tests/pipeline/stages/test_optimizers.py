"""From --search_optimizer and the flags beside it to an optimizer."""

import re

import pytest

from nadv2_tf.options.search import optimizer_names
from nadv2_tf.pipeline.stages import optimizers
from nadv2_tf.pipeline.stages.search import check_workers
from nadv2_tf.resources import MacsMeter
from nadv2_tf.search import (
  OPTIMIZERS,
  Differentiable,
  Evolution,
  Flash,
  FpNas,
  Hurricane,
  IntegerProgram,
  LayerNAS,
  MultiLayerCoordinateDescent,
  Problem,
  RandomSearch,
  SingleLayerCoordinateDescent,
  UniformScaling,
  UnreachableTarget,
  minimize,
)
from nadv2_tf.training import strategies


@pytest.fixture
def problem(tiny_space):
  """Half the MACs of the largest network."""
  largest = tiny_space.largest()
  return Problem(tiny_space, largest, MacsMeter(), MacsMeter().measure(largest) / 2)


CASES = (
  ({}, MultiLayerCoordinateDescent(24, 3, 0.2, 0.98)),
  ({"samples_per_iteration": 7, "layers_per_sample": 4}, MultiLayerCoordinateDescent(7, 4, 0.2)),
  ({"search_optimizer": "scd"}, SingleLayerCoordinateDescent(0.2, 0.98)),
  ({"search_optimizer": "random", "samples": 9}, RandomSearch(9)),
  # 0.2 + 0.2 x 0.98 + 0.2 x 0.98^2 = 0.588 is more than half: 3 iterations of 24.
  ({"search_optimizer": "random"}, RandomSearch(72)),
  ({"search_optimizer": "evolution"}, Evolution()),
  ({"search_optimizer": "evolution", "generations": 2}, Evolution(generations=2)),
  ({"search_optimizer": "flash", "flash_samples": 5}, Flash(5)),
  (
    {"search_optimizer": "fp_nas", "search_steps": 3, "step_size": 0.2},
    FpNas(3, step_size=0.2),
  ),
  ({"search_optimizer": "hurricane", "generations": 3}, Hurricane(generations=3)),
  ({"search_optimizer": "differentiable", "refits": 2}, Differentiable(100, 2)),
  ({"search_optimizer": "layernas"}, LayerNAS(100, 1, 4)),
  ({"search_optimizer": "layernas", "buckets": 8, "width_levels": 2}, LayerNAS(8, 1, 2)),
  ({"search_optimizer": "integer_program"}, IntegerProgram("measured", 50, 4, 4, 5)),
  ({"search_optimizer": "integer_program", "gains": "regressed"}, IntegerProgram("regressed")),
  ({"search_optimizer": "uniform"}, UniformScaling()),
)


@pytest.mark.parametrize(("changes", "expected"), CASES, ids=str)
def test_an_optimizer_gets_its_flags(problem, options, changes, expected):
  given = options("macs", **changes)
  optimizers.check(given)
  assert optimizers.optimizer_of(given, problem) == expected


def test_every_optimizer_is_either_a_choice_or_explained():
  assert {*optimizer_names(), "netadaptv1"} == set(OPTIMIZERS)


class KeptMacs:
  """More MACs are better; counts what it is asked."""

  def __init__(self, problem):
    self._most = 1.01 * problem.meter.measure(problem.start)
    self.asked = 0

  def accuracy(self, specs):
    self.asked += len(specs)
    return [spec.macs() / self._most for spec in specs]


#: settings of those that would search for long by themselves
BRIEF = {
  "differentiable": {"refits": 1, "descent_steps": 10, "predictor_samples": 30},
  "fp_nas": {"search_steps": 5},
}


def test_several_workers_go_downhill_in_nothing_of_their_own(options, monkeypatch):
  monkeypatch.setattr(strategies, "is_multi_worker", lambda strategy: True)
  with pytest.raises(ValueError, match="downhill on one device, .* Take --slopes=surrogate"):
    check_workers(None, options("macs", search_optimizer="differentiable"))
  check_workers(None, options("macs", search_optimizer="differentiable", slopes="surrogate"))
  check_workers(None, options("macs"))


@pytest.mark.parametrize("name", optimizer_names())
def test_every_choice_searches(problem, options, name):
  given = options("macs", search_optimizer=name, **BRIEF.get(name, {}))
  optimizer = optimizers.optimizer_of(given, problem)
  evaluator = KeptMacs(problem)
  result = minimize(problem, optimizer, evaluator)
  assert 0 < result.resource <= problem.target
  assert result.accuracy is not None
  assert evaluator.asked == 1 if name == "uniform" else evaluator.asked > 1


def test_samples_are_shared_among_the_targets(problem, options):
  three = Problem(
    problem.space,
    problem.start,
    problem.meter,
    problem.target,
    (1.2 * problem.target, 1.5 * problem.target),
  )
  assert optimizers.optimizer_of(options(search_optimizer="random"), three).samples == 72 / 3
  odd = options(search_optimizer="random", samples_per_iteration=7)
  assert optimizers.optimizer_of(odd, three).samples == 7  # 21 / 3


def test_a_target_that_the_start_meets_needs_no_samples(problem, options):
  met = Problem(problem.space, problem.start, problem.meter, 1e9)
  assert optimizers.optimizer_of(options(search_optimizer="random"), met).samples == 1


SLOW = {"initial_reduction": 0.01, "reduction_decay": 0.5}


@pytest.mark.parametrize("name", ["mcd", "scd"])
def test_a_schedule_that_ends_above_the_target_is_refused(problem, options, name):
  with pytest.raises(UnreachableTarget, match="all iterations together take off 2%"):
    optimizers.optimizer_of(options(search_optimizer=name, **SLOW), problem)


def test_samples_without_a_schedule_must_be_given(problem, options):
  with pytest.raises(ValueError, match="--samples must be given: .* take off 2%") as error:
    optimizers.optimizer_of(options(search_optimizer="random", **SLOW), problem)
  assert "\n" not in str(error.value)
  given = options(search_optimizer="random", samples=5, **SLOW)
  assert optimizers.optimizer_of(given, problem) == RandomSearch(5)


def test_a_schedule_that_only_tends_to_the_target_ends(problem, options):
  # 0.25 (1 + 0.5 + 0.25 + ...) = 0.5 of the resource, which is the target.
  given = options(search_optimizer="random", initial_reduction=0.25, reduction_decay=0.5)
  assert 24 * 20 < optimizers.optimizer_of(given, problem).samples < 24 * 100


def test_a_uniform_network_that_is_too_large_is_refused_before_training(problem, options):
  smallest = Problem(problem.space, problem.start, problem.meter, 10.0)
  with pytest.raises(UnreachableTarget, match="No uniformly scaled network gets to 10 MACs"):
    optimizers.optimizer_of(options(search_optimizer="uniform"), smallest)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"samples": 5}, "--samples is for --search_optimizer=random; mcd does not take it."),
    (
      {"samples": 5, "search_optimizer": "evolution"},
      "--samples is for --search_optimizer=random; evolution does not take it.",
    ),
    (
      {"generations": 5, "search_optimizer": "scd"},
      "--generations is for --search_optimizer=evolution or hurricane; scd does not take it.",
    ),
    (
      {"search_optimizer": "anneal"},
      "must be one of .*evolution, .*mcd, .*uniform, got",
    ),
    (
      {"half_epochs": 1.0},
      "--half_epochs is for --search_optimizer=hurricane, .* mcd does not take it.",
    ),
    (
      {"half_epochs": 1.0, "search_optimizer": "hurricane", "target": "50%,30%"},
      "--half_epochs trains the super-network for one target, .* leave --half_epochs out",
    ),
    ({"search_optimizer": "netadaptv1"}, "netadaptv1 trains every sample, .* TrainingEvaluator"),
  ],
  ids=str,
)
def test_what_does_not_fit_is_refused_in_one_line(options, changes, message):
  with pytest.raises(ValueError, match=message) as error:
    optimizers.check(options(**changes))
  assert "\n" not in str(error.value) and re.match("--", str(error.value))
