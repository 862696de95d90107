"""The journal: a search that is killed anywhere and resumed is the same search."""

import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nadv2_tf.resources import MacsMeter
from nadv2_tf.search import JournalError, MultiLayerCoordinateDescent, Problem, journal, minimize
from nadv2_tf.search.entries import (
  Entry,
  IterationEntry,
  MeasurementEntry,
  SampleEntry,
  SearchEntry,
)
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head

SPACE = space_of(
  NetworkSpec(
    "toy",
    (8, 8, 1),
    (Conv(8, 3, 2), DepthwiseSeparable(8, 8, 5, bypass_cap=1), Head(4, 8, bypass_cap=1)),
  ),
  4,
)
LARGEST = MacsMeter().measure(SPACE.largest())
SETTINGS = MultiLayerCoordinateDescent(4, 2, 0.08)


class Killed(Exception):
  """Stands for a power cut in the middle of a scoring."""


class Evaluator:
  """Scores that are the same for the same network; dies after `lives` of them."""

  def __init__(self, lives=10**9):
    self.asked = []
    self._lives = lives

  def accuracy(self, specs):
    if len(self.asked) >= self._lives:
      raise Killed
    self.asked += [SPACE.encode(spec) for spec in specs]
    return [zlib.crc32(repr(SPACE.encode(spec)).encode()) / 2**32 for spec in specs]


class Stopwatch:
  """A meter that is not exact: another one gives other numbers, as another day does."""

  unit, is_exact = "ms", False

  def __init__(self, error=0.0):
    self.asked = []
    self._error = error

  def measure(self, spec):
    self.asked.append(SPACE.encode(spec))
    return MacsMeter().measure(spec) * (1 + self._error)


class Exact(MacsMeter):
  """Counts; it may be asked as often as one likes, so nothing is noted."""

  asked = ()


METERS = [Exact, Stopwatch]


def _search(path, meter, evaluator, target=0.1, optimizer=SETTINGS, seed=3):
  problem = Problem(SPACE, SPACE.largest(), meter, target * LARGEST)
  return minimize(problem, optimizer, evaluator, path, seed)


def _whole(tmp_path, make_meter):
  """The result and the journal of a search that nothing interrupts."""
  path = tmp_path / "whole.jsonl"
  result = _search(path, make_meter(), Evaluator())
  text = path.read_bytes()
  assert len(result.iterations) >= 5 and text.count(b"\n") > 20
  return result, text


def _widths(text, kind):
  """The widths of all whole entries of a kind."""
  lines = text[: text.rfind(b"\n") + 1].splitlines()
  entries = [entry for entry in map(json.loads, lines) if entry["type"] == kind]
  return [tuple(entry["widths"]) for entry in entries]


def _check_resumed(path, whole, make_meter):
  """Resumes the journal that stands at `path` and compares with the uninterrupted search."""
  result, text = whole
  known = path.read_bytes()
  meter, evaluator = make_meter(), Evaluator()
  assert _search(path, meter, evaluator) == result
  assert path.read_bytes() == text
  scored, measured = _widths(known, "sample"), _widths(known, "measurement")
  assert sorted([*scored, *evaluator.asked]) == sorted(_widths(text, "sample"))
  if not meter.is_exact:
    assert sorted([*measured, *meter.asked]) == sorted(_widths(text, "measurement"))


@pytest.mark.parametrize("make_meter", METERS)
def test_cut_after_any_line_the_search_goes_on_as_if_nothing_had_happened(tmp_path, make_meter):
  whole = _whole(tmp_path, make_meter)
  lines = whole[1].splitlines(keepends=True)
  path = tmp_path / "cut.jsonl"
  for kept in range(len(lines) + 1):
    path.write_bytes(b"".join(lines[:kept]))
    _check_resumed(path, whole, make_meter)


@pytest.mark.parametrize("make_meter", METERS)
def test_cut_at_any_byte_the_torn_line_is_dropped(tmp_path, make_meter):
  whole = _whole(tmp_path, make_meter)
  path = tmp_path / "cut.jsonl"
  # A prime, so that the cuts fall on ever other places of a line.
  for cut in range(1, len(whole[1]), 37):
    path.write_bytes(whole[1][:cut])
    _check_resumed(path, whole, make_meter)


@pytest.mark.parametrize("make_meter", METERS)
def test_killed_while_scoring_again_and_again(tmp_path, make_meter):
  whole = _whole(tmp_path, make_meter)
  path, scored, kills = tmp_path / "killed.jsonl", [], 0
  while True:
    evaluator = Evaluator(lives=3)
    try:
      result = _search(path, make_meter(), evaluator)
      break
    except Killed:
      kills += 1
    finally:
      scored += evaluator.asked
  assert (result, path.read_bytes()) == whole
  assert kills > 3
  assert sorted(scored) == sorted(_widths(whole[1], "sample"))


def test_what_is_known_is_on_the_disk_before_the_next_scoring(tmp_path):
  path = tmp_path / "search.jsonl"

  class Looking(Evaluator):
    def accuracy(self, specs):
      text = path.read_bytes()
      assert text.endswith(b"\n") and _widths(text, "sample") == self.asked
      return super().accuracy(specs)

  evaluator = Looking()
  _search(path, Stopwatch(), evaluator)
  assert len(evaluator.asked) > 10


def test_measured_values_are_replayed_and_not_taken_anew(tmp_path):
  whole = _whole(tmp_path, Stopwatch)
  path = tmp_path / "search.jsonl"
  path.write_bytes(whole[1])
  meter = Stopwatch(error=9.0)  # asked again, it would call every network ten times as slow
  assert _search(path, meter, Evaluator()) == whole[0]
  assert meter.asked == []


@pytest.mark.parametrize("make_meter", METERS)
def test_a_finished_search_run_again_asks_nothing_and_writes_nothing(tmp_path, make_meter):
  result, text = _whole(tmp_path, make_meter)
  evaluator, meter = Evaluator(lives=0), make_meter()
  path = tmp_path / "whole.jsonl"
  assert _search(path, meter, evaluator) == result
  assert path.read_bytes() == text
  assert len(evaluator.asked) == len(meter.asked) == 0


def test_without_a_journal_the_result_is_the_same(tmp_path):
  assert _search(None, Exact(), Evaluator()) == _whole(tmp_path, Exact)[0]


@pytest.mark.parametrize(
  ("changed", "field"),
  [
    ({"seed": 4}, '"seed": 4'),
    ({"target": 0.11}, '"target"'),
    ({"meter": Stopwatch()}, '"unit": "ms"'),
    ({"optimizer": MultiLayerCoordinateDescent(5, 2, 0.08)}, '"samples_per_iteration": 5'),
  ],
)
def test_the_journal_of_another_search_is_refused(tmp_path, changed, field):
  _, text = _whole(tmp_path, Exact)
  path = tmp_path / "whole.jsonl"
  evaluator = Evaluator()
  with pytest.raises(JournalError, match="line 1 is of another search") as refusal:
    _search(**{"path": path, "meter": Exact(), "evaluator": evaluator, **changed})
  assert str(path) in str(refusal.value)
  assert "--output" in str(refusal.value) and field in str(refusal.value)
  assert evaluator.asked == [] and path.read_bytes() == text


def test_a_changed_entry_in_the_middle_is_refused(tmp_path):
  _, text = _whole(tmp_path, Exact)
  lines = text.splitlines()
  number = next(i for i, line in enumerate(lines) if json.loads(line)["type"] == "iteration")
  entry = json.loads(lines[number])
  lines[number] = json.dumps({**entry, "resource": entry["resource"] + 1}).encode()
  path = tmp_path / "changed.jsonl"
  path.write_bytes(b"\n".join(lines) + b"\n")
  with pytest.raises(JournalError, match=f"line {number + 1} is of another search"):
    _search(path, Exact(), Evaluator())


@pytest.mark.parametrize(
  "line",
  [b"", b"{", b"[1]", b"3", b'{"kind": "sample"}', b'{"type": 1}', b"\xff", b"[" * 100_000],
  ids=["empty", "torn", "list", "number", "no type", "type", "bytes", "deep"],
)
def test_a_damaged_line_is_named(tmp_path, line):
  _, text = _whole(tmp_path, Exact)
  lines = text.splitlines()
  path = tmp_path / "damaged.jsonl"
  path.write_bytes(b"\n".join([*lines[:4], line, *lines[4:]]) + b"\n")
  with pytest.raises(JournalError, match=r"damaged\.jsonl, line 5 is damaged") as refusal:
    _search(path, Exact(), Evaluator())
  assert len(str(refusal.value)) < 500 + len(str(path))


def test_a_line_that_is_too_long_is_damaged(tmp_path):
  path = tmp_path / "long.jsonl"
  line = '{"type": "x"}' + " " * (journal.LARGEST_LINE - 14) + "\n"
  path.write_text(line)
  (entry,) = journal.read(path)
  assert entry.to_json() == {"type": "x"}
  path.write_text(" " + line)
  with pytest.raises(JournalError, match="line 1 is damaged"):
    journal.read(path)


@pytest.mark.parametrize(
  "entry, words",
  [
    ({"accuracy": ...}, "accuracy is missing"),
    ({"accuracy": None}, "accuracy must be a number, got None"),
    ({"accuracy": "high"}, "accuracy must be a number, got 'high'"),
    ({"widths": 3}, "widths must be a list, got 3"),
    ({"widths": [1, [2]]}, "widths.2 must be a whole number, got .2."),
    ({"type": "measurement", "unit": "ms"}, "value is missing"),
    ({"accuracy": 10**400}, "accuracy must be a number, got 100"),
    ({"type": "search", "race": 1}, "space is missing"),
  ],
  ids=["missing", "null", "text", "number", "nested", "measurement", "huge", "head"],
)
def test_an_entry_without_its_number_is_damaged(tmp_path, entry, words):
  path = tmp_path / "entry.jsonl"
  whole = {"type": "sample", "iteration": 1, "widths": [1], "accuracy": 0.5, "resource": 2.0}
  kept = {name: value for name, value in (whole | entry).items() if value is not ...}
  path.write_text(json.dumps(whole) + "\n" + json.dumps(kept) + "\n")
  with pytest.raises(JournalError, match=rf"entry\.jsonl, line 2 is damaged: {words}") as refusal:
    _search(path, Exact(), Evaluator())
  assert len(str(refusal.value)) < 300 + len(str(path))


def test_entries_are_written_as_they_were_read(tmp_path):
  _, text = _whole(tmp_path, Stopwatch)
  line = '{"new":1,"type":"sample","resource":2,"widths":[1],"iteration":1,"accuracy":0.5}\n'
  path = tmp_path / "search.jsonl"
  path.write_bytes(text + line.encode() + b'{"type":"of tomorrow","x":null}\n')
  entries = journal.read(path)
  kinds = {SearchEntry, SampleEntry, MeasurementEntry, IterationEntry, Entry}
  assert {type(entry) for entry in entries} == kinds
  written = [json.dumps(entry.to_json(), separators=(",", ":")) for entry in entries]
  assert "\n".join(written) + "\n" == path.read_text()
  assert journal.read_all([path, path]) == entries * 2


# Derandomised: the same examples in every run, so a pass is no luck.
@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.binary(max_size=100) | st.text(max_size=100).map(lambda t: (t + "\n").encode("utf-8")))
def test_random_files_raise_nothing_but_journal_errors(tmp_path_factory, text):
  path = tmp_path_factory.getbasetemp() / "random.jsonl"
  path.write_bytes(text)
  try:
    entries = journal.read(path)
  except JournalError:
    return
  assert b"\n" not in text or all("type" in entry.to_json() for entry in entries)


def test_a_missing_file_has_no_entries(tmp_path):
  assert journal.read(tmp_path / "none.jsonl") == []
