"""Choosing among devices in states that a real adbd does not get into; adb is a stand-in."""

import shlex

import pytest

from nadv2_tf.benchmarks.timing.devices import adb_client, adb_listing
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
  assert adb_listing.parse_devices(start + HEAD + READY + "\n") == [
    ("8A1X0L", "device", READY.partition("device ")[2].strip())
  ]


@pytest.mark.parametrize(
  ("line", "serial", "state"),
  [
    ("adb-01AB-xy (2)._adb-tls-connect._tcp device product:p model:m transport_id:1", None, None),
    ("my device (2)._adb._tcp offline transport_id:3", "my device (2)._adb._tcp", "offline"),
    ("adb-01AB (2)._adb._tcp unauthorized", "adb-01AB (2)._adb._tcp", "unauthorized"),
    ("(no serial number) no permissions; see [http://x] usb:1-2", "(no serial number)", None),
    ("8A1X0L               device usb:339738624X product: model:Pixel_6", "8A1X0L", "device"),
    ("two words             no permissions (missing udev rules?); see [x]", "two words", None),
  ],
)
def test_serials_with_blanks_are_split_at_the_state(line, serial, state):
  (listed,) = adb_listing.parse_devices(HEAD + line + "\n\n")
  assert listed.serial == (serial or "adb-01AB-xy (2)._adb-tls-connect._tcp")
  assert listed.state == (state or ("no permissions" if "no perm" in line else "device"))
  assert line.replace(" ", "") == "".join(listed).replace(" ", "")


def test_a_phone_named_in_the_network_is_taken_and_named_as_a_shell_takes_it(adb_that_lists):
  name = "adb-0123456789ABCD-abcdef (2)._adb-tls-connect._tcp"
  line = f"{name} device product:p model:m device:d transport_id:1\n"
  assert adb_client.choose_device(adb=adb_that_lists(line)).serial == name
  assert adb_client.choose_device(name, adb_that_lists(line + READY)).serial == name
  with pytest.raises(DeviceError) as error:
    adb_client.choose_device(adb=adb_that_lists(line + READY))
  assert f"'--device=adb:{name}' or --device=adb:8A1X0L" in str(error.value)


@pytest.mark.parametrize("state", ["offline", "unauthorized", "recovery", "no permissions; see x"])
def test_what_cannot_be_used_does_not_stand_beside_the_ready_one(adb_that_lists, state):
  other = f"emulator-5554          {state} transport_id:1\n"
  assert adb_client.choose_device(adb=adb_that_lists(other + READY)).serial == "8A1X0L"
  lines = other + READY + READY.replace("8A1X0L", "9B2Y")
  with pytest.raises(DeviceError, match=r"There are 2 devices\. Name one, .*8A1X0L or .*9B2Y") as e:
    adb_client.choose_device(adb=adb_that_lists(lines))
  assert "emulator" not in str(e.value).splitlines()[0]
  # Of several that cannot be used each says why.
  with pytest.raises(DeviceError, match="emulator-5554 is '.*8A1X0L is 'unauthorized'"):
    adb_client.choose_device(
      adb=adb_that_lists(other + READY.replace("device u", "unauthorized u"))
    )


def test_a_serial_left_in_the_environment_is_named_as_such(adb_that_lists, monkeypatch):
  program = adb_that_lists(READY)
  monkeypatch.setenv("ANDROID_SERIAL", "old")
  with pytest.raises(DeviceError, match="There is no device 'old', which ANDROID_SERIAL names"):
    adb_client.choose_device(adb=program)


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


def test_an_adb_on_path_that_fails_is_not_replaced(tmp_path, monkeypatch):
  """The package adbutils would take its own instead, and the two would end each other's server."""
  program = tmp_path / "adb"
  program.write_text("#!/bin/sh\necho libc++.so.1: cannot open >&2; exit 127\n")
  program.chmod(0o755)
  monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
  monkeypatch.delenv("ADBUTILS_ADB_PATH", raising=False)
  with pytest.raises(DeviceError, match=rf"(?s)on PATH, {program}, does not run.*libc\+\+\.so"):
    adb_client.find_adb()
  monkeypatch.setenv("ADBUTILS_ADB_PATH", "/usr/bin/other_adb")  # the way out that it names
  assert adb_client.find_adb() == "/usr/bin/other_adb"
  monkeypatch.delenv("ADBUTILS_ADB_PATH")
  program.write_text("#!/bin/sh\nexec sleep 60\n")
  monkeypatch.setattr(adb_client, "QUICK", 0.2)
  with pytest.raises(DeviceError, match=r"^adb did not end within 0\.2 s\."):
    adb_client.find_adb()


def test_a_program_that_was_named_is_not_replaced_either(tmp_path, monkeypatch):
  monkeypatch.setenv("ADBUTILS_ADB_PATH", str(tmp_path / "nosuch"))
  with pytest.raises(DeviceError, match="adb does not run: .*nosuch"):
    adb_client.choose_device()
