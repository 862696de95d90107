"""Shrinking a sample: what its goal does not need is taken back, where asking costs nothing."""

import itertools
import operator
import random

import pytest

from nadv2_tf import backbones
from nadv2_tf.resources import MacsMeter
from nadv2_tf.search import MultiLayerCoordinateDescent, Problem
from nadv2_tf.search.descent import layers_of, shrunk

DEMO = backbones.search_space("mobilenet_v3_demo")
LARGEST = MacsMeter().measure(DEMO.largest())


class CostlyBypass(MacsMeter):
  """As where a bypass costs a copy: the first filters that are removed raise the resource."""

  def __init__(self, space):
    super().__init__()
    self._space, self._full = space, space.encode(space.largest())

  def measure(self, spec):
    cut = sum(map(operator.ne, self._space.encode(spec), self._full))
    return super().measure(spec) * (1 + 0.004 * cut)


@pytest.mark.parametrize("make_meter", [lambda space: MacsMeter(), CostlyBypass])
@pytest.mark.parametrize("name", ["mobilenet_v3_demo", "fastdepth"])
def test_a_sample_has_no_step_that_its_goal_does_not_need(name, make_meter):
  space = backbones.search_space(name)
  meter, start = make_meter(space), space.largest()
  resource = meter.measure(start)
  optimizer = MultiLayerCoordinateDescent(20, 8, 0.03, choose_by="accuracy")
  samples = next(optimizer.search(Problem(space, start, meter, resource / 2), random.Random(0)))
  assert len(samples) == 20
  for sample in samples:
    assert meter.measure(sample) <= 0.97 * resource
    for column in range(len(space)):
      larger = space.grow(sample, column, start)
      assert larger is None or meter.measure(larger) > 0.97 * resource


@pytest.mark.parametrize("is_exact", [False, True])
def test_only_an_exact_meter_is_asked_about_steps_back(is_exact):
  asked = []

  class Asked(MacsMeter):
    def measure(self, spec):
      asked.append(sum(DEMO.encode(spec)))
      return super().measure(spec)

  Asked.is_exact = is_exact
  problem = Problem(DEMO, DEMO.largest(), Asked(), LARGEST / 2)
  next(
    MultiLayerCoordinateDescent(1, 8, 0.1, choose_by="accuracy").search(problem, random.Random(0))
  )
  back = any(later > earlier for earlier, later in itertools.pairwise(asked[2:]))
  assert back == is_exact


@pytest.mark.parametrize("is_exact", [False, True])
def test_no_layer_takes_a_second_step_before_all_had_their_first(is_exact):
  """Steps back aside, which an exact meter has: what counts is the first network at the goal."""
  goal, at_goal = 0.9 * LARGEST, []

  class Noted(MacsMeter):
    def measure(self, spec):
      value = super().measure(spec)
      if value <= goal:
        at_goal.append(spec)
      return value

  Noted.is_exact = is_exact
  problem, full = Problem(DEMO, DEMO.largest(), Noted(), LARGEST / 2), DEMO.encode(DEMO.largest())
  layers = layers_of(DEMO)
  several = 0
  for seed in range(40):
    rng = random.Random(seed)
    chosen = rng.sample(layers, 10)
    at_goal.clear()
    assert shrunk(problem, DEMO.largest(), chosen, goal, rng) is not None
    row = DEMO.encode(at_goal[0])
    steps = [
      sum(
        len(DEMO.decisions[column].choices) - 1 - DEMO.decisions[column].choices.index(row[column])
        for column in layer
      )
      for layer in chosen
    ]
    assert max(steps) - min(steps) <= 1
    assert all(row[c] == full[c] for c in range(len(DEMO)) if all(c not in one for one in chosen))
    several += sum(map(bool, steps))
  assert several / 40 > 8
