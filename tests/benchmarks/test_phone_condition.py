"""Reading what a phone says of its heat, its clocks and its sleep; no phone is needed."""

import json

import pytest

from nadv2_tf.benchmarks.timing.devices.phone_condition import (
  Clock,
  Condition,
  parse_condition,
  parse_wakefulness,
  record,
)

# As Android 14 prints it, shortened.
THERMAL = """\
IsStatusOverride: false
ThermalEventListeners:
\tcallbacks: 1
\tbroadcast count: -1
ThermalStatusListeners:
\tcallbacks: 1
Thermal Status: {}
Cached temperatures:
\tTemperature{{mValue=31.4, mType=3, mName=skin, mStatus=0}}
HAL Ready: true
"""
CLOCKS = """\
cpu0 scaling_cur_freq 300000
cpu0 scaling_max_freq 1803000
cpu0 cpuinfo_max_freq 1803000
cpu10 scaling_cur_freq 2500000
cpu10 scaling_max_freq 2500000
cpu10 cpuinfo_max_freq 2850000
cpu9 scaling_cur_freq 500000
cpu9 cpuinfo_max_freq 2850000
"""
COOL = Clock(300_000, 1_803_000, 1_803_000)
HELD = Clock(2_500_000, 2_500_000, 2_850_000)


@pytest.mark.parametrize("status", range(7))
def test_thermal_status_is_read_and_all_but_0_is_trouble(status):
  condition = parse_condition(THERMAL.format(status))
  assert condition == Condition(status, {})
  assert condition.is_known
  assert condition.trouble == (f"thermal status {status}" if status else "")


@pytest.mark.parametrize(
  "text",
  [
    "",
    "Can't find service: thermalservice\n",
    "Thermal Status: \n",
    "Thermal Status: severe\n",
    "Old Thermal Status: 3\n",
  ],
)
def test_a_phone_that_tells_no_status_has_none(text):
  condition = parse_condition(text)
  assert condition == Condition(None, {})
  assert not condition.is_known and condition.trouble == ""


def test_clocks_are_those_that_all_three_files_tell():
  # cpu9 lacks a file.
  assert parse_condition(CLOCKS).clocks == {"cpu0": COOL, "cpu10": HELD}


@pytest.mark.parametrize(
  ("cpu_mask", "names"),
  [
    (None, ["cpu0", "cpu10"]),
    ("1", ["cpu0"]),  # processor 0
    ("400", ["cpu10"]),  # 0x400 = 2^10
    ("401", ["cpu0", "cpu10"]),
    ("F0", []),  # 4 to 7
  ],
)
def test_only_the_clocks_of_processors_in_use_count(cpu_mask, names):
  condition = parse_condition(CLOCKS, cpu_mask)
  assert list(condition.clocks) == names
  held = "the clock of cpu10 is held at 2500000 of 2850000 kHz"
  assert condition.trouble == (held if "cpu10" in names else "")
  assert condition.is_known == bool(names)


def test_all_troubles_are_named():
  trouble = parse_condition(THERMAL.format(2) + CLOCKS).trouble
  assert trouble.startswith("thermal status 2, ") and "cpu10" in trouble


def test_the_record_of_a_repeat_is_plain():
  before = Condition(0, {"cpu0": Clock(300_000, 2_000_000, 2_000_000)})
  after = Condition(None, {"cpu0": Clock(1_900_000, 2_000_000, 2_000_000)})
  plain = record(before, after)
  assert plain == {
    "thermal_status": 0,
    "thermal_status_after": None,
    "clock_khz": {"cpu0": 1_900_000},
    "allowed_clock_khz": {"cpu0": 2_000_000},
  }
  assert json.loads(json.dumps(plain)) == plain


@pytest.mark.parametrize(
  ("text", "wakefulness"),
  [
    ("Power Manager State:\n  mDirty=0x0\n  mWakefulness=Awake\n", "Awake"),
    ("  mWakefulnessChanging=false\n  mWakefulness=Dozing\n", "Dozing"),
    ("mWakefulness=Asleep\r\n", "Asleep"),
    ("  mWakefulnessChanging=false\n", None),
    ("Can't find service: power\n", None),
    ("", None),
  ],
)
def test_wakefulness_is_read(text, wakefulness):
  assert parse_wakefulness(text) == wakefulness
