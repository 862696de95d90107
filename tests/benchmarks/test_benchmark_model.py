"""What `benchmark_model` prints, in its many forms: a number it measured, or an error; no third.

`recorded/` has what a build of the tool printed on a PC; the `.cmd` files are the commands. The
other forms were composed after the sources of the builds that print them.
"""

import dataclasses

import pytest
from benchmark_output import EXPECTED, RECORDED, SUMMARY, litert_block, printed, read, recorded

from nadv2_tf.benchmarks.timing import benchmark_model, errors
from nadv2_tf.benchmarks.timing.records import repeat_of

# --- what the tool really printed ---------------------------------------------------------------


@pytest.mark.parametrize(
  ("name", "delegate", "median", "mean", "p95", "runs"),
  [
    ("ok", "xnnpack", 0.354, 0.375233, 0.423, 2629),
    ("ok_noxnn", "none", 3.146, 3.19388, 3.277, 313),
    ("ok_xnn_explicit_peakmem", "xnnpack", 0.352, 0.364622, 0.446, 2702),
    ("prof", "none", 3.120, 3.1165, 3.188, 20),
    ("prof_xnn", "xnnpack", 0.348, 0.35735, 0.423, 20),
  ],
)
def test_a_recorded_measurement_is_read(name, delegate, median, mean, p95, runs):
  reading = recorded(name, delegate)
  assert reading == benchmark_model.Reading(
    pytest.approx(median, rel=1e-12),
    pytest.approx(mean, rel=1e-12),
    pytest.approx(p95, rel=1e-12),
    runs,
    min_ms=reading.min_ms,
  )
  assert 0 < reading.min_ms <= reading.median_ms
  assert (reading.statistic, reading.value_ms) == ("median", reading.median_ms)
  assert reading.doubt == ""  # nothing ran beside it
  # Nor would there be a doubt if a build printed no median of the same runs.
  assert dataclasses.replace(reading, median_ms=None).doubt == ""


@pytest.mark.parametrize(
  ("median", "mean", "smallest", "doubt"),
  [
    (1.25, 2.5, 1.0, ""),
    (1.26, 1.3, 1.0, "its median lies 26% above its smallest run"),
    (2.0, 2.5, 1.0, "its median lies 100% above its smallest run"),
    (2.0, 2.5, 0.0, ""),  # shorter than the clock's tick
    (2.0, 2.5, None, ""),
    # One long run of many raises a mean, so it may lie higher.
    (None, 1.4, 1.0, ""),
    (None, 1.41, 1.0, "its mean lies 41% above its smallest run"),
    (None, 2.5, 0.0, ""),
    (None, 2.5, None, ""),
  ],
)
def test_a_value_far_above_the_smallest_run_is_a_sign_of_load(median, mean, smallest, doubt):
  reading = benchmark_model.Reading(median, mean, None, 50, min_ms=smallest)
  repeat = repeat_of(reading, {"thermal_status": 0}, ["waited"])
  assert repeat.doubt == doubt and repeat.notes == ("waited",)
  assert (repeat.median_ms, repeat.smallest_ms) == (median, smallest)


@pytest.mark.parametrize(
  ("name", "kind", "says"),
  [
    ("badflag", errors.FlagError, "--num_runs=abc"),
    ("nograph", errors.FlagError, "--graph=FILE"),
    ("custom", errors.ModelError, "MatrixInverse,"),
    ("missing", errors.ModelError, "/nonexistent.tflite"),
    ("trunc", errors.ModelError, "damaged"),
  ],
)
def test_a_recorded_failure_is_refused(name, kind, says):
  with pytest.raises(errors.TimingError) as raised:
    recorded(name, "xnnpack")
  assert type(raised.value) is kind
  assert says in raised.value.problem
  assert raised.value.command == (RECORDED / f"{name}.cmd").read_text().strip()


def test_every_recorded_run_is_in_a_table():
  tested = {"ok", "ok_noxnn", "ok_xnn_explicit_peakmem", "prof", "prof_xnn"}
  tested |= {"badflag", "nograph", "custom", "missing", "trunc"}
  assert {path.stem for path in RECORDED.glob("*.cmd")} == tested


def test_an_error_shows_the_command_and_how_the_output_ends():
  with pytest.raises(errors.NothingMeasured) as raised:
    benchmark_model.read("STARTING!\n", "it burns\n", 7, ["./b", "--graph=a b"])
  assert str(raised.value).splitlines()[1:] == [
    "  command: ./b '--graph=a b'",
    "  its output ends with:",
    "    STARTING!",
    "    it burns",
  ]
  assert "7" in raised.value.problem


# --- other builds -------------------------------------------------------------------------------


@pytest.mark.parametrize(
  "prefix",
  ["", "INFO: ", "I/tflite: ", "09-28 06:21:39.135 19410 19410 I tflite  : ", "I0000 a.cc:9] "],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_any_prefix_of_the_log_is_read(prefix, newline):
  assert read(printed(prefix=prefix).replace("\n", newline)) == EXPECTED


def test_it_does_not_matter_in_which_stream_the_log_comes():
  assert read("", printed()) == read(printed().encode()) == read(printed(), None) == EXPECTED


SAME = benchmark_model.Reading(None, 0.505, None, 50)


@pytest.mark.parametrize(
  ("counted", "average", "expected"),
  [
    pytest.param(
      "count=50 first=312 curr=311 min=304 max=318 avg=311.65 std=39",
      "311.65",
      benchmark_model.Reading(None, 0.31165, None, 50),
      id="no percentiles",
    ),
    pytest.param(
      "count=3 first=3305990 curr=3305990 min=3305950 max=3306021 avg=3.30599e+06 std=39",
      "3.30599e+06",
      benchmark_model.Reading(None, 3305.99, None, 3),
      id="scientific",
    ),
    pytest.param(
      "count=50 curr=3554 p5=3554 median=3554 p95=3554",
      "3554",
      benchmark_model.Reading(3.554, 3.554, 3.554, 50),
      id="all the same, percentiles",
    ),
    pytest.param(
      "count=50 curr=505(all same) p5=505 median=505 p95=505",
      "505",
      benchmark_model.Reading(0.505, 0.505, 0.505, 50),
      id="all the same and said, percentiles",
    ),
    pytest.param("count=50 curr=505", "505", SAME, id="all the same"),
    pytest.param("count=50 curr=505(all same)", "505", SAME, id="all the same and said"),
    pytest.param(
      "count=50 first=1 curr=1 min=0 max=2 avg=1.02 std=0 p5=0 median=1 p95=2",
      "1.02",
      benchmark_model.Reading(0.001, 0.00102, 0.002, 50),
      id="a run shorter than the clock's tick",
    ),
  ],
)
def test_any_line_of_statistics_is_read(counted, average, expected):
  reading = read(printed(counted, SUMMARY + average, asked=1))
  assert dataclasses.replace(reading, min_ms=None) == expected
  assert reading.statistic == ("median" if expected.median_ms else "mean")
  assert reading.value_ms == (expected.median_ms or expected.mean_ms)


@pytest.mark.parametrize(
  "summary",
  [
    "Inference timings in us: Init: 1, First inference: 9, Warmup (avg): 7, Inference (avg): 311.7",
    "Average inference timings in us: Warmup: 790.5, Init: 386, Inference: 311.65",
    "Average inference timings in us: Warmup: 790, Init: 386, no stats: 311",
    "Average inference timings in us: Warmup: 790, no stats: 311, with stats: 402",
  ],
)
def test_any_summary_is_read(summary):
  assert read(printed(summary=summary)) == EXPECTED


def test_the_first_builds_announce_their_runs_in_other_words():
  text = printed(prefix="").replace(
    "at least 50 iterations and at least 1 seconds", "50 iterations"
  )
  assert "for 50 iterations" in text
  assert read(text) == EXPECTED


def test_the_tool_of_litert_is_read_from_its_line_of_statistics():
  assert read(printed(summary=""), litert_block()) == EXPECTED


def test_the_summary_of_litert_alone_gives_the_mean_in_milliseconds():
  reading = read("INFO: STARTING!\n", litert_block("85.23", 7))
  assert (reading.median_ms, reading.mean_ms, reading.p95_ms, reading.runs) == (
    None,
    85.23,
    None,
    7,
  )
  assert reading.statistic == "mean"
  assert "0.01 ms" in reading.notes[0]


def test_an_older_build_whose_mean_lies_far_above_its_smallest_run_is_in_doubt():
  line = "count=50 first=900 curr=311 min=304 max=2000 avg=608 std=400"
  reading = read(printed(line, SUMMARY + "608"))
  assert reading.statistic == "mean" and reading.min_ms == 0.304
  assert reading.doubt == "its mean lies 100% above its smallest run"


def test_the_smallest_run_in_the_summary_of_litert_counts_as_far_as_it_is_exact():
  # min is 0.30 ms in the block: 0.305 at most, and 1.4 times that is 0.427.
  for average, doubt in (("0.42", ""), ("0.61", "its mean lies 100% above its smallest run")):
    reading = read("INFO: STARTING!\n", litert_block(average))
    assert (reading.min_ms, reading.doubt) == (0.3, doubt)
  without = "".join(
    line for line in litert_block("0.61").splitlines(keepends=True) if "(min)" not in line
  )
  reading = read("INFO: STARTING!\n", without)
  assert (reading.min_ms, reading.doubt) == (None, "")
  with pytest.raises(errors.NothingMeasured, match="smallest run .300 us. above the average"):
    read("INFO: STARTING!\n", litert_block("0.29"))


@pytest.mark.parametrize(
  ("average", "runs"), [("0.00", 50), ("0.00", 0), ("nan", 50), ("0.31", -1)]
)
def test_the_summary_of_litert_alone_is_refused_where_it_tells_no_time(average, runs):
  with pytest.raises(errors.NothingMeasured):
    read("STARTING!", litert_block(average, runs))


def test_two_summaries_of_litert_are_refused():
  # As for a model with several signatures.
  with pytest.raises(errors.NothingMeasured, match="2 times"):
    read("STARTING!", litert_block() + litert_block())


def test_a_profile_after_the_runs_changes_nothing():
  profile = (
    "INFO: Operator-wise Profiling Info for Regular Benchmark Runs:\n"
    "Timings (microseconds): count=50 first=1 curr=1 min=1 max=1 avg=1 std=0\n"
    "Memory (bytes): count=0\n1 nodes observed\n"
  )
  assert read(printed() + profile) == EXPECTED
  assert read(printed() + profile.replace("Timings", "I tflite  : Timings")) == EXPECTED


def test_fewer_runs_than_asked_for_are_noted():
  reading = read(printed(asked=70))
  assert reading.runs == 50
  assert "only 50 of 70 runs" in reading.notes[0]
