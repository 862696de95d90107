"""`AdbDevice` against a real adbd: its records, its refusals, and what it leaves behind."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from nadv2_tf.benchmarks.timing.devices import adb, phone_folder
from nadv2_tf.benchmarks.timing.errors import (
  BinaryError,
  DeviceError,
  DeviceFull,
  DeviceLost,
  FlagError,
  ModelError,
  TimedOut,
)
from nadv2_tf.options import TimingSettings

ONCE = TimingSettings(repeats=1, timeout=20)


@pytest.fixture
def during_a_run(phone):
  """Function (act) -> thread that acts once benchmark_model hangs."""
  phone.say("hangs", "")

  def start(act):
    def wait_and_act():
      phone.wait_for_program()
      act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread

  return start


def test_a_timing_tells_all_about_itself(phone, models):
  phone.say_clock("cpu0", 1_500_000, 2_000_000, 2_000_000)
  phone.say_clock("cpu1", 300_000, 1_000_000, 2_000_000)  # not in the mask, so its cap is no matter
  (path,) = models("net")
  settings = TimingSettings(repeats=2, cpu_mask="1", num_threads=2, timeout=20)
  with phone.device() as device:
    (timing,) = device.time_files([path], settings)
    assert (timing.device, timing.abi) == ("adb: Example Phone One", "x86_64")
    assert timing.android == "14 (UQ1A.240205)"
  binary = hashlib.sha256(phone.binary.read_bytes()).hexdigest()
  assert timing.runtime == f"benchmark_model sha256:{binary}"
  assert timing.file_sha256 == hashlib.sha256(b"net").hexdigest()
  # recorded/ok.stdout: count=2629 ... p5=335 median=354 p95=423, in microseconds
  assert timing.repeats_ms == (0.354, 0.354) and timing.latency_ms == timing.median_ms == 0.354
  assert timing.smallest_ms == 0.319 and timing.disturbed is None
  assert (timing.p95_ms, timing.statistic, timing.runs) == (0.423, "median", 2629)
  assert (timing.spread, timing.steady) == (0, True)
  assert (timing.num_threads, timing.cpu_mask, timing.delegate) == (2, "1", "cpu")
  condition = {
    "thermal_status": 0,
    "thermal_status_after": 0,
    "clock_khz": {"cpu0": 1_500_000},
    "allowed_clock_khz": {"cpu0": 2_000_000},
  }
  assert timing.conditions == (condition, condition)
  assert timing.notes == ()
  assert (timing.reference_ms, timing.drift) == (0.354, 0)
  assert phone.timed(with_reference=True) == ["reference", "net", "reference"] * 2
  label, mask, *flags = phone.said("calls").splitlines()[1].split()
  assert (label, mask) == ("net", "1")
  assert "--num_threads=2" in flags
  phone.assert_as_it_was()


def test_many_files_take_turns_and_do_not_pile_up(phone, models, monkeypatch):
  monkeypatch.setattr(phone_folder, "FILES_AT_ONCE", 8)
  names = [f"net{index}" for index in range(20)]
  paths = models(*names)
  with phone.device() as device:
    repeats = device.measure(paths, TimingSettings(repeats=2, timeout=20))
    assert not list(phone.remote.glob("*/models"))
    assert device.measure([], ONCE) == []
  assert [len(of_file) for of_file in repeats] == [2] * 20
  parts = names[:8], names[8:16], names[16:]
  assert phone.timed() == [name for part in parts for _ in range(2) for name in part]


def test_bytes_on_the_phone_are_bounded_too(tmp_path, monkeypatch):
  paths = [tmp_path / name for name in "abcd"]
  for path, size in zip(paths, (60, 50, 50, 200), strict=True):
    path.write_bytes(bytes(size))
  monkeypatch.setattr(phone_folder, "BYTES_AT_ONCE", 100)
  assert phone_folder.chunks_of(paths) == [paths[:1], paths[1:3], paths[3:]]


def test_a_program_that_hangs_is_ended_by_the_phone(phone, models):
  phone.say("hangs", "")
  with phone.device() as device:
    problem = r"(?s)0-net.tflite did not end within 1 s.*command: adb -s"
    with pytest.raises(TimedOut, match=problem) as error:
      device.measure(models("net"), TimingSettings(repeats=1, timeout=1))
    assert error.value.__cause__ is None  # adb came back by itself
    phone.assert_nothing_runs()
  phone.assert_as_it_was()


def test_a_program_that_the_phone_does_not_end_is_ended_from_here(phone, models, monkeypatch):
  phone.say("hangs", "")
  monkeypatch.setattr(adb, "GRACE", -19)
  with phone.device() as device:
    with pytest.raises(TimedOut, match="did not end within 20 s"):
      device.measure(models("net"), ONCE)
    phone.assert_nothing_runs()
  phone.assert_as_it_was()


@pytest.fixture
def ctrl_c():
  """Ctrl-C interrupts, even where a shell started the tests in the background."""
  before = signal.signal(signal.SIGINT, signal.default_int_handler)
  yield lambda: os.kill(os.getpid(), signal.SIGINT)
  signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_the_program_on_the_phone(phone, models, during_a_run, ctrl_c):
  thread = during_a_run(ctrl_c)
  with phone.device() as device:
    with pytest.raises(KeyboardInterrupt):
      device.measure(models("net"), ONCE)
    phone.assert_nothing_runs()
  thread.join()
  phone.assert_as_it_was()


def test_a_connection_that_breaks_gives_no_number(phone, models, during_a_run):
  thread = during_a_run(phone.disconnect)
  with pytest.raises(DeviceLost, match="went away in the middle"), phone.device() as device:
    device.measure(models("net"), ONCE)
  thread.join()
  # The daemon still runs: leaving connects again, and tidies up.
  phone.assert_as_it_was()


def test_a_phone_that_dies_gives_no_number(mortal_phone, models):
  client = mortal_phone.client()
  mortal_phone.say("hangs", "")

  def kill():
    mortal_phone.wait_for_program()
    client._run(["-s", client.serial, "shell", "kill -9 $PPID"], 10)

  thread = threading.Thread(target=kill)
  with pytest.raises(DeviceLost) as error, mortal_phone.device() as device:
    thread.start()
    device.measure(models("net"), ONCE)
  thread.join()
  assert any("could not be left as it was" in note for note in error.value.__notes__)


def test_what_a_killed_process_left_is_cleared_away(phone, models):
  phone.say("hangs", "")
  program = (
    "import sys\n"
    "from nadv2_tf.benchmarks.timing.devices.adb import AdbDevice\n"
    "from nadv2_tf.options import TimingSettings\n"
    "serial, binary, remote, adb, model = sys.argv[1:]\n"
    "with AdbDevice(serial, binary, remote_folder=remote, adb=adb) as device:\n"
    "  device.measure([model], TimingSettings())\n"
  )
  arguments = [phone.daemon.serial, phone.binary, phone.remote, phone.daemon.adb, *models("net")]
  child = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)])
  phone.wait_for_program()
  with phone.device():
    # One that lives is left alone.
    assert len(list(phone.remote.iterdir())) == 2 and phone.processes()
  child.kill()
  child.wait()
  assert len(list(phone.remote.iterdir())) == 1 and phone.processes()
  with phone.device():
    assert len(list(phone.remote.iterdir())) == 1
    phone.assert_nothing_runs()
  # What counts as before is what was before the killed process.
  phone.assert_as_it_was()


def test_folders_of_others_are_left_alone(phone):
  others = ["nadv2-another_host-1", f"nadv2-{os.uname().nodename}-notes", "somebody's"]
  for name in others:
    (phone.remote / name).mkdir()
  with phone.device():
    pass
  assert sorted(path.name for path in phone.remote.iterdir()) == sorted(others)


@pytest.mark.parametrize("name", ["badflag", "unknown"])
def test_a_flag_that_the_build_does_not_know_gives_no_number(phone, models, name):
  if name == "unknown":
    line = "WARN: Unconsumed cmdline flags: --warmup_min_secs=0.1\n"
    phone.say("says.stdout", line + (phone.state / "says.stdout").read_text())
  else:
    phone.play(name)
  with pytest.raises(FlagError, match="command: adb -s"), phone.device() as device:
    device.measure(models("net"), ONCE)
  phone.assert_as_it_was()


def test_a_damaged_model_gives_no_number(phone, models):
  phone.play("trunc")
  with pytest.raises(ModelError), phone.device() as device:
    device.measure(models("net"), ONCE)
  with phone.device() as device, pytest.raises(ModelError, match="There is no file"):
    device.measure([phone.remote / "nosuch.tflite"], ONCE)


def test_a_binary_for_another_abi_is_refused(phone, tmp_path):
  header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + (2).to_bytes(2, "little")
  program = tmp_path / "for_arm"
  program.write_bytes(header + (183).to_bytes(2, "little") + bytes(40))
  with pytest.raises(BinaryError, match="arm64-v8a.*x86_64"), phone.device(binary=program):
    pass
  phone.assert_as_it_was()


def test_a_binary_that_may_not_run_is_refused(phone, models):
  phone.daemon.mount("-t", "tmpfs", "-o", "noexec", "none", phone.remote)
  with pytest.raises(BinaryError), phone.device() as device:
    device.measure(models("net"), ONCE)


def test_a_full_phone_is_an_error_and_is_left_empty(phone, tmp_path):
  phone.daemon.mount("-t", "tmpfs", "-o", "size=64k", "none", phone.remote)
  large = tmp_path / "large.tflite"
  large.write_bytes(bytes(200_000))
  with pytest.raises(DeviceFull, match="no room"), phone.device() as device:
    device.measure([large], ONCE)
  empty = ("", "", 0)
  assert phone.client().shell(f"ls -A {phone.remote}") == empty
  # The folder is there already when the binary does not fit.
  with pytest.raises(DeviceFull, match="no room"), phone.device(binary=large):
    pass
  assert phone.client().shell(f"ls -A {phone.remote}") == empty


def test_a_folder_that_may_not_be_written_is_an_error(phone):
  os.chown(phone.remote, 1000, 1000)
  phone.remote.chmod(0o755)
  with pytest.raises(DeviceError, match="(?s)does not allow it.*mkdir.*ermission"), phone.device():
    pass
  phone.assert_as_it_was()


def test_processors_that_the_phone_lacks_are_an_error(phone, models):
  settings = TimingSettings(cpu_mask="f000000000000000", timeout=20)
  with pytest.raises(DeviceError, match="do not fit the mask f0"), phone.device() as device:
    device.measure(models("net"), settings)


def test_a_phone_that_cannot_end_a_program_is_refused(mortal_phone):
  mortal_phone.daemon.mount("--bind", "/dev/null", shutil.which("timeout"))
  with pytest.raises(DeviceError, match="has no `timeout`"), mortal_phone.device():
    pass


def test_what_is_no_android_is_refused(phone):
  (phone.daemon.programs / "getprop").unlink()
  with pytest.raises(DeviceError, match="(?s)is it Android.*getprop"), phone.device():
    pass


def test_a_device_that_was_not_entered_is_a_mistake(phone, models):
  with pytest.raises(ValueError, match="with AdbDevice"):
    phone.device().measure(models("net"), ONCE)
