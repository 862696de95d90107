"""The search that a plan goes through: a likely table, and what it finds by it."""

import pytest

from nadv2_tf import backbones
from nadv2_tf.benchmarks.tables.plan import planned_pieces
from nadv2_tf.pipeline.aim.ranges import middle
from nadv2_tf.pipeline.plan.simulation import (
  OPERATOR_MACS,
  _Capacity,
  _macs,
  likely_table,
  macs_meter,
  simulate,
)
from nadv2_tf.resources.latency_table import LatencyTable

SPACE = backbones.search_space("mobilenet_v3_demo")
#: the middle network as much faster as it has fewer MACs: no layer has a cost of its own
RAW = LatencyTable({piece: _macs(piece) + OPERATOR_MACS for piece in planned_pieces(SPACE)})
SHARE = RAW.measure(middle(SPACE)) / RAW.measure(SPACE.largest())
COSTS = {"smallest": 0.1, "middle": 2.0 * SHARE, "largest": 2.0}


def by_kind(table):
  """{kind: milliseconds of a multiply-accumulate} of a table of measured kinds."""
  return {
    piece.kind: table.rows[piece] / (_macs(piece) + OPERATOR_MACS)
    for piece in planned_pieces(SPACE)
  }


def test_without_measurements_all_macs_take_the_same():
  table = likely_table(SPACE, COSTS)
  assert table.measure(SPACE.largest()) == pytest.approx(2.0)
  rates = by_kind(table).values()
  assert max(rates) == pytest.approx(min(rates))


def test_a_kind_takes_what_its_measured_pieces_take():
  pieces = planned_pieces(SPACE)
  some = [piece for piece in pieces if piece.kind in ("conv", "depthwise")][::3]
  slow = {"conv": 1.0, "depthwise": 7.0}
  measured = [(piece, slow[piece.kind] * (_macs(piece) + OPERATOR_MACS)) for piece in some]
  table = likely_table(SPACE, COSTS, measured)
  assert table.measure(SPACE.largest()) == pytest.approx(2.0)
  rates = by_kind(table)
  assert rates["depthwise"] == pytest.approx(7 * rates["conv"])
  # A kind of which nothing was measured takes what a piece takes on average.
  assert rates["conv"] < rates["add"] < rates["depthwise"]


def test_what_a_layer_takes_at_least_comes_from_the_middle_network():
  table = likely_table(SPACE, COSTS | {"middle": 2.4 * SHARE})
  assert table.measure(SPACE.largest()) == pytest.approx(2.0)
  assert table.measure(middle(SPACE)) == pytest.approx(2.4 * SHARE)
  # A middle network that is faster than any such table could have it: the largest one counts.
  fast = likely_table(SPACE, COSTS | {"middle": 0.2 * SHARE})
  assert fast.measure(SPACE.largest()) == pytest.approx(2.0)
  assert min(fast.rows.values()) > 0


def test_more_macs_score_higher():
  low, high = _Capacity(SPACE).accuracy([SPACE.smallest(), SPACE.largest()])
  assert 0 < low < high == 1


def test_weights_that_are_trained_in_turn_are_not_searched_with(options):
  given = options("macs", search_optimizer="fp_nas", shared_weights="in_turn")
  targets = [share * SPACE.largest().macs() for share in (0.6, 0.4)]
  simulated = simulate(given, SPACE, macs_meter(), targets, (), 0)
  assert (simulated.iterations, simulated.samples) == (2, 2)
  for spec, target in zip(simulated.found, targets, strict=True):
    assert 0.9 * target < spec.macs() <= target


def test_the_steps_downhill_of_a_search_are_counted(options):
  given = options("macs", search_optimizer="differentiable", descent_steps=60, predictor_samples=50)
  target = [0.6 * SPACE.largest().macs()]
  simulated = simulate(given, SPACE, macs_meter(), target, (), 0)
  # Of each weight of the resource as many; at least two are tried, and at most nine.
  assert simulated.descent_steps in range(120, 541, 60) and simulated.descent_images == 64
  assert simulated.samples <= 10 and simulated.found[0].macs() <= target[0]
  modelled = options("macs", search_optimizer="differentiable", refits=1, slopes="surrogate")
  assert simulate(modelled, SPACE, macs_meter(), target, (), 0).descent_steps == 0
