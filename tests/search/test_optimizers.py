"""The contract of every optimizer; a new one joins by being registered."""

import json
import random
import zlib

import pytest
from quick_optimizers import QUICK
from rounds import answered
from toy import SPACE

from nadv2_tf.benchmarks.tables.plan import planned_pieces
from nadv2_tf.resources import MacsMeter, ParametersMeter
from nadv2_tf.resources.fpga import Fpga
from nadv2_tf.resources.fpga_pipeline import FpgaMeter
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.search import (
  OPTIMIZERS,
  Candidate,
  Problem,
  UnmetNeed,
  UnreachableTarget,
  minimize,
)

MACS, PARAMETERS = MacsMeter().measure, ParametersMeter().measure
LARGEST, SMALLEST = MACS(SPACE.largest()), MACS(SPACE.smallest())

NAMES = sorted(QUICK)
#: those that draw nothing
DETERMINISTIC = {"integer_program, measured", "layernas", "netadaptv1", "uniform"}
#: those whose networks need not lie on the grid
OFF_GRID = {"uniform"}


def score(spec):
  """Says nothing, but is the same for the same network."""
  return zlib.crc32(repr(SPACE.encode(spec)).encode()) / 2**32


class Evaluator:
  """Gives `score`, and remembers what it was asked."""

  def __init__(self):
    self.asked = []

  def accuracy(self, specs):
    self.asked += [SPACE.encode(spec) for spec in specs]
    return [score(spec) for spec in specs]


class Stopwatch:
  """A meter that is not exact: every measurement gives another number."""

  unit, is_exact = "ms", False

  def __init__(self):
    self.asked = []

  def measure(self, spec):
    self.asked.append(SPACE.encode(spec))
    return MACS(spec) * (1 + len(self.asked) / 1e6)


def _problem(share=0.4, meter=None, **details):
  return Problem(SPACE, SPACE.largest(), meter or MacsMeter(), share * LARGEST, **details)


#: (optimizer, what makes its meter): all that go together
METERED = [
  (name, make_meter)
  for name in NAMES
  for make_meter in (MacsMeter, Stopwatch)
  if make_meter is MacsMeter or not getattr(QUICK[name], "needs", ())
]


def test_every_optimizer_stands_in_the_table():
  assert {name.split(",")[0] for name in NAMES} == set(OPTIMIZERS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.15, 0.2, 0.5, 0.9])
def test_the_found_network_meets_the_target(name, share):
  problem = _problem(share)
  result = minimize(problem, QUICK[name], Evaluator())
  assert name in OFF_GRID or SPACE.contains(result.spec)
  assert result.resource == MACS(result.spec) <= problem.target
  assert result.accuracy == score(result.spec)
  assert result.spec.name == "toy_found"


#: a table in which every operator takes a while, so that a bypass can be dearer than a filter
TABLE = LatencyTable(
  {
    piece: 0.02 + piece.in_channels * piece.kept * max(piece.kernel, 1) / 2000
    for piece in planned_pieces(SPACE)
  }
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.6, 0.8])
def test_the_found_networks_meet_the_targets_of_a_table_and_a_limit(name, share):
  most = TABLE.measure(SPACE.largest())
  limits = ((ParametersMeter(), 0.7 * PARAMETERS(SPACE.largest())),)
  problem = Problem(SPACE, SPACE.largest(), TABLE, share * most, (0.9 * most,), limits)
  result = minimize(problem, QUICK[name], Evaluator())
  assert len(result.found) == 2
  for found in result.found:
    assert found.resource == TABLE.measure(found.spec) <= found.target
    assert PARAMETERS(found.spec) <= limits[0][1]


#: so small that every layer's multipliers are some other layer's loss
PIPELINE = FpgaMeter(Fpga("tiny", dsp=24, bram36=20, lut=1000, macs_per_dsp=1.0))


@pytest.mark.parametrize("name", NAMES)
def test_the_found_networks_meet_the_targets_of_an_fpga_or_it_is_no_sum(name):
  most = PIPELINE.measure(SPACE.largest())
  problem = Problem(SPACE, SPACE.largest(), PIPELINE, 0.5 * most, (0.8 * most,))
  evaluator = Evaluator()
  if getattr(QUICK[name], "needs", ()):
    with pytest.raises(UnmetNeed, match=r"metric that adds up over the blocks.*FpgaMeter"):
      minimize(problem, QUICK[name], evaluator)
    assert not evaluator.asked
    return
  result = minimize(problem, QUICK[name], evaluator)
  assert len(result.found) == 2
  for found in result.found:
    assert found.resource == PIPELINE.measure(found.spec) <= found.target


@pytest.mark.parametrize("name", NAMES)
def test_of_what_meets_the_target_the_most_accurate_is_found(name):
  # A descent scores nothing below the target before its last iteration; the others nothing above.
  for seed in range(5):
    scored = []

    class Listening(Evaluator):
      def accuracy(self, specs, scored=scored):
        scored += specs
        return super().accuracy(specs)

    result = minimize(_problem(0.3), QUICK[name], Listening(), seed=seed)
    met = [score(spec) for spec in scored if MACS(spec) <= 0.3 * LARGEST]
    # One looks at the resource as well, the other finds the most probable network.
    if name not in {"netadaptv1", "fp_nas"}:
      assert result.accuracy == max(met)
    if name in {"evolution", "hurricane", "random", "uniform"}:
      assert len(met) == len(scored)


@pytest.mark.parametrize("name", NAMES)
def test_no_network_is_scored_twice_or_proposed_twice_in_a_round(name):
  evaluator = Evaluator()
  result = minimize(_problem(0.2), QUICK[name], evaluator)
  assert len(evaluator.asked) == len(set(evaluator.asked)) == result.samples_scored
  search, scored = QUICK[name].search(_problem(0.2), random.Random(0)), None
  rounds = 0
  while True:
    try:
      specs = search.send(scored)
    except StopIteration:
      break
    assert 0 < len(specs) == len(set(map(SPACE.encode, specs)))
    candidates = (Candidate(spec, score(spec), MACS(spec)) for spec in specs)
    scored, rounds = answered(QUICK[name], candidates, scored), rounds + 1
  assert rounds == len(result.iterations)


@pytest.mark.parametrize("name", sorted({name for name, meter in METERED if meter is Stopwatch}))
def test_no_network_is_measured_twice(name):
  meter = Stopwatch()
  result = minimize(_problem(0.2, meter), QUICK[name], Evaluator())
  assert len(meter.asked) == len(set(meter.asked)) > result.samples_scored
  assert result.resource <= 0.2 * LARGEST


@pytest.mark.parametrize(("name", "make_meter"), METERED)
def test_the_seed_decides_everything(name, make_meter, tmp_path):
  texts = []
  for number, seed in enumerate([7, 7, 9]):
    path = tmp_path / f"{number}.jsonl"
    minimize(_problem(0.3, make_meter()), QUICK[name], Evaluator(), path, seed)
    texts.append(path.read_bytes())
  assert texts[0] == texts[1]
  # The first line names the seed.
  same = texts[0].splitlines()[1:] == texts[2].splitlines()[1:]
  assert same == (name in DETERMINISTIC)


@pytest.mark.parametrize(("name", "make_meter"), METERED)
def test_cut_anywhere_the_search_goes_on_as_if_nothing_had_happened(name, make_meter, tmp_path):
  details = {
    "larger_targets": (0.6 * LARGEST, 0.45 * LARGEST),
    "limits": ((ParametersMeter(), 0.5 * PARAMETERS(SPACE.largest())),),
  }
  whole = tmp_path / "whole.jsonl"
  result = minimize(_problem(0.3, make_meter(), **details), QUICK[name], Evaluator(), whole)
  text, rng = whole.read_bytes(), random.Random(zlib.crc32(name.encode()))
  path = tmp_path / "cut.jsonl"
  for _ in range(12):
    cut = text[: rng.randrange(len(text))]
    path.write_bytes(cut)
    evaluator = Evaluator()
    # The values that a new stopwatch gives differ, unless they come from the journal.
    meter = MacsMeter() if make_meter is MacsMeter else Replay(text)
    again = minimize(_problem(0.3, meter, **details), QUICK[name], evaluator, path)
    assert again == result and path.read_bytes() == text
    known = _rows(cut, "sample")
    assert sorted([*known, *evaluator.asked]) == sorted(_rows(text, "sample"))
    if make_meter is Stopwatch:
      known = _rows(cut, "measurement")
      assert sorted([*known, *meter.asked]) == sorted(_rows(text, "measurement"))


@pytest.mark.parametrize(
  "name", sorted(set(NAMES) - {name for name, m in METERED if m is Stopwatch})
)
def test_what_needs_a_sum_over_blocks_refuses_a_stopwatch(name):
  evaluator, flag = Evaluator(), name.split(",")[0]
  with pytest.raises(UnmetNeed, match=f"--search_optimizer={flag} needs .* ms .Stopwatch. is not"):
    minimize(_problem(0.3, Stopwatch()), QUICK[name], evaluator)
  assert evaluator.asked == []


class Replay(Stopwatch):
  """Measures what the journal of the whole search says, so that the two can be compared."""

  def __init__(self, text):
    super().__init__()
    self._values = {
      tuple(entry["widths"]): entry["value"]
      for entry in map(json.loads, text.splitlines())
      if entry["type"] == "measurement"
    }

  def measure(self, spec):
    self.asked.append(SPACE.encode(spec))
    return self._values[self.asked[-1]]


def _rows(text, kind):
  """The widths of all whole entries of a kind."""
  entries = map(json.loads, text[: text.rfind(b"\n") + 1].splitlines())
  return [tuple(entry["widths"]) for entry in entries if entry["type"] == kind]


@pytest.mark.parametrize("name", NAMES)
def test_an_unreachable_target_is_told_before_anything_is_scored(name):
  evaluator = Evaluator()
  problem = Problem(SPACE, SPACE.largest(), MacsMeter(), SMALLEST - 1)
  message = f"the smallest .* 'toy' has {SMALLEST:g} MACs"
  with pytest.raises(UnreachableTarget, match=message):
    minimize(problem, QUICK[name], evaluator)
  assert evaluator.asked == []


@pytest.mark.parametrize("name", sorted(set(NAMES) - OFF_GRID))
def test_the_smallest_network_of_the_space_can_be_found(name):
  result = minimize(
    Problem(SPACE, SPACE.largest(), MacsMeter(), SMALLEST), QUICK[name], Evaluator()
  )
  assert result.resource == SMALLEST and MACS(result.spec) == SMALLEST


def test_uniform_scaling_stops_at_one_filter_a_layer():
  problem = Problem(SPACE, SPACE.largest(), MacsMeter(), SMALLEST)
  with pytest.raises(UnreachableTarget, match="No uniformly scaled network .* smallest has"):
    minimize(problem, "uniform", Evaluator())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [1.0, 1.5])
def test_a_start_that_meets_the_target_is_the_answer(name, share):
  evaluator = Evaluator()
  result = minimize(_problem(share), QUICK[name], evaluator)
  assert result.spec.blocks == SPACE.largest().blocks
  assert (result.accuracy, result.samples_scored, result.iterations) == (None, 0, ())
  assert evaluator.asked == []
