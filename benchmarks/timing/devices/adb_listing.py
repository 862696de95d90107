"""What `adb devices -l` prints, and what to do about each state."""

from __future__ import annotations

import re
import typing

#: the state of a device that can be used
READY = "device"
#: states that pass by themselves
PASSING = ("offline", "connecting", "authorizing")

#: (serial, state, description). Serials have blanks if they are names in the network, and words in
#: them may look like states: behind the state stand only `key:value`, or advice on permissions.
_LINE = re.compile(r"(.+?)\s+(no permissions(?=\b.*)|[a-z]+(?=(?:\s+\w+:\S*)*$))\s*(.*)")

#: state in `adb devices` -> what to do about it
_REMEDIES = {
  "unauthorized": "Unlock the phone and accept its question 'Allow USB debugging?'.",
  "authorizing": "Unlock the phone and accept its question 'Allow USB debugging?'.",
  "offline": "Unplug the phone and plug it in again; if that does not help, run `adb kill-server`.",
  "connecting": "It does not answer: unplug it and plug it in again.",
  "no permissions": (
    "This user may not open the USB device. Install udev rules (on Debian and Ubuntu: `apt install "
    "android-sdk-platform-tools-common`), join the group plugdev, log in anew and plug the phone "
    "in again."
  ),
  "recovery": "Start Android on it.",
  "sideload": "Start Android on it.",
  "bootloader": "Start Android on it.",
}
NONE_THERE = (
  "No Android device is plugged in. Plug a phone in, open its settings, tap the build number seven "
  "times, turn on 'USB debugging' under the developer options, and accept the question that it "
  "asks. Over a network: adb:HOST:PORT."
)


class Listed(typing.NamedTuple):
  """One line of `adb devices -l`."""

  serial: str
  state: str
  description: str


def parse_devices(text: str) -> list[Listed]:
  """The `Listed` of what `adb devices -l` printed."""
  lines = [line.strip() for line in text.splitlines() if not line.startswith(("*", "List of"))]
  return [Listed(*match.groups()) for match in map(_LINE.fullmatch, lines) if match]


def not_ready(device: Listed, named: str) -> str:
  """What to do about a device that cannot be used."""
  remedy = _REMEDIES.get(device.state, f"It has to be {READY!r}.")
  return f"The device {device.serial}{named} is {device.state!r}. {remedy}"
