"""FLASH: predictors with their errors, the hierarchy of stages, and what comes of it."""

import itertools
import json
import logging
import math
import random
import statistics

import pytest
from toy import SPACE

from nadv2_tf import backbones
from nadv2_tf.resources import COUNTS, MacsMeter, ParametersMeter
from nadv2_tf.search import Candidate, Problem, minimize
from nadv2_tf.search.choices import choices
from nadv2_tf.search.flash import Flash, Predicted
from nadv2_tf.search.hierarchy import improved, improved_within, lowest
from nadv2_tf.search.nn_degree import nn_degree
from nadv2_tf.search.predictors import AccuracyPredictor, ResourceModel, leave_one_out
from nadv2_tf.search.stages import MOST_DIMENSIONS, Stages

MACS = MacsMeter()
DEMO = backbones.search_space("mobilenet_v3_demo")
TRUE = AccuracyPredictor(1.1, 40.0, -2.0)


def _samples(count=25, noise=0.0):
  rng = random.Random(1)
  degrees = [rng.uniform(20, 200) for _ in range(count)]
  return degrees, [TRUE(degree) + noise * rng.gauss(0, 1) for degree in degrees]


def test_the_predictor_is_fitted_to_what_made_the_samples():
  degrees, accuracies = _samples()
  assert TRUE(50.0) == pytest.approx(1 / (1.1 + math.exp(40 / 50 - 2)))
  found = AccuracyPredictor.fitted(degrees, accuracies)
  for degree in (30.0, 100.0, 300.0):
    assert found(degree) == pytest.approx(TRUE(degree), abs=1e-4)
  assert found(1e-9) == pytest.approx(0, abs=1e-9)  # and nothing overflows


def test_its_error_is_that_on_samples_it_does_not_know():
  assert leave_one_out(*_samples()) < 1e-4
  # Noise of 0.02 and 25 samples: the error is within a third of it but for one in a thousand.
  assert leave_one_out(*_samples(noise=0.02)) == pytest.approx(0.02, rel=0.34)
  degrees, accuracies = _samples(noise=0.02)
  fit = AccuracyPredictor.fitted(degrees, accuracies)
  squares = [(fit(d) - a) ** 2 for d, a in zip(degrees, accuracies, strict=True)]
  assert leave_one_out(degrees, accuracies) > math.sqrt(statistics.mean(squares))


def test_more_is_never_predicted_to_be_worse():
  degrees = [10.0, 20.0, 30.0, 40.0]
  falling = AccuracyPredictor.fitted(degrees, [0.9, 0.7, 0.6, 0.5])
  assert falling.b >= 0 and falling(40.0) >= falling(10.0)


@pytest.mark.parametrize("name", ["macs", "parameters", "size_bytes"])
def test_a_resource_of_layers_is_modelled(name):
  meter, rng = COUNTS[name](), random.Random(0)
  specs = [DEMO.sample(rng) for _ in range(25)]
  model = ResourceModel.fitted(meter, specs)
  assert all(weight >= 0 for weights in model.weights.values() for weight in weights)
  assert model.error(meter, [DEMO.sample(rng) for _ in range(10)]) < 0.01


def test_a_resource_that_some_networks_have_none_of_has_an_error():
  class Spilled:
    """Parameters above those of half the samples."""

    unit, is_exact = "parameters", True

    def measure(self, spec):
      return max(ParametersMeter().measure(spec) - middle, 0.0)

  specs, rng = [SPACE.smallest(), SPACE.largest()], random.Random(0)
  specs += [SPACE.sample(rng) for _ in range(10)]
  middle = statistics.median(map(ParametersMeter().measure, specs))
  nothing = ResourceModel({})
  assert nothing.error(Spilled(), specs) == 1.0
  assert 0 < ResourceModel.fitted(Spilled(), specs).error(Spilled(), specs) < 1.0
  assert nothing.error(Spilled(), specs[:1]) == 0.0  # it costs 0, as it is told to


class Table:
  """What a table is asked: a microsecond a layer, and a nanosecond for each MAC of some kinds."""

  unit, is_exact = "ms", True

  def layer_milliseconds(self, layer):
    return 1e-3 + (1e-6 if layer.kind == "conv" else 3e-6) * layer.macs()

  def block_costs(self, spec):
    return tuple(sum(map(self.layer_milliseconds, layers)) for layers in spec.layers())

  def measure(self, spec):
    return sum(self.block_costs(spec))


def test_a_latency_table_is_modelled_layer_by_layer():
  model = ResourceModel.fitted(Table(), [SPACE.largest()])
  constant, mac, *_ = model.weights["conv"]
  assert constant == pytest.approx(1e-3, rel=0.05) and mac == pytest.approx(1e-6, rel=0.05)
  assert model.error(Table(), [SPACE.largest(), SPACE.sample(random.Random(0))]) < 0.05


def test_stages_are_blocks_of_one_resolution_and_five_at_most():
  stages = Stages(SPACE, choices(SPACE))
  assert stages.groups == [(0, 1), (2,), (3,)]
  fastdepth = backbones.search_space("fastdepth")
  joined = Stages(fastdepth, choices(fastdepth, 2))
  assert len(joined.groups) == MOST_DIMENSIONS
  assert sum(joined.groups, ()) == tuple(range(len(joined.blocks)))
  assert all(len(part) <= MOST_DIMENSIONS for part in joined.parts())
  assert sum(joined.parts(), ()) == sum(joined.groups, ())


def test_shapes_of_stages_by_hand():
  stages = Stages(SPACE, choices(SPACE, 2))
  full = {name: (1.0,) * 3 for name in ("width", "length", "kernel")}
  assert stages.network(stages.picks(full)) == SPACE.largest()
  # Of the first stage the inverted residual goes, as the stem may not; the third stays.
  short = stages.picks(full | {"length": (0.0, 0.0, 1.0)})
  assert short == (2, 0, 0, 2)
  # Half the way of two levels is the first of them; the smallest kernel.
  half = stages.picks(full | {"width": (0.4, 0.4, 0.4), "kernel": (0.0, 0.0, 0.0)})
  assert [stages.blocks[1].choices[half[1]].level, stages.blocks[1].choices[half[1]].kernel] == [
    1,
    3,
  ]
  assert stages.inside(half, (0, 3), (0.0, 1.0)) == (0, half[1], half[2], 2)


def test_the_hierarchy_ends_low_and_single_blocks_do_the_rest(caplog):
  caplog.set_level(logging.INFO)
  stages = Stages(SPACE, choices(SPACE, 2))
  wanted = (1, 3, 1, 2)

  def distance(picks):
    return float(sum(abs(one - other) for one, other in zip(picks, wanted, strict=True)))

  found = lowest(stages, distance)
  assert caplog.text == "" and logging.root.manager.disable == 0
  assert distance(found) <= 2
  assert improved(stages, found, distance) == wanted


class Evaluator:
  def accuracy(self, specs):
    return [TRUE(nn_degree(spec)) for spec in specs]


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_where_its_metric_is_the_truth_what_it_finds_is_above_all_samples(share, tmp_path):
  path, largest = tmp_path / "search.jsonl", MACS.measure(DEMO.largest())
  problem = Problem(DEMO, DEMO.largest(), MACS, share * largest)
  result = minimize(problem, Flash(width_levels=2), Evaluator(), path)
  first, second, last = result.iterations
  assert result.spec.blocks == second.best.spec.blocks == last.best.spec.blocks
  assert result.samples_scored == 26
  entries = [json.loads(line) for line in path.read_text().splitlines()]
  samples = [entry for entry in entries if entry["type"] == "sample"]
  within = [entry["accuracy"] for entry in samples if entry["resource"] <= problem.target]
  assert result.accuracy == max(within)
  notes = [entry["notes"] for entry in entries if "notes" in entry]
  assert notes == [dict(second.notes)] and first.notes is None
  assert second.notes["leave_one_out_error_of_accuracy"] < 1e-3
  assert second.notes["relative_error_of_resource"] < 1e-6


def test_it_stays_below_a_limit_that_its_model_does_not_know_well():
  class Stepped:
    unit, is_exact = "mJ", False  # so that the model is asked, and not the meter

    def measure(self, spec):
      return 20.0 * (ParametersMeter().measure(spec) // 100 + 1) ** 1.5

  meter = Stepped()
  limit = 0.5 * meter.measure(SPACE.largest())
  problem = Problem(
    SPACE, SPACE.largest(), MACS, 0.9 * MACS.measure(SPACE.largest()), limits=((meter, limit),)
  )
  result = minimize(problem, Flash(flash_samples=8), Evaluator())
  assert meter.measure(result.spec) <= limit and result.resource <= problem.target


def _of_degree(spec):
  """Accuracy for which the toy space has much to gain above a target."""
  return min(1.0, 0.8 * nn_degree(spec) / nn_degree(SPACE.largest()))


def _predicted(target, seed, meter=MACS):
  """(what ten samples tell of all other networks, the settings)."""
  problem = Problem(SPACE, SPACE.largest(), meter, target)
  settings = Flash(flash_samples=10, width_levels=2 + seed % 3)
  asked = next(settings.search(problem, random.Random(seed)))
  samples = [Candidate(spec, _of_degree(spec), meter.measure(spec)) for spec in asked]
  return Predicted(problem, settings, samples), settings


@pytest.mark.parametrize("seed", range(12))
def test_what_is_predicted_is_next_to_the_best_of_all_networks_within_a_random_target(seed):
  target = random.Random(seed).uniform(
    1.02 * MACS.measure(SPACE.smallest()), MACS.measure(SPACE.largest())
  )
  predicted, settings = _predicted(target, seed)
  found = predicted.best(target)
  assert MACS.measure(found) <= target
  stages = Stages(SPACE, choices(SPACE, settings.width_levels))
  every = itertools.product(*(range(len(block.choices)) for block in stages.blocks))
  within = [spec for spec in map(stages.network, every) if MACS.measure(spec) <= target]
  # Of 60 such searches the worst was 2.3 % of the largest network's degree below the best.
  best = max(map(nn_degree, within))
  assert nn_degree(found) >= best - 0.03 * nn_degree(SPACE.largest())


# Where more accuracy than an excess of the target costs was to be had above it, nothing was found.
@pytest.mark.parametrize("target", [6671, 7735])
def test_a_target_that_the_best_prediction_is_just_above_is_used(target):
  class OfDegree:
    def accuracy(self, specs):
      return list(map(_of_degree, specs))

  problem = Problem(SPACE, SPACE.largest(), MACS, target)
  result = minimize(problem, Flash(flash_samples=10), OfDegree())
  assert 0.9 * target < result.resource <= target and result.accuracy > 0.75


class Rough:
  """Steps of a stopwatch that no sum over layers gives; remembers what it was asked."""

  unit, is_exact = "mJ", False

  def __init__(self):
    self.asked = []

  def measure(self, spec):
    self.asked.append(spec)
    return 20.0 * (ParametersMeter().measure(spec) // 100 + 1) ** 1.5


@pytest.mark.parametrize("seed", range(6))
def test_what_a_model_tells_wrongly_is_held_to_less_until_the_target_is_met(seed):
  meter = Rough()
  low, high = map(meter.measure, (SPACE.smallest(), SPACE.largest()))
  target = random.Random(seed).uniform(1.02 * low, high)
  predicted, _ = _predicted(target, seed, meter)
  meter.asked.clear()
  found = predicted.best(target)
  assert meter.measure(found) <= target
  assert len(set(map(SPACE.encode, meter.asked))) <= 11  # a correction measures one network


def test_where_the_models_never_meet_a_target_the_best_sample_within_is_taken():
  class Secret:
    """Within the target are the smallest network and what was sampled."""

    unit, is_exact = "mJ", False

    def measure(self, spec):
      return MACS.measure(spec) if spec in allowed else 1e9

  problem = Problem(SPACE, SPACE.largest(), Secret(), 5000.0)
  specs = [SPACE.sample(random.Random(seed)) for seed in range(40)]
  allowed = [SPACE.smallest(), *(spec for spec in specs if 4000 < MACS.measure(spec) < 5000)]
  samples = [Candidate(spec, _of_degree(spec), Secret().measure(spec)) for spec in specs]
  predicted = Predicted(problem, Flash(width_levels=1), samples)
  assert len(allowed) > 2 and predicted.best(5000.0) == max(allowed, key=nn_degree)


def test_a_bound_is_kept_however_much_is_to_be_had_above_it():
  stages = Stages(SPACE, choices(SPACE, 2))

  def value(picks):
    return -1000.0 * sum(picks)

  def excess(picks):
    return max(sum(picks) - 4.0, 0.0)

  full = tuple(len(block.choices) - 1 for block in stages.blocks)
  assert sum(improved_within(stages, full, value, excess)) == 4
