"""One Android device, spoken to through the program `adb`."""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import time
import typing

from nadv2_tf.benchmarks.timing.devices.adb_listing import (
  NONE_THERE,
  PASSING,
  READY,
  Listed,
  not_ready,
  parse_devices,
)
from nadv2_tf.benchmarks.timing.errors import DeviceError, DeviceFull, DeviceLost

if typing.TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.types import AnyPath

#: seconds for what a device answers at once; also enough for adb to start its server
QUICK = 30.0
#: seconds for a state that a plug or a `connect` leads through ("offline", "authorizing")
SETTLING = 5.0
#: bytes a second that even a slow link carries
SLOWEST_LINK = 500_000

#: What a device's shell prints last. Without it the script was cut off: adb's own exit status does
#: not tell that from a program that ends with 255.
_END = "nadv2-exit-status:"

_LOST = re.compile(
  r"device '.*' not found|device not found|no devices|device (still )?(offline|connecting|"
  r"unauthorized)|error: closed|connect failed|protocol fault|connection reset|broken pipe|"
  r"couldn't read from device|failed to read copy response|cannot connect to daemon",
  re.IGNORECASE,
)
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_REFUSED = re.compile(r"permission denied|operation not permitted|read-only file system", re.I)

#: what names an adb, for the package adbutils
_NAMES_ADB = "ADBUTILS_ADB_PATH"


class Output(typing.NamedTuple):
  """What a script on the device printed, and how it ended."""

  stdout: str
  stderr: str
  exit_status: int


def find_adb() -> str:
  """The path of adb: $ADBUTILS_ADB_PATH, else the one on PATH, else that of the package adbutils.

  Two adb programs of different versions would end each other's server, so the user's own is first,
  and where it fails it is not replaced.

  Raises:
    DeviceError: if there is none, or that on PATH does not run.
  """
  import adbutils

  named, own = os.environ.get(_NAMES_ADB), shutil.which("adb")
  if named:
    return named
  if own:
    _check_runs(own, pathlib.Path(adbutils.__file__).parent / "binaries" / pathlib.Path(own).name)
    return own
  try:
    return adbutils.adb_path()
  except adbutils.AdbError as error:
    raise DeviceError(f"There is no adb: {error}. `pip install adbutils` brings one.") from None


def _check_runs(adb: str, bundled: pathlib.Path) -> None:
  """Raises DeviceError if the user's own adb does not say its version."""
  done = AdbClient(None, adb)._run(["version"], QUICK)
  if done.exit_status:
    way_out = f", or set {_NAMES_ADB}={bundled}" if bundled.is_file() else ""
    raise DeviceError(
      f"The adb on PATH, {adb}, does not run. Mend it or take it off PATH{way_out}.",
      f"{adb} version",
      done.stdout + done.stderr,
    )


def choose_device(serial: str | None = None, adb: AnyPath | None = None) -> AdbClient:
  """The `AdbClient` of the device to use: `serial`, else $ANDROID_SERIAL, else the only ready one.

  Args:
    serial: as `adb devices` lists it, or host:port, which is connected to first.
    adb: path of the program; None: see `find_adb`.

  Raises:
    DeviceError: if it is not there, not the only one, or not ready to be used.
  """
  adb = adb or find_adb()
  inherited = "" if serial else os.environ.get("ANDROID_SERIAL", "")
  serial = serial or inherited
  client = AdbClient(serial, adb)
  client.connect()
  end = time.monotonic() + SETTLING
  while True:
    listed = client.devices()
    chosen = [device for device in listed if device.serial == serial] if serial else listed
    if time.monotonic() > end or not any(device.state in PASSING for device in chosen):
      break
    time.sleep(0.2)
  table = "\n".join(" ".join(device) for device in listed)
  named = ", which ANDROID_SERIAL names" if inherited else ""
  if not listed:
    raise DeviceError(NONE_THERE)
  if not chosen:
    raise DeviceError(f"There is no device {serial!r}{named}.", "adb devices -l", table)
  ready = [device for device in chosen if device.state == READY]
  if len(ready) > 1:
    names = " or ".join(shlex.quote(f"--device=adb:{device.serial}") for device in ready)
    raise DeviceError(
      f"There are {len(ready)} devices. Name one, as {names}, or set ANDROID_SERIAL.",
      "adb devices -l",
      table,
    )
  if not ready:
    states = " ".join(not_ready(device, named) for device in chosen)
    raise DeviceError(states, "adb devices -l", table)
  return AdbClient(ready[0].serial, adb)


class NoAnswer(DeviceLost):
  """adb did not end in time. What it started may go on running on the device."""


class AdbClient:
  """Runs adb for one device."""

  def __init__(self, serial: str | None, adb: AnyPath) -> None:
    self.serial: typing.Any = serial
    self._adb = str(adb)

  def connect(self) -> None:
    """Connects to a device with a network address; does nothing for others.

    Raises:
      DeviceError: if nothing answers there.
    """
    if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[\w.-]+):\d+", self.serial or ""):
      return
    done = self._run(["connect", self.serial], QUICK)
    # The exit status is 0 for "failed to connect" too. An unauthorized device shows by its state.
    if not re.search(r"connected to|authenticate", done.stdout):
      raise DeviceError(
        f"Nothing answers at {self.serial}. Is its debugging over the network on, and the port "
        "right?",
        f"adb connect {self.serial}",
        done.stdout + done.stderr,
      )

  def devices(self) -> list[Listed]:
    """All devices that adb knows, as `Listed`."""
    done = self._run(["devices", "-l"], QUICK)
    if done.exit_status:
      raise DeviceError("adb does not work.", "adb devices -l", done.stdout + done.stderr)
    return parse_devices(done.stdout)

  def shell(self, script: str, timeout: float = QUICK) -> Output:
    """The `Output` of a POSIX shell script on the device; any exit status is fine.

    Raises:
      NoAnswer: after `timeout` seconds. The script may then go on running on the device.
      DeviceLost: if the device went away before the script ended.
    """
    wrapped = f"(\n{script}\n)\nstatus=$?; echo; echo {_END}$status"
    command = self.shell_line(script)
    done = self._run(["-s", self.serial, "shell", wrapped], timeout, command)
    stdout, end, status = done.stdout.rpartition(f"\n{_END}")
    if not end:
      output = done.stdout + done.stderr
      if done.exit_status == 255 or self._is_lost(done.stderr):
        raise DeviceLost(self._gone(), command, output)
      raise DeviceError("The shell of the device broke off.", command, output)
    return Output(stdout, done.stderr, int(status))

  def push(self, files: Sequence[AnyPath], remote_folder: str) -> None:
    """Copies files into a folder that exists, in one go.

    Raises:
      DeviceFull: if they do not fit.
      DeviceLost, DeviceError: if the device went away, or does not take them.
    """
    size = sum(pathlib.Path(file).stat().st_size for file in files)
    names = [str(file) for file in files]
    shown = names if len(names) < 3 else [names[0], "..."]
    target = f"{remote_folder}/"
    self._copy(["push", *names, target], ["push", *shown, target], QUICK + size / SLOWEST_LINK)

  def pull(self, remote_file: str, file: AnyPath, timeout: float = 600.0) -> None:
    """Copies a file from the device. Raises as `push`."""
    arguments = ["pull", remote_file, str(file)]
    self._copy(arguments, arguments, timeout)

  def _copy(self, arguments: Sequence[str], shown: Sequence[str], timeout: float) -> None:
    command = shlex.join(["adb", "-s", self.serial, *shown])
    done = self._run(["-s", self.serial, *arguments], timeout, command)
    if done.exit_status:
      if not _FULL.search(done.stderr) and self._is_lost(done.stderr):
        raise DeviceLost(self._gone(), command, done.stdout + done.stderr)
      self._fail("Files cannot be copied.", done, command)

  def shell_line(self, script: str) -> str:
    """The command that runs a script, as a user would type it."""
    return shlex.join(["adb", "-s", self.serial, "shell", script])

  def fail(self, problem: str, done: Output, script: str) -> typing.NoReturn:
    """Raises what is behind a script that failed on the device, from what it printed.

    Args:
      problem: what cannot be done for it, a sentence.
      done: its `Output`.
      script: what was run.

    Raises:
      DeviceFull, DeviceError: always one of them.
    """
    self._fail(problem, done, self.shell_line(script))

  def _fail(self, problem: str, done: Output, command: str) -> typing.NoReturn:
    output = done.stdout + done.stderr
    if _FULL.search(output):
      raise DeviceFull(f"{problem} The device {self.serial} has no room.", command, output)
    if _REFUSED.search(output):
      raise DeviceError(f"{problem} The device {self.serial} does not allow it.", command, output)
    raise DeviceError(f"{problem} The device is {self.serial}.", command, output)

  def _is_lost(self, stderr: str) -> bool:
    if _LOST.search(stderr):
      return True
    state = self._run(["-s", self.serial, "get-state"], QUICK)
    return state.stdout.strip() != READY

  def _gone(self) -> str:
    return f"The device {self.serial} went away in the middle."

  def _run(self, arguments: Sequence[str], timeout: float, command: str | None = None) -> Output:
    """The `Output` of adb itself."""
    command = command or shlex.join(["adb", *arguments])
    try:
      done = subprocess.run(
        [self._adb, *arguments],
        capture_output=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
        # Ctrl-C then reaches this process only, which ends what runs on the device before it goes.
        start_new_session=True,
      )
    except subprocess.TimeoutExpired as error:
      output = _text((error.stdout or b"") + (error.stderr or b""))
      problem = f"adb did not end within {timeout:g} s."
      if self.serial:
        problem = f"The device {self.serial} does not answer: {problem}"
      raise NoAnswer(problem, command, output) from None
    except OSError as error:
      raise DeviceError(f"adb does not run: {error}.", command) from None
    return Output(_text(done.stdout), _text(done.stderr), done.returncode)


def _text(output: bytes) -> str:
  return output.decode("utf-8", errors="replace").replace("\r\n", "\n")
