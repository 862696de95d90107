"""What the study `odd_inputs` calls a fault of a command that read a damaged input."""

from __future__ import annotations

import dataclasses
import re
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from nadv2_tf.benchmarks.studies.odd_input_cases import Input, Reader

#: commands whose printed result is the same every time
REPEATABLE = ("evaluate", "count", "export")
#: flags that absl gives to every command
ABSL = ("flagfile", "help", "undefok")
TOP_1 = re.compile(r"top-1 +([\d.]+)% of (\d+) images")


@dataclasses.dataclass(frozen=True)
class Result:
  """How a command ended.

  Attributes:
    status: exit status; negative for a signal.
    stdout, stderr: what it printed.
    flags: all flags that it has.
  """

  status: int
  stdout: str
  stderr: str
  flags: frozenset[str]


def fault_of(
  got: Result, right: Result, kind: Input, reader: Reader, way: str, seconds: int
) -> str:
  """What is wrong with how a command ended, in a line; "" if nothing is.

  Args:
    got, right: of the damaged and of the whole input.
    kind: the input.
    reader: the command.
    way: how it was damaged.
    seconds: that it might take.
  """
  if got.status == -signal.SIGALRM:
    return f"no end within {seconds} s"
  if "Traceback (most recent call last)" in got.stderr or got.status not in (0, 1, 2):
    last = got.stderr.strip().splitlines()[-1:] or [""]
    return f"exit status {got.status}: {last[0][:200]}"
  return (
    _fault_of_error(got, reader) if got.status else _fault_of_result(got, right, kind, reader, way)
  )


def _fault_of_error(got: Result, reader: Reader) -> str:
  lines = [line for line in got.stderr.splitlines() if line.strip()]
  if not lines or not any(line.startswith("error: ") for line in lines):
    return f"exit status {got.status} without an error: {got.stderr[-200:]}"
  if len(lines) != 1 and reader.command != "time":
    return f"an error of {len(lines)} lines"
  first = next(line for line in lines if line.startswith("error: "))
  named = set(re.findall(r"(?<![\w-])--(?:no)?(\w+)", first)) | set(
    re.findall(r"(?<![\w-])--(\w+)", first)
  )
  lacking = [name for name in named if not _is_flag(name, got.flags)]
  if lacking and "nadv2-" not in first:
    return f"names --{lacking[0]}, which nadv2-{reader.command} lacks: {first[:200]}"
  return ""


def _is_flag(name: str, flags: frozenset[str]) -> bool:
  return name in {*flags, *ABSL} or f"no{name}" in flags or name.removeprefix("no") in flags


def _fault_of_result(got: Result, right: Result, kind: Input, reader: Reader, way: str) -> str:
  is_sure = reader.is_known or (kind.has_digests and way == "bits")
  if is_sure and reader.command in REPEATABLE and got.stdout != right.stdout:
    return f"another result with exit status 0: {got.stdout[-200:]!r}"
  found, known = TOP_1.search(got.stdout), TOP_1.search(right.stdout)
  if known and reader.command == "evaluate" and kind.beside:
    images = int(known[2])
    if not found or int(found[2]) != images:
      return f"not all of {images} images: {got.stdout[-200:]!r}"
    if abs(float(found[1]) - float(known[1])) > 100 / images + 0.01:
      return f"{found[1]}% in the place of {known[1]}%, with one damaged image of {images}"
  if reader.command == "time":
    median = re.search(r": ([\d.e+-]+) ms", got.stdout)
    if not median or not 0 < float(median[1]) < float("inf"):
      return f"no time: {got.stdout[-200:]!r}"
  return ""
