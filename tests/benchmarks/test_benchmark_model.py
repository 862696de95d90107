"""What `benchmark_model` prints, in its many forms: a number it measured, or an error; no third.

`recorded/` has what a build of the tool printed on a PC; the `.cmd` files are the commands. The
other forms were composed after the sources of the builds that print them.
"""

import pathlib
import time

import pytest
from nadv2_tf.benchmarks import benchmark_model, errors
from nadv2_tf.benchmarks.timing import TimingSettings

RECORDED = pathlib.Path(__file__).with_name("recorded")
COMMAND = "./benchmark_model --graph=net.tflite"

LOADED = "Graph: [net.tflite]\nLoaded model net.tflite"
STAGE = (
  "Running benchmark for at least {} iterations and at least 1 seconds but terminate if exceeding "
  "150 seconds."
)
WARMUP = "count=10 first=900 curr=800 min=700 max=900 avg=790.5 std=39 p5=700 median=780 p95=900"
COUNTED = "count=50 first=312 curr=311 min=304 max=318 avg=311.65 std=39 p5=306 median=312 p95=318"
SUMMARY = "Inference timings in us: Init: 386, Warmup (avg): 790.5, Inference (avg): "
EXPECTED = benchmark_model.Reading(0.312, 0.31165, 0.318, 50)


def printed(counted=COUNTED, summary=SUMMARY + "311.65", *, prefix="INFO: ", asked=50):
  """All that a run prints; an empty line follows each line of statistics, as in the tool."""
  lines = ["STARTING!", LOADED, STAGE.format(10), WARMUP + "\n"]
  lines += [STAGE.format(asked), counted + "\n", summary, "Note: only APPROXIMATE: at runtime"]
  text = "\n".join(line for line in lines if line)
  return "".join(f"{prefix}{line}\n" if line else "\n" for line in text.split("\n"))


def read(stdout="", stderr="", exit_status=0, delegate=None):
  return benchmark_model.read(stdout, stderr, exit_status, COMMAND, delegate)


def recorded(name, delegate=None):
  def content(ending):
    return (RECORDED / f"{name}.{ending}").read_bytes()

  return benchmark_model.read(
    content("stdout"),
    content("stderr"),
    int(content("rc")),
    content("cmd").decode().strip(),
    delegate,
  )


# --- arguments ----------------------------------------------------------------------------------


def test_the_arguments_are_those_of_the_settings():
  settings = TimingSettings(
    num_threads=4, runs=20, warmup_runs=3, seconds=0.0, warmup_seconds=0.25, cpu_mask="f0"
  )
  assert benchmark_model.arguments("/data/local/tmp/a b.tflite", settings) == [
    "--graph=/data/local/tmp/a b.tflite",
    "--num_threads=4",
    "--num_runs=20",
    "--warmup_runs=3",
    "--min_secs=0",
    "--warmup_min_secs=0.25",
    "--use_xnnpack=true",
  ]


@pytest.mark.parametrize(
  ("delegate", "flag"),
  [
    ("xnnpack", "--use_xnnpack=true"),
    ("none", "--use_xnnpack=false"),
    ("gpu", "--use_gpu=true"),
    ("nnapi", "--use_nnapi=true"),
  ],
)
def test_every_delegate_has_its_flag(delegate, flag):
  arguments = benchmark_model.arguments("net.tflite", TimingSettings(delegate=delegate))
  assert [argument for argument in arguments if argument.startswith("--use")] == [flag]


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
  )
  assert (reading.statistic, reading.value_ms) == ("median", reading.median_ms)


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
  assert reading == expected
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


def litert_block(average="0.31", runs=50):
  """What LiteRT's own tool prints at its end, on stderr; the results' first line has no prefix."""
  return (
    "INFO: [benchmark_litert_model.h:92] \n========== BENCHMARK RESULTS ==========\n"
    "INFO: [benchmark_litert_model.h:94] Model initialization: 4.48 ms\n"
    "INFO: [benchmark_litert_model.h:96] Warmup (first):       0.90 ms\n"
    "INFO: [benchmark_litert_model.h:98] Warmup (avg):         0.79 ms (10 runs)\n"
    f"INFO: [benchmark_litert_model.h:100] Inference (avg):      {average} ms ({runs} runs)\n"
    "INFO: [benchmark_litert_model.h:104] Inference (min):      0.30 ms\n"
    "INFO: [benchmark_litert_model.h:106] Inference (max):      0.32 ms\n"
    "INFO: [benchmark_litert_model.h:108] Inference (std):      0.04\n"
    "INFO: [benchmark_litert_model.h:115] Throughput:           525.55 MB/s\n"
  )


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


# --- never a number that was not measured -------------------------------------------------------


@pytest.mark.parametrize("name", ["ok", "composed"])
def test_output_that_is_cut_off_anywhere_gives_the_whole_reading_or_none(name):
  text = printed() if name == "composed" else (RECORDED / "ok.stdout").read_text()
  whole, kept = read(text), 0
  for length in range(len(text)):
    try:
      assert read(text[:length]) == whole
      kept += 1
    except errors.NothingMeasured:
      pass
  # All is there once the summary is: the last lines tell of memory.
  assert 0 < kept < len(text) / 2


@pytest.mark.parametrize("name", ["ok", "ok_noxnn", "prof"])
def test_output_that_lacks_any_line_gives_the_whole_reading_or_none(name):
  lines = (RECORDED / f"{name}.stdout").read_text().splitlines()
  whole, refused = read("\n".join(lines)), 0
  for index in range(len(lines)):
    try:
      assert read("\n".join(lines[:index] + lines[index + 1 :])) == whole
    except errors.NothingMeasured:
      refused += 1
  assert refused == 4  # both announcements, the counted runs and the summary


@pytest.mark.parametrize(
  ("counted", "average"),
  [
    ("count=0", "0"),
    ("count=0 p5=0 median=0 p95=0", "0"),
    ("count=0 curr=5", "5"),
    ("count= curr=5", "5"),
    ("count=-3 curr=5", "5"),
    ("count=x curr=5", "5"),
    ("count=50 curr=0", "0"),
    ("count=50 curr=-5", "-5"),
    ("count=50 curr=nan", "nan"),
    ("count=50 curr=5_0", "50"),
    ("count=50", "311.65"),
    ("count=50 first=312 curr=311", "311"),
    (COUNTED.replace("avg=311.65", "avg=0"), "0"),
    (COUNTED.replace("avg=311.65", "avg=-nan"), "-nan"),
    (COUNTED.replace("avg=311.65", "avg=inf"), "inf"),
    (COUNTED.replace("avg=311.65", "avg=1e999"), "1e999"),
    (COUNTED.replace("avg=311.65", "avg="), "311.65"),
    (COUNTED.replace("avg=311.65 ", ""), "311.65"),
    (COUNTED.replace("median=312", "median=0"), "311.65"),
    (COUNTED.replace("median=312", "median=-312"), "311.65"),
    (COUNTED.replace("median=312", "median=nan"), "311.65"),
    (COUNTED.replace("p95=318", "p95=inf"), "311.65"),
    (COUNTED.replace("min=304", "min=-1"), "311.65"),
    (COUNTED.replace("min=304 ", ""), "311.65"),
  ],
)
def test_statistics_that_are_no_times_are_refused(counted, average):
  with pytest.raises(errors.NothingMeasured):
    read(printed(counted, SUMMARY + average))


@pytest.mark.parametrize(
  ("old", "new"),
  [
    ("median=312", "median=303"),
    ("median=312", "median=319"),
    ("p95=318", "p95=311"),
    ("p95=318", "p95=3180"),
    ("min=304", "min=313"),
    ("max=318", "max=311"),
  ],
)
def test_statistics_that_contradict_each_other_are_refused(old, new):
  with pytest.raises(errors.NothingMeasured, match="contradict"):
    read(printed(COUNTED.replace(old, new)))


@pytest.mark.parametrize("average", ["303", "319"])
def test_an_average_beyond_the_extremes_is_refused(average):
  counted = COUNTED.replace("avg=311.65", f"avg={average}")
  with pytest.raises(errors.NothingMeasured, match="contradict"):
    read(printed(counted, SUMMARY + average))


def test_the_six_digits_of_the_tool_are_no_contradiction():
  # Of (33059946 + 33059950 + 33059951) / 3 = 33059949 us, six digits are 33059900.
  counted = "count=3 first=33059946 curr=33059951 min=33059946 max=33059951 avg=3.30599e+07 std=2"
  reading = read(printed(counted, SUMMARY + "3.30599e+07", asked=3), litert_block("33059.95", 3))
  assert reading.mean_ms == 33059.9


@pytest.mark.parametrize("summary", ["790.5", "309", "314", "311650", "0.31165", "0"])
def test_a_summary_of_another_average_is_refused(summary):
  with pytest.raises(errors.NothingMeasured, match="contradicts"):
    read(printed(summary=SUMMARY + summary))


@pytest.mark.parametrize(
  ("average", "runs"), [("0.79", 50), ("0.33", 50), ("311.65", 50), ("0.31", 10)]
)
def test_a_summary_of_litert_of_another_average_or_count_is_refused(average, runs):
  with pytest.raises(errors.NothingMeasured, match="contradicts"):
    read(printed(summary=""), litert_block(average, runs))


def test_the_runs_of_a_second_model_are_refused():
  with pytest.raises(errors.NothingMeasured, match="4 stage"):
    read(printed() + printed())


def test_two_results_of_the_counted_runs_are_refused():
  with pytest.raises(errors.NothingMeasured, match="2 results"):
    read(printed(f"{COUNTED}\n{COUNTED}"))


def test_a_warm_up_without_counted_runs_is_refused():
  text = printed()
  only_warmup = text[: text.index(STAGE.format(50))]
  assert "count=10" in only_warmup
  for stderr in ("", litert_block()):
    with pytest.raises(errors.NothingMeasured, match="1 stage"):
      read(only_warmup, stderr)


@pytest.mark.parametrize("text", ["", " \n", None, b""])
def test_no_output_is_refused(text):
  with pytest.raises(errors.NothingMeasured, match="printed nothing"):
    read(text, text)


@pytest.mark.parametrize("text", ["hello", "Inference (avg): 3", "count=50 curr=3\n" * 2])
def test_the_output_of_something_else_is_refused(text):
  with pytest.raises(errors.NothingMeasured):
    read(text)


# --- strange bytes ------------------------------------------------------------------------------


def test_bytes_that_are_no_text_are_read_over():
  noise = b"\xff\xfe\x00 \xc3\x28 \x1b[0m\n"
  assert read(noise + printed().encode() + noise, noise) == EXPECTED


@pytest.mark.parametrize(
  "flood",
  ["x" * (4 * 2**20), "é".encode() * (2 * 2**20), "count=" * 2**20, ": \n" * 2**21, " " * 2**23],
)
def test_a_flood_is_refused_and_soon(flood):
  whole = printed() if isinstance(flood, str) else printed().encode()
  start = time.monotonic()
  for streams in ((whole + flood, ""), (flood + whole, None), (whole, flood)):
    with pytest.raises(errors.NothingMeasured, match="more than 4194304") as raised:
      read(*streams)
    assert len(str(raised.value)) < 5000
  # It takes a fraction of a second; the bound only tells that from squares of millions.
  assert time.monotonic() - start < 10


def test_much_that_is_no_flood_is_read_soon():
  start = time.monotonic()
  line = "INFO: a: b] count of Failed to create: applied delegates " + " " * 900 + "x\n"
  assert read(printed() + line * 4000) == EXPECTED
  assert time.monotonic() - start < 10


@pytest.mark.parametrize(
  "line",
  [
    "count=50 curr={}",
    "count={}",
    "count=50 first={}",
    "count=50 avg=3 min=1 max=2 p5={}",
    "unresolved custom op: {}",
    "Failed to parse flag 'a' against argv '{}'",
    "Unconsumed cmdline flags: {}",
  ],
)
def test_an_error_does_not_repeat_a_long_line_whole(line):
  with pytest.raises(errors.TimingError) as raised:
    read(printed(line.format("x" * 10**5)), "end\n" * 9)
  assert len(str(raised.value)) < 1000
