"""What `benchmark_model` prints, in its many forms: a number it measured, or an error; no third.

`recorded/` has what a build of the tool printed on a PC; the `.cmd` files are the commands. The
other forms were composed after the sources of the builds that print them.
"""

import dataclasses

import pytest
from benchmark_output import EXPECTED, RECORDED, SUMMARY, litert_block, printed, read, recorded

from nadv2_tf.benchmarks.timing import benchmark_model, builds, errors
from nadv2_tf.benchmarks.timing.device import repeat_of
from nadv2_tf.options import TimingSettings

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
  ("build", "delegate", "is_full", "expected"),
  [
    (builds.TFLITE, "cpu", False, ["--use_xnnpack=true"]),
    (builds.TFLITE, "xnnpack", False, ["--use_xnnpack=true"]),
    (builds.TFLITE, "none", False, ["--use_xnnpack=false"]),
    (builds.TFLITE, "gpu", False, ["--use_gpu=true"]),
    (builds.TFLITE, "nnapi", True, ["--use_nnapi=true", "--require_full_delegation=true"]),
    (builds.LITERT, "cpu", True, ["--use_cpu=true"]),  # it refuses both together
    (builds.LITERT, "gpu", False, ["--use_gpu=true"]),
    (
      builds.LITERT,
      "npu",
      True,
      ["--use_npu=true", "--use_cpu=false", "--require_full_delegation=true"],
    ),
  ],
)
def test_every_build_has_its_flags_for_a_delegate(build, delegate, is_full, expected):
  settings = TimingSettings(delegate=delegate, require_full_delegation=is_full)
  assert benchmark_model.arguments("net.tflite", settings, build)[6:] == expected


def test_further_flags_are_passed_on():
  settings = TimingSettings(
    delegate="gpu", benchmark_flags="--gpu_backend=opengl '--note=a b' --allow_fp16=false"
  )
  flags = benchmark_model.arguments("net.tflite", settings, builds.LITERT)
  assert flags[6:] == ["--use_gpu=true", "--gpu_backend=opengl", "--note=a b", "--allow_fp16=false"]


def test_an_npu_is_told_where_its_libraries_lie():
  settings = TimingSettings(delegate="npu", npu_libraries="here")
  flags = benchmark_model.arguments("net.tflite", settings, builds.LITERT, libraries="/there")
  assert flags[7:] == ["--dispatch_library_path=/there", "--compiler_plugin_library_path=/there"]


@pytest.mark.parametrize(
  ("text", "says"),
  [
    ("gpu_backend=opengl", "must be flags such as --gpu_backend=opengl, got 'gpu_backend=opengl'"),
    ("-v", "must be flags such as"),
    ("--a b", "got 'b'"),
    ("--num_threads=4", "must not have --num_threads, which other options say"),
    ("--allow_fp16=true --use_gpu", "must not have --use_gpu"),
    ("--note='a", "No closing quotation"),
  ],
)
def test_flags_that_are_none_are_refused(text, says):
  with pytest.raises(ValueError, match=says):
    TimingSettings(benchmark_flags=text)


def test_libraries_are_an_npu_s():
  with pytest.raises(ValueError, match="--npu_libraries=here is for --delegate=npu"):
    TimingSettings(delegate="gpu", npu_libraries="here")


@pytest.mark.parametrize(
  ("build", "delegate", "says"),
  [
    (builds.TFLITE, "npu", "of TensorFlow Lite has no delegate 'npu', only cpu, gpu, none, nnapi"),
    (builds.LITERT, "none", "of LiteRT has no delegate 'none', only cpu, gpu, npu"),
    (builds.LITERT, "nnapi", "of LiteRT has no delegate 'nnapi'"),
  ],
)
def test_a_delegate_that_a_build_lacks_is_refused(build, delegate, says):
  with pytest.raises(errors.FlagError, match=says):
    benchmark_model.arguments("net.tflite", TimingSettings(delegate=delegate), build)


@pytest.mark.parametrize(
  ("content", "name", "flags"),
  [
    (b"", "TensorFlow Lite", []),
    (b"\x7fELF use_xnnpack use_gpu", "TensorFlow Lite", []),
    (
      b"use_xnnpack export_model_runtime_info\0model_runtime_info_output_file",
      "TensorFlow Lite",
      ["--export_model_runtime_info=true", "--model_runtime_info_output_file=r/runtime_info.pb"],
    ),
    (b"use_npu", "LiteRT", []),
    (
      b"use_npu\0result_file_path\0model_runtime_info_output_file\0",
      "LiteRT",
      ["--result_file_path=r/result.pb", "--model_runtime_info_output_file=r/runtime_info.pb"],
    ),
  ],
)
def test_a_build_is_told_by_the_flags_in_its_bytes(tmp_path, content, name, flags):
  path = tmp_path / "benchmark_model"
  path.write_bytes(content)
  build = builds.build_of(path)
  assert (build.name, build.file_flags("r"), build.writes_files) == (name, flags, bool(flags))


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


@pytest.mark.parametrize(
  ("median", "smallest", "doubt"),
  [
    (1.25, 1.0, ""),
    (1.26, 1.0, "its median lies 26% above its smallest run"),
    (2.0, 1.0, "its median lies 100% above its smallest run"),
    (2.0, 0.0, ""),  # shorter than the clock's tick
    (2.0, None, ""),
    (None, 1.0, ""),  # of a mean that one long run has raised nothing can be told
  ],
)
def test_a_median_far_above_the_smallest_run_is_a_sign_of_load(median, smallest, doubt):
  reading = benchmark_model.Reading(median, 2.5, None, 50, min_ms=smallest)
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
