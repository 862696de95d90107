"""MACs and parameters as meters: the same contract for every counted metric."""

import random

import pytest

from nadv2_tf import backbones
from nadv2_tf.resources import COUNTS, MacsMeter, ParametersMeter, counts
from nadv2_tf.spec import NetworkSpec, Skip
from nadv2_tf.spec.blocks import Conv, Head, Upsample

# Metric, its unit, and the spec's own count that it must equal.
CASES = (
  ("macs", "MACs", NetworkSpec.macs),
  ("parameters", "parameters", NetworkSpec.parameters),
)


def test_every_counted_metric_stands_in_the_table():
  assert sorted(COUNTS) == [name for name, _, _ in CASES]
  assert (COUNTS["macs"], COUNTS["parameters"]) == (MacsMeter, ParametersMeter)


@pytest.mark.parametrize(("name", "unit", "count"), CASES)
@pytest.mark.parametrize("backbone", list(backbones.BACKBONES))
def test_a_meter_is_the_sum_of_its_blocks(name, unit, count, backbone):
  space, meter = backbones.search_space(backbone), COUNTS[name]()
  assert meter.unit == unit and meter.is_exact
  for spec in [space.largest(), space.smallest(), space.sample(random.Random(0))]:
    costs = meter.block_costs(spec)
    assert len(costs) == len(spec.blocks)
    assert meter.measure(spec) == sum(costs) == count(spec)
    assert isinstance(meter.measure(spec), float)


def test_costs_of_each_block_worked_by_hand():
  spec = NetworkSpec(
    "tiny",
    (4, 4, 2),
    (Conv(3, 3, 2), Upsample(2), Conv(5), Head(2)),
    (Skip(1, 2),),
  )
  assert MacsMeter().block_costs(spec) == (4 * 3 * 9 * 2, 0, 16 * 5 * 3, 2 * 5)
  assert ParametersMeter().block_costs(spec) == (3 * (9 * 2 + 2), 0, 5 * (3 + 2), 2 * (5 + 1))


def test_a_full_memory_of_blocks_forgets_and_still_counts(monkeypatch):
  space, rng = backbones.search_space("mobilenet_v3_demo"), random.Random(1)
  monkeypatch.setattr(counts, "LARGEST_MEMORY", 3)
  meter, asked = MacsMeter(), []
  sums = counts.LayerSum(lambda layer: asked.append(layer) or layer.macs())
  for spec in [space.sample(rng) for _ in range(5)]:
    assert meter.measure(spec) == spec.macs() == sum(sums.of_blocks(spec))
  monkeypatch.undo()
  assert sum(sums.of_blocks(spec)) == spec.macs()
  asked.clear()
  assert sum(sums.of_blocks(spec)) == spec.macs() and asked == []  # all of it remembered


def test_an_unknown_metric_lists_the_known_ones():
  with pytest.raises(ValueError, match="'energy'. Known: macs, parameters"):
    COUNTS["energy"]
