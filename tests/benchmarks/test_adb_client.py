"""Choosing among devices in states that a real adbd does not get into; adb is a stand-in."""

import shlex

import pytest

from nadv2_tf.benchmarks.timing.devices import adb_client
from nadv2_tf.benchmarks.timing.errors import DeviceError

HEAD = "List of devices attached\n"
READY = "8A1X0L device usb:1-2 product:oriole model:Pixel_6 device:oriole transport_id:1\n"
PROBLEMS = [
  ("8A1X0L unauthorized usb:1-2 transport_id:1\n", "unauthorized", "accept its question"),
  ("8A1X0L offline usb:1-2 transport_id:1\n", "offline", "plug it in again"),
  ("8A1X0L authorizing usb:1-2 transport_id:1\n", "authorizing", "accept its question"),
  ("8A1X0L recovery usb:1-2\n", "recovery", "Start Android"),
  ("8A1X0L nosuchstate usb:1-2\n", "nosuchstate", "has to be 'device'"),
  (
    "8A1X0L no permissions (missing udev rules? user is in the plugdev group); see "
    "[http://developer.android.com/tools/device.html] usb:1-2 transport_id:1\n",
    "no permissions",
    "udev rules",
  ),
  ("(no serial number) no permissions; see [http://x] usb:1-2\n", "no permissions", "udev"),
]


@pytest.fixture
def adb_that_lists(tmp_path, monkeypatch):
  """Function (lines) -> path of an adb whose `devices` prints them."""
  monkeypatch.delenv("ANDROID_SERIAL", raising=False)
  monkeypatch.setattr(adb_client, "SETTLING", 0.3)

  def write(lines):
    program = tmp_path / "adb"
    program.write_text(f"#!/bin/sh\nprintf %s {shlex.quote(HEAD + lines)}\n")
    program.chmod(0o755)
    return program

  return write


def test_the_only_device_is_taken(adb_that_lists):
  start = "* daemon not running; starting now at tcp:5037\n* daemon started successfully\n"
  assert adb_client.choose_device(adb=adb_that_lists(READY)).serial == "8A1X0L"
  assert adb_client.parse_devices(start + HEAD + READY + "\n") == [
    ("8A1X0L", "device", READY.partition("device ")[2].strip())
  ]


def test_without_a_device_the_way_to_one_is_told(adb_that_lists):
  with pytest.raises(DeviceError, match="Plug a phone in.*'USB debugging'"):
    adb_client.choose_device(adb=adb_that_lists("\n"))


@pytest.mark.parametrize(("line", "state", "remedy"), PROBLEMS)
def test_a_device_that_is_not_ready_is_an_error_with_a_remedy(adb_that_lists, line, state, remedy):
  with pytest.raises(DeviceError, match=f"is '{state}'.*{remedy}"):
    adb_client.choose_device(adb=adb_that_lists(line))
  # Another device does not help one that was asked for.
  if line.startswith("8A1X0L"):
    other = READY.replace("8A1X0L", "other")
    with pytest.raises(DeviceError, match=f"is '{state}'"):
      adb_client.choose_device("8A1X0L", adb_that_lists(other + line))


def test_two_devices_are_listed(adb_that_lists):
  lines = READY + READY.replace("8A1X0L", "9B2Y").replace("Pixel_6", "Nexus_5")
  with pytest.raises(DeviceError, match="(?s)There are 2 devices.*Pixel_6.*9B2Y.*Nexus_5"):
    adb_client.choose_device(adb=adb_that_lists(lines))
  assert adb_client.choose_device("9B2Y", adb_that_lists(lines)).serial == "9B2Y"


def test_an_adb_that_does_not_work_is_an_error(tmp_path, monkeypatch):
  monkeypatch.delenv("ANDROID_SERIAL", raising=False)
  with pytest.raises(DeviceError, match="adb does not run: .*No such file"):
    adb_client.choose_device(adb=tmp_path / "nosuch")
  program = tmp_path / "adb"
  program.write_text("#!/bin/sh\necho cannot start server >&2; exit 1\n")
  program.chmod(0o755)
  with pytest.raises(DeviceError, match="(?s)adb does not work.*cannot start server"):
    adb_client.choose_device(adb=program)
