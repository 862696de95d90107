"""FP-NAS in turn with weights, the distribution's part: its steps, its draws, what is kept."""

import json
import math
import random

import pytest
from toy import SPACE

from nadv2_tf.resources import MacsMeter, ParametersMeter
from nadv2_tf.search import FpNas, Problem, minimize
from nadv2_tf.search.distribution import Distribution
from nadv2_tf.search.in_turn import MostProbable, Turns, read

MACS = MacsMeter().measure
LARGEST = MACS(SPACE.largest())
STEPS = 60


class Evaluator:
  def accuracy(self, specs):
    return [MACS(spec) / LARGEST for spec in specs]


class Stopwatch(MacsMeter):
  is_exact = False


def problem_of(*shares, **details):
  *larger, smallest = (share * LARGEST for share in shares)
  return Problem(SPACE, SPACE.largest(), MacsMeter(), smallest, tuple(larger), **details)


def turns_of(problem, steps=STEPS, seed=3, **settings):
  settings = FpNas(**{"samples_per_nat": 1.0, "shared_weights": "in_turn"} | settings)
  return Turns(problem, settings, steps, seed)


def go(turns, steps):
  """Trains the distributions on labels that larger networks make more likely; what was drawn."""
  drawn = []
  for step in steps:
    turns.begin(step)
    drawn.append(turns.rows(turns.draw()))  # for the weights
    draws = turns.draw()
    drawn.append(turns.rows(draws))
    specs = map(SPACE.decode, drawn[-1])
    turns.move(draws, [20 * MACS(spec) / LARGEST - 90.0 for spec in specs])
  return drawn


@pytest.fixture(scope="module")
def gone():
  """(`Turns` of one target after all steps, what they drew)."""
  turns = turns_of(problem_of(0.5))
  return turns, go(turns, range(STEPS))


def test_entropy_and_the_number_of_networks_fall_and_the_mode_meets_the_target(gone):
  turns, drawn = gone
  notes = turns.record().notes
  assert [note.step for note in notes] == list(range(STEPS))
  entropies = [notes[at].entropy_nats for at in (0, 20, 40, 59)]
  assert entropies == sorted(entropies, reverse=True) and entropies[-1] < 0.5 * entropies[0]
  for note, weights, own in zip(notes, drawn[::2], drawn[1::2], strict=True):
    assert len(weights) == len(own) == note.networks_drawn == max(round(note.entropy_nats), 2)
  assert notes[0].networks_drawn > notes[-1].networks_drawn
  assert turns.networks_drawn == sum(map(len, drawn))
  assert drawn[0] != drawn[1]  # weights and distribution have samples of their own
  result = minimize(problem_of(0.5), MostProbable(turns.record()), Evaluator())
  assert result.resource <= 0.5 * LARGEST
  # It was pulled from where it began to the larger of the networks that cost nothing.
  begun = turns_of(problem_of(0.5)).record()
  assert result.resource > minimize(problem_of(0.5), MostProbable(begun), Evaluator()).resource
  assert result.samples_scored == 1
  assert result.iterations[0].notes["networks_drawn"] == turns.networks_drawn


@pytest.mark.parametrize("cut", [20, 45])  # before and after decisions were joined
def test_what_is_kept_is_all_that_is_needed(gone, cut):
  whole, drawn = gone
  before, after = turns_of(problem_of(0.5)), turns_of(problem_of(0.5))
  assert go(before, range(cut)) == drawn[: 2 * cut]
  after.from_json(json.loads(json.dumps(before.to_json())))
  assert go(after, range(cut, STEPS)) == drawn[2 * cut :]
  assert after.record() == whole.record()
  assert go(turns_of(problem_of(0.5), seed=4), range(2)) != drawn[:4]


def test_a_distribution_is_factorised_and_later_joint(gone):
  turns = turns_of(problem_of(0.5))
  go(turns, range(STEPS // 2))
  sizes = [len(own) for own in turns.record().distributions[0].logits]
  assert sizes == [len(decision.choices) for decision in SPACE.decisions]
  (joint,) = gone[0].record().distributions
  assert len(joint.logits) < len(sizes)
  made = joint.distribution(SPACE)
  assert made.logits() == joint.logits and made.entropy() > 0
  with pytest.raises(ValueError, match="logits of 2 variables are not those of 'toy'"):
    Distribution.with_logits(SPACE, joint.logits[:2])


def test_targets_take_turns_and_each_finds_its_network():
  limits = ((ParametersMeter(), 0.6 * ParametersMeter().measure(SPACE.largest())),)
  problem = problem_of(0.7, 0.4, limits=limits)
  turns = turns_of(problem, 2 * STEPS)
  go(turns, range(2 * STEPS))
  record = turns.record()
  assert [one.target for one in record.distributions] == list(problem.targets)
  assert {(note.step % 2, note.target) for note in record.notes} == set(enumerate(problem.targets))
  result = minimize(problem, MostProbable(record), Evaluator())
  for found in result.found:
    assert problem.is_met_by(found.spec, found.target)
  assert result.found[0].resource > result.found[1].resource
  # One target less, and a little more than that: still the nearest one's.
  alone = minimize(problem_of(0.42), MostProbable(record), Evaluator())
  assert alone.resource <= 0.42 * LARGEST
  assert MostProbable(record).amount(problem) == (2, 2)


def test_a_record_is_read_as_it_was_written(gone, tmp_path):
  record, path = gone[0].record(), tmp_path / "distributions.json"
  path.write_text(json.dumps(record.to_json()))
  assert read(path, SPACE) == record
  logits = record.distributions[0].logits
  for distributions, message in (
    ([], "it has no distribution"),
    ([{"target": "x", "logits": []}], "distributions.1.target must be a number, got 'x'"),
    ([{"target": 0, "logits": logits}], "The target must be a number above 0"),
    ([{"target": 1, "logits": [*logits[:-1], [math.nan] * 3]}], "all logits must be numbers"),
    ([{"target": 1, "logits": logits[1:]}], "are not those of 'toy'"),
  ):
    path.write_text(json.dumps(record.to_json() | {"distributions": distributions}))
    with pytest.raises(ValueError, match=f"^Cannot read {path}: .*{message}"):
      read(path, SPACE)


def test_a_search_alone_has_no_weights_to_train():
  settings = FpNas(shared_weights="in_turn")
  with pytest.raises(ValueError, match="trained with the weights of a super-network"):
    next(settings.search(problem_of(0.5), random.Random(0)))
  assert settings.amount(problem_of(0.7, 0.4)) == (2, 2)
  with pytest.raises(ValueError, match="--shared_weights must be one of fixed, in_turn"):
    FpNas(shared_weights="free")


def test_what_is_measured_anew_each_time_is_refused():
  timed = Problem(SPACE, SPACE.largest(), Stopwatch(), 0.5 * LARGEST)
  FpNas().check(timed)
  with pytest.raises(ValueError, match="same number each time: a count or a latency table"):
    FpNas(shared_weights="in_turn").check(timed)
  limited = problem_of(0.5, limits=((Stopwatch(), LARGEST),))
  with pytest.raises(ValueError, match="same number each time"):
    FpNas(shared_weights="in_turn").check(limited)
