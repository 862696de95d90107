"""What a method needs is told before anything is scored."""

import dataclasses

import pytest
from toy import SPACE

from nadv2_tf.resources import COUNTS, MacsMeter, PeakMemoryMeter
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import Piece
from nadv2_tf.search import MultiLayerCoordinateDescent, Problem, RandomSearch, UnmetNeed, minimize
from nadv2_tf.search.needs import ADDITIVE, AdditiveMeter, LatencyMeter, Need, name_of


@dataclasses.dataclass(frozen=True)
class Exacting(RandomSearch):
  needs = (ADDITIVE,)


def _problem(meter):
  return Problem(SPACE, SPACE.largest(), meter, 0.5 * meter.measure(SPACE.largest()))


class Evaluator:
  def __init__(self):
    self.asked = 0

  def accuracy(self, specs):
    self.asked += len(specs)
    return [0.5] * len(specs)


def test_which_meters_add_up():
  added = {name for name in COUNTS if isinstance(COUNTS[name](), AdditiveMeter)}
  assert added == {"macs", "parameters", "size_bytes"}
  table = LatencyTable({Piece("conv", 8, 8, 1, 1, 3, 1): 0.1})
  assert isinstance(table, AdditiveMeter) and isinstance(table, LatencyMeter)
  assert not isinstance(MacsMeter(), LatencyMeter)


def test_a_metric_that_is_no_sum_is_refused_before_anything_is_scored(tmp_path):
  evaluator, path = Evaluator(), tmp_path / "search.jsonl"
  message = "Exacting needs a metric that adds up .* bytes .PeakMemoryMeter. is not. Take --metric="
  with pytest.raises(UnmetNeed, match=message) as error:
    minimize(_problem(PeakMemoryMeter()), Exacting(5), evaluator, path)
  assert "\n" not in str(error.value)
  assert evaluator.asked == 0 and not path.exists()
  assert minimize(_problem(MacsMeter()), Exacting(5), evaluator).samples_scored == 5


def test_costs_that_would_be_measured_for_every_block_are_none():
  class Wattmeter(MacsMeter):
    is_exact = False

  assert ADDITIVE.is_met_by(MacsMeter()) and not ADDITIVE.is_met_by(Wattmeter())


def test_a_need_of_the_evaluator():
  class Patient(Evaluator):
    def wait(self): ...

  @dataclasses.dataclass(frozen=True)
  class Waiting(RandomSearch):
    needs = (Need("evaluator", Patient, "patience", "Wait."), ADDITIVE)

  with pytest.raises(UnmetNeed, match="Waiting needs patience, which Evaluator is not. Wait."):
    minimize(_problem(MacsMeter()), Waiting(5), Evaluator())
  assert minimize(_problem(MacsMeter()), Waiting(5), Patient()).samples_scored == 5


def test_optimizers_go_by_their_registered_names():
  assert name_of(MultiLayerCoordinateDescent()) == "mcd"
  assert name_of(Exacting()) == "Exacting"
