"""The study of start-up time: its table, and that a command that fails is no time."""

import sys

import pytest

from nadv2_tf.benchmarks.studies import start_up


def test_the_table_says_median_range_and_what_was_asked_for():
  seconds = {"bare": [0.02, 0.03, 0.01], "held": [0.1, 0.3, 0.1999], "not held": [0.2, 0.2, 0.2]}
  asked = {"bare": None, "held": 0.2, "not held": 0.2}
  header, *rows = [line.split() for line in start_up.table(seconds, asked)]
  assert header[:3] == ["median", "min", "max"]
  assert rows[0] == ["bare", "20.0", "10.0", "30.0"]
  assert rows[1] == ["held", "199.9", "100.0", "300.0", "asked", "under", "200:", "yes"]
  assert rows[2] == ["not", "held", "200.0", "200.0", "200.0", "asked", "under", "200:", "NO"]


@pytest.mark.parametrize("code", ["raise ValueError('no')", "raise SystemExit(1)"])
def test_a_command_that_fails_is_no_time(code):
  with pytest.raises(RuntimeError, match="exits with 1"):
    start_up.run_once([sys.executable, "-c", code])


def test_help_may_exit_with_1_but_not_with_an_error():
  start_up.run_once([sys.executable, "-c", "raise SystemExit(1)", "--help"])
  with pytest.raises(RuntimeError, match="ValueError: no"):
    start_up.run_once([sys.executable, "-c", "raise ValueError('no')", "--help"])
