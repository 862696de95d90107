"""`AdbDevice` against a real adbd, on a phone that is asleep, hot or slowed down."""

import re

import pytest

from nadv2_tf.benchmarks.timing.devices import adb, phone_folder
from nadv2_tf.benchmarks.timing.errors import Hot
from nadv2_tf.options import TimingSettings

ONCE = TimingSettings(repeats=1, timeout=20)


@pytest.fixture(autouse=True)
def short_steps(monkeypatch):
  monkeypatch.setattr(adb, "COOLING_STEP", 0.05)


def test_the_phone_is_awake_while_files_are_timed(phone, models):
  with phone.device():
    assert phone.said("wakefulness") == "Awake"
    assert phone.said("settings/stay_on_while_plugged_in") == "15"
  phone.assert_as_it_was()
  # A phone that was awake stays so, and a setting that was not there is not there again.
  phone.say("wakefulness", "Awake")
  (phone.state / "settings/stay_on_while_plugged_in").unlink()
  with pytest.raises(ZeroDivisionError), phone.device():
    assert phone.said("settings/stay_on_while_plugged_in") == "15"
    raise ZeroDivisionError
  assert phone.said("wakefulness") == "Awake"
  assert not list((phone.state / "settings").iterdir())


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_commands_the_last_one_puts_the_phone_back(phone, models, monkeypatch, is_first):
  first, second = phone.device(), phone.device()
  first.__enter__()
  with monkeypatch.context() as patch:  # the other one is a process on another machine
    patch.setattr(phone_folder.socket, "gethostname", lambda: "other")
    second.__enter__()
  (timing,) = second.time_files(models("net"), ONCE)
  (note,) = timing.notes
  assert note.startswith(f"another command uses the phone as well: {phone.remote}/nadv2-")
  early, late = (first, second) if is_first else (second, first)
  early.__exit__(None, None, None)
  assert phone.said("wakefulness") == "Awake"
  assert phone.said("settings/stay_on_while_plugged_in") == "15"
  late.__exit__(None, None, None)
  phone.assert_as_it_was()


def test_what_another_one_of_two_left_when_it_was_killed_is_put_back(phone):
  killed, other = phone.device(), phone.device()
  killed.__enter__()
  (folder,) = phone.remote.iterdir()
  stale = folder.with_name(re.sub(r"\d+$", "999999999", folder.name))  # no process has that number
  folder.rename(stale)
  with other:
    assert phone.said("settings/stay_on_while_plugged_in") == "15" and not stale.exists()
  phone.assert_as_it_was()


@pytest.mark.parametrize("name", ["dumpsys", "settings", "svc", "input"])
def test_without_a_command_the_phone_is_not_touched_and_a_note_says_so(phone, models, name):
  (phone.daemon.programs / name).unlink()
  with phone.device() as device:
    (timing,) = device.time_files(models("net"), ONCE)
  assert f"not kept awake: the phone has no {name}" in timing.notes
  silent = "the phone says nothing of its heat and its clocks"
  assert (silent in timing.notes) == (name == "dumpsys")
  assert not (phone.state / "keys").exists()
  phone.assert_as_it_was()


def test_a_hot_phone_is_waited_for(phone, models):
  # One look before a run and one after it, of the reference first; the file is to wait.
  phone.say("thermal", "0\n0\n2\n0\n0\n0\n0\n")
  with phone.device() as device:
    (timing,) = device.time_files(models("net"), TimingSettings(repeats=2, timeout=20))
  assert timing.notes == ("waited for a hot phone: thermal status 2",)
  assert len(phone.timed()) == 2


def test_a_phone_that_is_hot_for_the_reference_is_told(phone, models):
  phone.say("thermal", "2\n0\n0\n0\n0\n0\n0\n")
  with phone.device() as device:
    (timing,) = device.time_files(models("net"), ONCE)
  assert timing.notes == ("waited for a hot phone: thermal status 2",)


def test_a_repeat_that_ends_hot_is_measured_again(phone, models):
  phone.say("thermal", "0\n0\n0\n3\n1\n0\n0\n0\n0\n")
  with phone.device() as device:
    (timing,) = device.time_files(models("net"), ONCE)
  assert timing.notes == (
    "a repeat that ended hot was not counted: thermal status 3",
    "waited for a hot phone: thermal status 1",
  )
  assert len(phone.timed()) == 2 and timing.repeats == 1
  assert timing.conditions[0]["thermal_status_after"] == 0


def test_a_phone_that_stays_hot_gives_no_number(phone, models):
  phone.say("thermal", "1\n")
  settings = TimingSettings(repeats=1, timeout=20, hot_wait=0.2)
  with (
    pytest.raises(Hot, match="did not cool down within 0.2 s: thermal status 1"),
    phone.device() as device,
  ):
    device.measure(models("net"), settings)
  assert not (phone.state / "calls").exists()
  phone.assert_as_it_was()


def test_a_phone_that_each_run_makes_hot_gives_no_number(phone, models):
  phone.say("thermal", "0\n2\n" * adb.HOT_ATTEMPTS)
  with pytest.raises(Hot, match="became hot 3 times while .*net"), phone.device() as device:
    device.measure(models("net"), ONCE)
  assert len(phone.timed()) == 3


def test_a_clock_that_is_held_down_gives_no_number(phone, models):
  phone.say_clock("cpu0", 900_000, 1_000_000, 2_000_000)
  settings = TimingSettings(repeats=1, timeout=20, hot_wait=0)
  problem = "clock of cpu0 is held at 1000000 of 2000000 kHz"
  with pytest.raises(Hot, match=problem), phone.device() as device:
    device.measure(models("net"), settings)
