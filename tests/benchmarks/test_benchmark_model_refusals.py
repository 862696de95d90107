"""Output of `benchmark_model` without a measured number is refused; strange bytes do no harm."""

import time

import pytest
from benchmark_output import (
  COUNTED,
  EXPECTED,
  RECORDED,
  STAGE,
  SUMMARY,
  litert_block,
  printed,
  read,
)

from nadv2_tf.benchmarks.timing import errors

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
  start = time.process_time()
  for streams in ((whole + flood, ""), (flood + whole, None), (whole, flood)):
    with pytest.raises(errors.NothingMeasured, match="more than 4194304") as raised:
      read(*streams)
    assert len(str(raised.value)) < 5000
  # It takes a fraction of a second; the bound only tells that from squares of millions.
  assert time.process_time() - start < 10


def test_much_that_is_no_flood_is_read_soon():
  start = time.process_time()
  line = "INFO: a: b] count of Failed to create: applied delegates " + " " * 900 + "x\n"
  assert read(printed() + line * 4000) == EXPECTED
  assert time.process_time() - start < 10


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
