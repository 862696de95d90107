"""Latency over continuous use: parts, tenths, and heat that nobody waits for."""

import dataclasses
import json
import pathlib

import pytest
from result_messages import litert_json

from nadv2_tf.benchmarks.timing import sustained as subject
from nadv2_tf.benchmarks.timing.device import Device
from nadv2_tf.benchmarks.timing.devices import host, open_device
from nadv2_tf.benchmarks.timing.errors import NothingMeasured, Unsteady
from nadv2_tf.benchmarks.timing.records import Identity, Repeat
from nadv2_tf.options import TimingSettings


class Warming(Device):
  """A device that takes a step longer, and is a degree warmer, with each part."""

  identity = Identity("fake: stove", "x86_64", None, "runtime 1")

  def __init__(self, lost=0):
    self.settings, self._lost = [], lost

  def measure(self, paths, settings):
    self.settings.append(settings)
    parts = range(settings.repeats - self._lost)
    return [
      [
        Repeat(
          1.0 + number,
          None,
          7,
          "median",
          {"thermal_status": number, "thermal_status_after": number + 1},
          ("warm",),
        )
        for number in parts
      ]
    ]


@pytest.mark.parametrize(
  ("seconds", "parts"), [(1.0, 10), (60.0, 10), (100.0, 10), (101.0, 20), (600.0, 60)]
)
def test_the_time_is_cut_into_tenths_of_short_parts(seconds, parts):
  device = Warming()
  subject.sustained(device, "net.tflite", TimingSettings(cooldown=9.0), seconds)
  (settings,) = device.settings
  assert (settings.repeats, settings.seconds, settings.cooldown) == (parts, seconds / parts, 0)
  assert settings.is_sustained and settings.timeout >= 3 * settings.seconds
  assert settings.seconds <= subject.LONGEST_PART


def test_first_and_last_tenth_and_the_heat_beside_them():
  found = subject.sustained(Warming(), "net.tflite", TimingSettings(), 150.0)
  # 20 parts of 1 to 20 ms: tenths are 1, 2 and 19, 20
  assert (found.first_ms, found.last_ms) == (1.5, 19.5)
  assert found.parts_ms == tuple(map(float, range(1, 21))) and found.runs == 140
  assert found.thermal_status == tuple(range(21))
  assert (
    "1.5 ms in the first tenth, 19.5 ms in the last (+1200.0%), thermal status 0 at the start, "
    "20 at the end, 20 at most"
  ) in found.describe()


def test_parts_in_doubt_are_told(monkeypatch):
  device = Warming()
  assert subject.sustained(device, "net.tflite", TimingSettings(), 10.0).doubt == ""
  measure, doubt = device.measure, "only 0 of 40 runs were undisturbed"

  def disturbed(paths, settings):
    (parts,) = measure(paths, settings)
    guess = {"doubt": doubt, "statistic": "CPU time"}
    return [[dataclasses.replace(part, **guess) for part in parts[:3]] + parts[3:]]

  monkeypatch.setattr(device, "measure", disturbed)
  found = subject.sustained(device, "net.tflite", TimingSettings(), 10.0)
  assert found.statistic == "median"  # of seven parts in ten
  assert found.describe().endswith(f"; 3 of 10 parts are in doubt: {doubt}")
  with pytest.raises(Unsteady, match=rf"net.tflite is unsteady: 3 of 10 parts .*: {doubt}\. Some"):
    subject.sustained(device, "net.tflite", TimingSettings(on_unsteady="fail"), 10.0)


def test_a_use_without_doubt_passes_and_says_what_it_was_not_held_against():
  found = subject.sustained(Warming(), "net.tflite", TimingSettings(on_unsteady="fail"), 10.0)
  assert found.notes == (subject.NO_REFERENCE, "warm")  # each once
  assert found.describe().endswith("so that other load looks like heat; warm")


def test_a_part_is_its_runs_and_lasts_as_long_as_was_asked_for(tmp_path, monkeypatch):
  """Here: no part goes on for undisturbed runs, and the first is as long as the others."""
  path, asked = tmp_path / "net.tflite", []
  path.write_bytes(b"")

  def run(command, timeout):
    asked.append(dict(word.lstrip("-").split("=") for word in command if "=" in word))
    if "result_json" in asked[-1]:
      result = pathlib.Path(asked[-1]["result_json"])
      result.write_bytes(litert_json(int(asked[-1]["num_runs"])))
      return "", "", 0
    part = {"value_ms": 1.0, "p95_ms": 1.0, "runs": 9, "statistic": "undisturbed"}
    return json.dumps({"repeats": [part] * int(asked[-1]["repeats"])}), "", 0

  monkeypatch.setattr(host, "_run", run)
  subject.sustained(open_device("host"), path, TimingSettings(), 1.0)
  (worker,) = asked
  assert worker["patience"] == "0" and (worker["runs"], worker["seconds"]) == ("1", "0.1")
  asked.clear()
  found = subject.sustained(open_device("host", host_runner="litert"), path, TimingSettings(), 1.0)
  # Twenty runs of 0.33 ms tell that 304 fill 0.1 s.
  assert [int(flags["num_runs"]) for flags in asked] == [host.SHORT, *[304] * 10]
  assert len(found.parts_ms) == 10 and found.runs == 3040


def test_parts_that_are_missing_are_refused():
  with pytest.raises(NothingMeasured, match="measured 9 parts"):
    subject.sustained(Warming(lost=1), "net.tflite", TimingSettings(), 10.0)


def test_a_phone_that_becomes_hot_goes_on(phone, models):
  phone.say("thermal", "0\n" * 5 + "2\n")  # cool for five looks, then hot
  with phone.device() as device:
    found = subject.sustained(device, models("net")[0], TimingSettings(timeout=20), 1.0)
  assert len(found.parts_ms) == 10 and set(found.parts_ms) == {0.354}
  # One look before all, and one before and after each part.
  assert found.thermal_status == (0, 0, 0, *[2] * 8)
  assert "thermal status 0 at the start, 2 at the end, 2 at most" in found.describe()
  assert len(phone.timed()) == 10 and "--min_secs=0.1" in phone.said("calls")
  phone.assert_as_it_was()


def test_a_phone_that_is_hot_is_waited_for_before_the_first_part(phone, models, monkeypatch):
  from nadv2_tf.benchmarks.timing.devices import adb

  monkeypatch.setattr(adb, "COOLING_STEP", 0.01)
  phone.say("thermal", "3\n3\n0\n")
  with phone.device() as device:
    found = subject.sustained(device, models("net")[0], TimingSettings(timeout=20), 1.0)
  assert set(found.thermal_status) == {0}
