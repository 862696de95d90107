"""Networks of a search are measured on the device beside what the table predicts."""

import io
import math
import types

import pytest
from filter_meter import WIDE, Filters
from form_tables import NETWORK, table

from nadv2_tf.benchmarks.timing.records import Repeat
from nadv2_tf.pipeline.aim.confirmation import Confirmation
from nadv2_tf.pipeline.aim.rounds import Attempt
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.search import Candidate, Found, Iteration, Problem
from nadv2_tf.spec import NetworkSpec, space_of


def result_of(space, numbers):
  """A search that went through networks of these numbers of filters, the last of which it found."""
  specs = [space.largest().with_block(0, filters=number) for number in numbers]
  iterations = tuple(
    Iteration(number, Candidate(spec, 0.5, Filters().measure(spec)), 8, 8 * number)
    for number, spec in enumerate(specs, start=1)
  )
  return types.SimpleNamespace(spec=specs[-1], iterations=iterations)


def confirm(folder, problem, result, options, progress):
  """Measures a first round, and keeps what it found."""
  found = Found(problem.target, result.spec, problem.meter.measure(result.spec), 0.5)
  attempt = Attempt(1, problem.target, found)
  confirmation = Confirmation(folder, problem, options, progress)
  confirmation.finish(confirmation.measure(result, {problem.target: attempt}))


def test_the_searchs_path_is_confirmed_on_the_device(folder, plug_in, options):

  def ten_percent_slower(content):
    return 0.011 * NetworkSpec.from_json(content.decode()).blocks[0].filters

  device, stream = plug_in(milliseconds=ten_percent_slower), io.StringIO()
  problem = Problem(WIDE, WIDE.largest(), Filters(), 0.02)
  given = options(confirm_every=2, num_threads=3, cpu_mask="f")
  confirm(folder, problem, result_of(WIDE, [9, 8, 7, 6, 5]), given, Progress(stream))
  rows = folder.metrics().confirmed
  assert [row.iteration for row in rows] == [2, 4, "found"]
  for row, filters in zip(rows, (8, 6, 5), strict=True):
    assert row.predicted == pytest.approx(0.01 * filters)
    assert row.measured == pytest.approx(0.011 * filters)
  assert folder.metrics().seconds["confirm"] >= 0
  assert stream.getvalue().splitlines() == [
    "  best of iteration 2: predicted 0.08 ms, measured 0.088 ms (+10.0%)",
    "  best of iteration 4: predicted 0.06 ms, measured 0.066 ms (+10.0%)",
    "  found: predicted 0.05 ms, measured 0.055 ms (+10.0%)",
  ]
  (settings,) = device.settings  # all in turns
  assert (settings.num_threads, settings.cpu_mask) == (3, "f")


def test_a_confirmation_in_doubt_says_so(folder, plug_in, options):
  device, stream = plug_in(), io.StringIO()
  device.measure = lambda paths, settings: [
    [Repeat(0.02, 0.02, 9, "CPU time", doubt="only 2 of 90 runs were undisturbed")] for _ in paths
  ]
  problem = Problem(WIDE, WIDE.largest(), Filters(), 0.02)
  confirm(folder, problem, result_of(WIDE, [9, 2]), options(), Progress(stream))
  assert stream.getvalue().splitlines()[-1] == (
    "  found: predicted 0.02 ms, measured 0.02 ms (+0.0%); unsteady: only 2 of 90 runs were "
    "undisturbed"
  )
  metrics = folder.metrics()
  assert metrics.confirmed[-1].doubt == metrics.rounds[0].doubt != ""


def test_networks_of_the_path_correct_the_table_near_the_found_one(folder, plug_in, options):
  """40 filters take 1.21 times what is predicted, and the 36 that are found what is predicted."""

  def milliseconds(content):
    filters = NetworkSpec.from_json(content.decode()).blocks[0].filters
    return 0.01 * filters * (1.21 if filters == 40 else 1.0)

  plug_in(milliseconds=milliseconds)
  problem, result = Problem(WIDE, WIDE.largest(), Filters(), 0.3), result_of(WIDE, [44, 40, 36])
  attempt = Attempt(1, 0.3, Found(0.3, result.spec, 0.36, 0.5))
  confirmation = Confirmation(folder, problem, options(confirm_every=2), Progress(io.StringIO()))
  measured = confirmation.measure(result, {0.3: attempt})[0.3]
  # The found network has a vote of 1; the other one is ln(40 / 36) / 0.1 = 1.05 away.
  vote = math.exp(-((math.log(40 / 36) / 0.1) ** 2) / 2)
  scale = 1.21 ** (vote / (1 + vote))
  assert measured.measured == pytest.approx(0.36) and measured.scale == pytest.approx(scale)
  assert folder.metrics().rounds[0].scale == measured.scale
  assert measured.next_goal(0.3) == pytest.approx(0.3 / scale)  # and not 0.3 * 0.99


def test_a_search_that_found_its_start_confirms_that_alone(folder, plug_in, options):
  device = plug_in()
  spec = WIDE.largest()
  result = types.SimpleNamespace(spec=spec, iterations=())
  problem = Problem(WIDE, spec, Filters(), 1.0)
  confirm(folder, problem, result, options(), Progress(io.StringIO()))
  assert [row.iteration for row in folder.metrics().confirmed] == ["found"]
  assert len(device.contents) == 1


def test_a_share_is_first_searched_for_as_of_the_tables_session(folder, options):
  """The largest network took 0.08 ms beside the table and 0.1 ms when the target was told."""
  space, stream = space_of(NETWORK, 4), io.StringIO()
  for facts, goals in (
    ({"largest_ms": "0.08"}, {0.06: 0.048}),
    ({"largest_ms": "0.001"}, {0.06: table(0.0).measure(space.smallest())}),
    ({}, {}),  # of an earlier version
  ):
    problem = Problem(space, space.largest(), table(0.0, facts), 0.06)
    given = Confirmation(folder, problem, options(), Progress(stream), {0.06: 0.6})
    assert given.first_goals() == pytest.approx(goals)
  assert stream.getvalue().splitlines()[0] == (
    "  target 0.06 ms: beside the table the largest network took 0.08, so 0.048 is searched for"
  )
