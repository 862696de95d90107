"""What a phone says of its heat, its clocks and its sleep, and keeping it awake."""

from __future__ import annotations

import dataclasses
import re
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from collections.abc import Mapping

  from nadv2_tf.benchmarks.timing.devices.adb_client import AdbClient

#: thermal statuses from here on throttle: 0 none, 1 light, 2 moderate, 3 severe, ... 6 shutdown
HOT = 1

_STAY_ON = "stay_on_while_plugged_in"
_PROCESSORS = "/sys/devices/system/cpu"
_CLOCK_FILES = ("scaling_cur_freq", "scaling_max_freq", "cpuinfo_max_freq")

#: Prints "PROCESSOR FILE VALUE" of all clocks. Only what the shell has built in: processes that are
#: started between runs would warm the phone, and a file that is missing or secret prints nothing.
_READ_CLOCKS = f"""
for cpu in {_PROCESSORS}/cpu[0-9]*; do
  for name in {" ".join(_CLOCK_FILES)}; do
    {{ read -r value < "$cpu/cpufreq/$name" && echo "${{cpu##*/}} $name $value"; }} 2>/dev/null
  done
done
"""


@dataclasses.dataclass(frozen=True)
class Clock:
  """Clocks of one processor, in kHz: now, the most it may have now, the most it can have."""

  current: int
  allowed: int
  possible: int


@dataclasses.dataclass(frozen=True)
class Condition:
  """What a phone said of itself at one moment.

  Attributes:
    thermal_status: of Android's thermal service, 0 to 6; None: the phone has none.
    clocks: {"cpu4": `Clock`} of the processors in use; empty: the phone tells none.
  """

  thermal_status: int | None
  clocks: dict[str, Clock]

  @property
  def is_known(self) -> bool:
    """Whether the phone says anything that heat would show in."""
    return self.thermal_status is not None or bool(self.clocks)

  @property
  def trouble(self) -> str:
    """Why a timing now would mislead; "" if nothing speaks against it."""
    found = []
    if self.thermal_status is not None and self.thermal_status >= HOT:
      found.append(f"thermal status {self.thermal_status}")
    found += [
      f"the clock of {name} is held at {clock.allowed} of {clock.possible} kHz"
      for name, clock in self.clocks.items()
      if clock.allowed < clock.possible
    ]
    return ", ".join(found)


def read_condition(client: AdbClient, cpu_mask: str | None = None) -> Condition:
  """The `Condition` of the phone of an `AdbClient`, for the processors in a hexadecimal mask."""
  script = f"dumpsys thermalservice 2>/dev/null\n{_READ_CLOCKS}"
  return parse_condition(client.shell(script).stdout, cpu_mask)


def parse_condition(text: str, cpu_mask: str | None = None) -> Condition:
  """The `Condition` from what `dumpsys thermalservice` and the clocks' files say."""
  status = re.search(r"^\s*Thermal Status: *(\d+)\s*$", text, re.MULTILINE)
  found: dict[int, dict[str, int]] = {}
  for number, name, value in re.findall(r"^cpu(\d+) (\w+_freq) (\d+)\s*$", text, re.MULTILINE):
    if cpu_mask is None or int(cpu_mask, 16) >> int(number) & 1:
      found.setdefault(int(number), {})[name] = int(value)
  clocks = {
    f"cpu{number}": Clock(*(values[name] for name in _CLOCK_FILES))
    for number, values in sorted(found.items())
    if set(values) == set(_CLOCK_FILES)
  }
  return Condition(int(status[1]) if status else None, clocks)


def record(before: Condition, after: Condition) -> dict[str, Any]:
  """The conditions of one repeat as plain values, for `Repeat.conditions`.

  Clocks are those right after the runs: before them the processors idle.
  """
  return {
    "thermal_status": before.thermal_status,
    "thermal_status_after": after.thermal_status,
    "clock_khz": {name: clock.current for name, clock in after.clocks.items()},
    "allowed_clock_khz": {name: clock.allowed for name, clock in after.clocks.items()},
  }


def parse_wakefulness(text: str) -> str | None:
  """Awake, Asleep, Dozing or Dreaming, from what `dumpsys power` printed; None if absent."""
  match = re.search(r"^\s*mWakefulness=(\w+)", text, re.MULTILINE)
  return match and match[1]


def keep_awake(client: AdbClient, put_back: str, others: Mapping[str, str]) -> list[str]:
  """Wakes the phone and keeps it awake while it is plugged in.

  Args:
    client: the `AdbClient`.
    put_back: path on the phone. A shell script is written there that undoes all; it lies on the
      phone so that a later process can run it if this one is killed.
    others: {folder: their `put_back`} of the other commands that use the phone. What they found is
      how it was, and whoever ends last puts it back.

  Returns:
    Notes, if something could not be done. If the phone lacks a command, nothing is touched.
  """
  needed = "dumpsys settings svc input"
  missing = client.shell(
    f"for name in {needed}; do command -v $name >/dev/null || echo $name; done"
  ).stdout.split()
  if missing:
    return [f"not kept awake: the phone has no {', '.join(missing)}"]
  stay_on = client.shell(f"settings get global {_STAY_ON}").stdout.strip()
  if not re.fullmatch(r"\d+|null", stay_on):
    return [f"not kept awake: the phone says {stay_on!r} of its setting {_STAY_ON}"]
  undo = f"settings put global {_STAY_ON} {stay_on}"
  if stay_on == "null":
    undo = f"settings delete global {_STAY_ON} >/dev/null"
  notes = [f"another command uses the phone as well: {folder} on it" for folder in others]
  wakefulness = parse_wakefulness(client.shell("dumpsys power").stdout)
  steps = ["svc power stayon true"]
  if wakefulness not in ("Awake", None):
    steps.append("input keyevent KEYCODE_WAKEUP")
    undo += "\ninput keyevent KEYCODE_SLEEP"
  undo = next(iter(others.values()), undo)
  # How to undo it is written down before anything is done.
  note = f"echo {shlex.quote(undo)} > {shlex.quote(put_back)}"
  done = client.shell(note)
  if done.exit_status:
    client.fail("What keeps the phone awake cannot be noted on it.", done, note)
  for step in steps:
    done = client.shell(step)
    if done.exit_status:
      notes.append(f"not kept awake: {step!r} failed: {(done.stderr or done.stdout).strip()}")
  return notes
