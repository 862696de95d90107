"""Seconds of stages and parts never overlap and add up to the whole."""

import time

import pytest

from nadv2_tf import stopwatch
from nadv2_tf.stopwatch import Stopwatch


@pytest.fixture
def clock(monkeypatch):
  """A list [seconds, CPU seconds] that the stopwatch reads."""
  now = [100.0, 7.0]
  monkeypatch.setattr(stopwatch, "_now", lambda: tuple(now))

  def pass_by(seconds, cpu):
    now[0] += seconds
    now[1] += cpu

  return pass_by


def test_what_is_inside_belongs_to_the_innermost(clock):
  with Stopwatch().current() as watch:
    clock(1, 1)
    with stopwatch.stage("train"):
      clock(2, 4)
      with stopwatch.part("tracing"):
        clock(8, 8)
        with stopwatch.part("steps"):
          clock(16, 32)
        clock(0.5, 0.25)
      clock(4, 0)
    clock(64, 0)
  assert watch.stages == {
    "between": {"rest": [65, 1]},
    "train": {"rest": [6, 4], "tracing": [8.5, 8.25], "steps": [16, 32]},
  }
  header = ["seconds", "CPU seconds", *stopwatch.PARTS, stopwatch.REST]
  rows = dict(stopwatch.rows(watch.stages))
  assert dict(zip(header, rows["train"], strict=True)) == {
    "seconds": 30.5,
    "CPU seconds": 44.25,
    "tracing": 8.5,
    "steps": 16,
    "files": 0,
    "timing": 0,
    "rest": 6,
  }
  assert rows["all"][:2] == [95.5, 45.25]


def test_a_stage_that_fails_is_counted_and_the_next_one_too(clock):
  with Stopwatch().current() as watch:
    with pytest.raises(KeyError), stopwatch.stage("search"), stopwatch.part("files"):
      clock(3, 1)
      raise KeyError
    with stopwatch.stage("search"):
      clock(5, 0)
  assert watch.stages["search"] == {"rest": [5, 0], "files": [3, 1]}


def test_without_a_stopwatch_nothing_is_counted_and_nothing_breaks(clock):
  with stopwatch.stage("train"), stopwatch.part("steps"):
    clock(1, 1)
  watch = Stopwatch()
  clock(1000, 0)  # before it is the current one
  with watch.current(), stopwatch.running() as same:
    assert same is watch
    clock(2, 1)
  assert watch.stages["between"] == {"rest": [2, 1]}


def test_times_of_two_commands_are_added():
  before = {"train": {"steps": [1.0, 2.0]}}
  added = stopwatch.added(before, {"train": {"steps": [4, 8], "rest": [1, 1]}, "time": {}})
  assert added == {"train": {"steps": [5, 10], "rest": [1, 1]}, "time": {}}
  assert before == {"train": {"steps": [1.0, 2.0]}}


def test_real_seconds_and_cpu_seconds_move():
  with Stopwatch().current() as watch, stopwatch.stage("busy"):
    start = time.process_time()
    while time.process_time() < start + 0.05:
      pass
  seconds, cpu = watch.stages["busy"]["rest"]
  # The operating system counts CPU time in hundredths of a second.
  assert seconds > 0.04 and cpu > 0.02
