"""nadv2-time on a phone as a command of its own: its flags, the real adb, and what it prints."""

import json
import os
import subprocess
import sys

import pytest

#: The command, with a folder of this machine in the place of /data/local/tmp, which it has not.
COMMAND = """
import functools, sys
from nadv2_tf.benchmarks.timing.devices import adb
adb.AdbDevice = functools.partial(adb.AdbDevice, remote_folder=sys.argv.pop(1))
from nadv2_tf.programs import time
time.start()
"""


@pytest.fixture
def nadv2_time(phone, models):
  """Function (flags) -> the finished command that timed a file, once each."""
  (path,) = models("net")

  def start(*flags):
    return subprocess.run(
      [sys.executable, "-c", COMMAND, phone.remote, f"--tflite={path}", "--repeats=1", *flags],
      capture_output=True,
      text=True,
      timeout=240,
      check=False,
      env={**os.environ, "ADBUTILS_ADB_PATH": str(phone.daemon.adb)},
    )

  return start


def test_a_phone_is_timed_by_the_command(phone, nadv2_time):
  flags = ["--cpu_mask=1", "--num_threads=2", f"--benchmark_binary={phone.binary}"]
  done = nadv2_time(f"--device=adb:{phone.daemon.serial}", *flags)
  assert (done.returncode, done.stderr) == (0, "")
  # As recorded in ok.stdout, in microseconds: median=354 p95=423.
  says = "0.354 ms median, 0.423 ms p95, spread of 1 repeats 0.0%, 2 thread(s), benchmark_model sha"
  assert says in done.stdout and done.stdout.endswith(", adb: Example Phone One\n")
  label, mask, *asked = phone.said("calls").splitlines()[1].split()
  assert (label, mask) == ("net", "1") and "--num_threads=2" in asked
  assert phone.timed(with_reference=True) == ["reference", "net", "reference"]
  phone.assert_as_it_was()


def test_two_serials_are_timed_one_after_the_other(phone, nadv2_time):
  phone.client()  # by its address; adb finds the same daemon as an emulator by itself
  serials = [phone.daemon.serial, "emulator-5554"]
  device = ",".join(f"adb:{serial}" for serial in serials)
  done = nadv2_time(f"--device={device}", f"--benchmark_binary={phone.binary}", "--json")
  assert (done.returncode, done.stderr) == (0, "")
  records = json.loads(done.stdout)
  assert [record["device"] for record in records] == ["adb: Example Phone One"] * 2
  assert [record["latency_ms"] for record in records] == [0.354] * 2
  assert phone.timed() == ["net"] * 2
  phone.assert_as_it_was()


def test_a_phone_that_is_not_there_is_told_in_one_error(phone, nadv2_time):
  done = nadv2_time("--device=adb:nosuch", f"--benchmark_binary={phone.binary}")
  assert (done.returncode, done.stdout) == (1, "")
  assert done.stderr.startswith("error: There is no device 'nosuch'.")
  assert "Traceback" not in done.stderr and not (phone.state / "calls").exists()
