"""adb against a real daemon: choosing a device, running, copying, and what can go wrong."""

import os
import threading

import pytest

from nadv2_tf.benchmarks.timing.devices import adb_client
from nadv2_tf.benchmarks.timing.errors import DeviceError, DeviceFull, DeviceLost


def test_a_script_gives_its_output_and_exit_status(phone):
  client = phone.client()
  assert client.shell("echo out; echo err >&2; exit 7") == ("out\n", "err\n", 7)
  assert client.shell("printf 'no line end'") == ("no line end", "", 0)
  assert client.shell("nosuch-program").exit_status == 127
  # adb uses 255 for a connection that broke, but a program may use it too.
  assert client.shell("exit 255") == ("", "", 255)
  assert client.shell("echo 'error: closed' >&2; exit 1") == ("", "error: closed\n", 1)


def test_a_script_that_is_no_script_is_an_error(phone):
  with pytest.raises(DeviceError, match="(?s)broke off.*command: adb -s .* shell .*yntax error"):
    phone.client().shell("if")


def test_files_come_back_as_they_went(phone, tmp_path):
  contents = {"a.bin": os.urandom(300_000), "b c.bin": b"", "d.txt": b"line\r\nline\n"}
  for name, content in contents.items():
    (tmp_path / name).write_bytes(content)
  client = phone.client()
  client.push([tmp_path / name for name in contents], str(phone.remote))
  for name, content in contents.items():
    assert (phone.remote / name).read_bytes() == content
    client.pull(str(phone.remote / name), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content


def test_what_cannot_be_copied_is_an_error(phone, tmp_path):
  client = phone.client()
  with pytest.raises(DeviceError, match="(?s)cannot be copied.*command: adb .*No such file"):
    client.pull(str(phone.remote / "nosuch"), tmp_path / "back")
  phone.daemon.mount("-t", "tmpfs", "-o", "size=64k", "none", phone.remote)
  (tmp_path / "large").write_bytes(bytes(200_000))
  with pytest.raises(DeviceFull, match="has no room"):
    client.push([tmp_path / "large"], str(phone.remote))
  other = tmp_path / "other"
  other.mkdir(mode=0o755)
  os.chown(other, 1000, 1000)
  with pytest.raises(DeviceError, match="(?s)does not allow it.*Permission denied"):
    client.push([tmp_path / "large"], str(other))


def test_a_script_without_end_is_left_after_its_time(phone):
  client = phone.client()
  with pytest.raises(adb_client.NoAnswer, match="does not answer: adb did not end within 0.5 s"):
    client.shell("sleep 3", timeout=0.5)


def test_of_two_devices_one_must_be_named(phone, monkeypatch):
  phone.client()  # by its address; adb finds the same daemon as an emulator by itself
  with pytest.raises(DeviceError, match="There are 2 devices") as error:
    adb_client.choose_device(adb=phone.daemon.adb)
  assert phone.daemon.serial in str(error.value) and "emulator-5554" in str(error.value)
  monkeypatch.setenv("ANDROID_SERIAL", "emulator-5554")
  assert adb_client.choose_device(adb=phone.daemon.adb).serial == "emulator-5554"


def test_an_unknown_serial_is_an_error_with_those_that_are_there(phone):
  with pytest.raises(DeviceError, match="(?s)no device 'nosuch'.*emulator-5554"):
    adb_client.choose_device("nosuch", phone.daemon.adb)


def test_an_address_where_nothing_answers_is_an_error(phone):
  with pytest.raises(DeviceError, match="(?s)Nothing answers at 127.0.0.1:5999.*refused"):
    adb_client.choose_device("127.0.0.1:5999", phone.daemon.adb)


def test_no_device_then_one_that_dies(mortal_phone):
  adb = mortal_phone.daemon.adb
  with pytest.raises(DeviceError, match="No Android device is plugged in"):
    adb_client.choose_device(adb=adb)
  client = mortal_phone.client()
  assert adb_client.choose_device(adb=adb).serial == client.serial
  with pytest.raises(DeviceLost, match="(?s)went away in the middle.*command: adb"):
    client.shell("kill -9 $PPID; sleep 5")
  with pytest.raises(DeviceLost):
    client.shell("true")
  with pytest.raises(DeviceLost):
    client.push([mortal_phone.binary], str(mortal_phone.remote))


def test_a_broken_connection_is_not_the_end_of_a_script(phone):
  client = phone.client()
  breaker = threading.Timer(0.3, phone.disconnect)
  breaker.start()
  with pytest.raises(DeviceLost, match="went away in the middle"):
    client.shell("sleep 2")
  breaker.join()
  client.connect()
  assert client.shell("echo back").stdout == "back\n"
