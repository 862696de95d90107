"""How repeats become a record, on a device that plays back a script."""

import dataclasses
import datetime
import hashlib
import json

import pytest

from nadv2_tf.benchmarks.timing.batch import level_of, spread_of
from nadv2_tf.benchmarks.timing.device import Device
from nadv2_tf.benchmarks.timing.errors import ModelError, TimingError, Unsteady
from nadv2_tf.benchmarks.timing.records import Identity, Repeat
from nadv2_tf.options import TimingSettings

IDENTITY = Identity("Example Phone One", "arm64-v8a", "14 UQ1A", "benchmark_model sha256:1234")


class Scripted(Device):
  """Plays back one list of repeats per file for each call of `measure`."""

  identity = IDENTITY
  reference = None

  def __init__(self, *calls):
    self._calls = list(calls)
    self.asked = []

  def measure(self, paths, settings):
    self.asked.append([path.name for path in paths])
    files = self._calls[len(self.asked) - 1]
    assert len(files) == len(paths)
    return [
      [r if isinstance(r, Repeat) else Repeat(r, 2 * r, settings.runs, "median") for r in repeats]
      for repeats in files
    ]


@pytest.fixture
def files(tmp_path):
  """Three files that differ."""
  paths = [tmp_path / f"{name}.tflite" for name in "abc"]
  for path in paths:
    path.write_bytes(path.name.encode())
  return paths


def test_a_timing_is_the_median_of_its_repeats(files):
  # Sorted 1, 2, 4: the median is 2, and they lie (4 - 1) / 2 apart.
  (timing,) = Scripted([[4.0, 1.0, 2.0]]).time_files(files[:1], TimingSettings(max_spread=1.5))
  assert (timing.latency_ms, timing.p95_ms, timing.spread) == (2.0, 4.0, 1.5)
  assert timing.repeats_ms == (4.0, 1.0, 2.0) and timing.repeats == 3
  assert timing.steady and timing.notes == ()


def quiet(*values):
  """Repeats of undisturbed runs, each with one that was shorter by a tenth."""
  return [Repeat(value, value, 9, "undisturbed", smallest_ms=0.9 * value) for value in values]


def test_of_undisturbed_repeats_the_smallest_counts(files):
  settings = TimingSettings(max_spread=0.6, attempts=1)
  (timing,) = Scripted([quiet(1.5, 1.0, 1.5)]).time_files(files[:1], settings)
  assert (timing.latency_ms, timing.statistic, timing.steady) == (1.0, "undisturbed", True)
  # What could only be guessed is none of them.
  guess = Repeat(0.9, 0.9, 9, "CPU time", doubt="only 2 of 9 runs were undisturbed")
  (timing,) = Scripted([[guess, *quiet(1.5, 1.2)]]).time_files(files[:1], settings)
  assert timing.latency_ms == 1.2


def test_a_steady_attempt_above_another_ones_repeat_is_in_doubt(files):
  """Slow all the time, as a neighbour makes it: its repeats agree, and are wrong."""
  settings = TimingSettings(max_spread=0.1, attempts=2)
  slow, fast = quiet(1.5, 1.5, 1.5), quiet(1.01, 1.0, 1.0)
  first = quiet(1.0, 1.5, 1.5)
  (timing,) = Scripted([first], [slow]).time_files(files[:1], settings)
  assert (timing.latency_ms, timing.smallest_ms) == (1.0, 0.9)
  assert timing.repeats_ms == (1.5, 1.5, 1.5)
  assert timing.doubt == "another attempt had a repeat 33% below all of these"
  (timing,) = Scripted([first], [fast]).time_files(files[:1], settings)
  assert timing.latency_ms == 1.0 and timing.steady


def test_the_level_of_the_reference_is_told_as_that_of_a_file():
  assert level_of(quiet(1.5, 1.0, 1.5)) == 1.0
  assert level_of([Repeat(value, value, 9, "median") for value in (1.5, 1.0, 1.5)]) == 1.5


def test_a_single_repeat_has_no_spread():
  assert spread_of([3.0]) == 0


def test_only_unsteady_files_are_taken_again_and_the_steadiest_attempt_counts(files):
  device = Scripted(
    [[10.0, 10.5, 10.0], [10.0, 20.0, 10.0], [1.0, 3.0, 2.0]],
    [[11.0, 11.0, 12.0], [1.0, 2.0, 1.5]],
    [[1.0, 4.0, 2.0]],
  )
  steady, late, never = device.time_files(files, TimingSettings(max_spread=0.1, attempts=3))
  assert device.asked == [["a.tflite", "b.tflite", "c.tflite"], ["b.tflite", "c.tflite"]] + [
    ["c.tflite"]
  ]
  assert (steady.latency_ms, steady.spread, steady.steady) == (10.0, 0.05, True)
  assert (late.latency_ms, late.steady) == (11.0, True) and late.spread == 1 / 11
  # Spreads of 1, 2/3 and 3/2: the second attempt.
  assert never.repeats_ms == (1.0, 2.0, 1.5) and not never.steady
  assert steady.notes == ()
  assert late.notes == (
    "taken 2 times, because at first its repeats lie 100.0% apart, more than the 10.0% allowed",
  )
  assert [note.split(",")[0] for note in never.notes] == ["taken 3 times"]


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_attempts_end(files, attempts):
  device = Scripted(*[[[1.0, 2.0]]] * attempts)
  (timing,) = device.time_files(files[:1], TimingSettings(attempts=attempts))
  assert len(device.asked) == attempts and not timing.steady


@pytest.mark.parametrize("most", [1.5, 1.6])
def test_an_unsteady_timing_fails_if_that_is_asked_for(files, most):
  settings = TimingSettings(attempts=2, max_spread=0.25, on_unsteady="fail")
  calls = [[[1.0, 1.0, 1.0], [1.0, 1.0, most]], [[1.0, 1.0, most]]]
  with pytest.raises(Unsteady) as error:
    Scripted(*calls).time_files(files[:2], settings)
  assert str(error.value) == (
    f"The timing of {files[1]} is unsteady in the best of 2 attempts: its repeats lie "
    f"{most - 1:.1%} apart, more than the 25.0% allowed. Something else keeps Example Phone One "
    "busy."
  )
  # Steady files pass.
  (timing,) = Scripted([[1.0, 1.0, 1.25]]).time_files(files[:1], settings)
  assert timing.steady


@pytest.mark.parametrize(
  ("p95", "expected"), [((3.0, 5.0, 4.0), 4.0), ((None, 5.0, 4.0), None), ((None, None), None)]
)
def test_percentiles_that_a_build_does_not_print_are_none(files, p95, expected):
  repeats = [Repeat(1.0, value, 50, "mean") for value in p95]
  (timing,) = Scripted([repeats]).time_files(files[:1])
  assert timing.p95_ms == expected and timing.statistic == "mean"


def test_what_speaks_against_most_repeats_makes_a_timing_unsteady(files):
  def loaded(doubts):
    return [Repeat(1.0, 1.0, 9, "median", doubt=doubt) for doubt in doubts]

  doubt = "its median lies 80% above its smallest run"
  device = Scripted([loaded([doubt, "", doubt]), loaded(["", doubt, ""])], [loaded(["", "", ""])])
  again, agreed = device.time_files(files[:2])
  # The one in doubt is outvoted by two that it agrees with.
  assert device.asked[1] == ["a.tflite"] and again.steady and agreed.steady and agreed.doubt == ""
  stays = Scripted(*[[loaded([doubt, doubt, ""])]] * 2)
  (timing,) = stays.time_files(files[:1], TimingSettings(attempts=2))
  assert (timing.steady, timing.doubt, len(stays.asked)) == (False, doubt, 2)
  settings = TimingSettings(attempts=1, on_unsteady="fail")
  with pytest.raises(Unsteady, match=f"unsteady in the best of 1 attempts: {doubt}. Something"):
    Scripted([loaded([doubt, doubt, ""])]).time_files(files[:1], settings)


def test_an_undoubted_attempt_counts_before_one_that_lies_closer_together(files):
  doubted = [Repeat(1.0, 1.0, 9, "median", doubt="it was disturbed")] * 3
  (timing,) = Scripted([doubted], [[2.0, 2.1, 2.0]]).time_files(files[:1])
  assert timing.latency_ms == 2.0 and timing.steady


def test_a_note_is_told_once_and_in_order(files):
  notes = [("clock throttled", "only 9 of 20 runs"), (), ("only 9 of 20 runs", "warm")]
  repeats = [Repeat(1.0, 1.0, 9, "median", notes=told) for told in notes]
  (timing,) = Scripted([repeats]).time_files(files[:1])
  assert timing.notes == ("clock throttled", "only 9 of 20 runs", "warm")


def test_a_record_is_complete(files):
  conditions = [{"thermal_status": status} for status in (0, 1, 0)]
  repeats = [
    Repeat(
      1.0, 1.5, runs, "undisturbed", condition, median_ms=1.25, smallest_ms=0.75, disturbed=0.5
    )
    for runs, condition in zip((50, 48, 51), conditions, strict=True)
  ]
  settings = TimingSettings(4, "f0", "none", runs=50, warmup_runs=7)
  before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
  (timing,) = Scripted([repeats]).time_files([str(files[1])], settings)
  after = datetime.datetime.now(datetime.UTC)
  record = json.loads(json.dumps(dataclasses.asdict(timing)))
  made = datetime.datetime.fromisoformat(record.pop("time"))
  assert made.utcoffset() == datetime.timedelta(0) and before <= made <= after
  assert record == {
    "latency_ms": 1.0,
    "median_ms": 1.25,
    "p95_ms": 1.5,
    "smallest_ms": 0.75,
    "disturbed": 0.5,
    "spread": 0.0,
    "steady": True,
    "doubt": "",
    "statistic": "undisturbed",
    "repeats_ms": [1.0, 1.0, 1.0],
    "repeats": 3,
    "runs": 48,  # of the repeat that had fewest
    "warmup_runs": 7,
    "num_threads": 4,
    "cpu_mask": "f0",
    "delegate": "none",
    "benchmark_flags": "",
    "device": "Example Phone One",
    "abi": "arm64-v8a",
    "android": "14 UQ1A",
    "runtime": "benchmark_model sha256:1234",
    "conditions": conditions,
    "nodes": None,
    "delegate_nodes": None,
    "partitions": None,
    "memory_kb": None,
    "reference_ms": None,
    "drift": None,
    "notes": [],
    "file_sha256": hashlib.sha256(b"b.tflite").hexdigest(),
  }
  assert str(IDENTITY) == "Example Phone One, benchmark_model sha256:1234"


def test_a_device_that_fails_gives_no_record(files):
  class Failing(Scripted):
    def measure(self, paths, settings):
      raise ModelError("No model.")

  with pytest.raises(ModelError, match="No model"), Failing() as device:
    device.time_files(files)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"cpu_mask": "big"}, "cpu_mask must be a hexadecimal mask such as f0, got 'big'"),
    ({"cpu_mask": "0"}, "cpu_mask must be .* got '0'"),
    ({"cpu_mask": "-3"}, "cpu_mask must be .* got '-3'"),
    ({"cpu_mask": ""}, "cpu_mask must be .* got ''"),
    (
      {"delegate": "tpu"},
      "--delegate must be one of cpu, gpu, npu, none, nnapi, xnnpack, got 'tpu'",
    ),
    ({"on_unsteady": "ignore"}, "--on_unsteady must be one of mark, fail, got 'ignore'"),
  ],
)
def test_settings_are_checked(changes, message):
  with pytest.raises(ValueError, match=message):
    TimingSettings(**changes)


@pytest.mark.parametrize("mask", ["f0", "F0", "1", None])
def test_good_masks_pass(mask):
  assert TimingSettings(cpu_mask=mask).cpu_mask == mask


def test_an_error_shows_the_command_and_the_end_of_its_output():
  output = "\n".join(["first", *map(str, range(9)), "", "last", ""])
  error = TimingError("It failed.", "tool --graph=x", output)
  assert str(error).splitlines() == [
    "It failed.",
    "  command: tool --graph=x",
    "  its output ends with:",
    *(f"    {line}" for line in (5, 6, 7, 8, "last")),
  ]
  assert str(TimingError("It failed.")) == "It failed."
