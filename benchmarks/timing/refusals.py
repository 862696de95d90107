"""What `benchmark_model` and the shells around it say where nothing was measured."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nadv2_tf.benchmarks.timing.errors import (
  BinaryError,
  DeviceError,
  FlagError,
  ModelError,
  NothingMeasured,
  TimedOut,
)

if TYPE_CHECKING:
  from collections.abc import Iterable

  from nadv2_tf.benchmarks.timing.errors import TimingError

#: as much of a line goes into an error
QUOTED_CHARACTERS = 160

#: what an error tells to give instead
ANOTHER = "another benchmark_model with --benchmark_binary=FILE"

# What shells and linkers say instead of starting the tool. In each table the first pattern that
# fits counts; {0} is its first group.
_NO_START = (
  (
    BinaryError,
    r"Exec format error|not executable|cannot execute|e_machine|-bit instead of|syntax error",
    "benchmark_model is built for another ABI than the device's: give one for it with "
    "--benchmark_binary=FILE.",
  ),
  (
    BinaryError,
    r"CANNOT LINK EXECUTABLE|error while loading shared libraries|`GLIBC\w*_",
    "benchmark_model lacks a library on the device: give a build for the device's ABI that needs "
    "none with --benchmark_binary=FILE.",
  ),
  (
    DeviceError,
    r"\btaskset: (?:inaccessible or )?not found",
    "The device has no taskset: leave the processor mask out.",
  ),
  (
    BinaryError,
    r"[Pp]ermission denied",
    "benchmark_model may not be executed there: give it the permission (chmod 755), in a folder "
    "that allows it, such as /data/local/tmp on a phone.",
  ),
  (
    BinaryError,
    r"inaccessible or not found|No such file or directory|: not found",
    "benchmark_model is not where it was started, or is built for another ABI than the device's: "
    f"put it there again, or give {ANOTHER}.",
  ),
  (
    DeviceError,
    r"\btaskset: (.*)",
    "The device refuses the processor mask ({0}): give one of processors that it has, or none.",
  ),
)

# What the tool says when it fails. Missing operators come before delegates, which fail of them.
_FAILURES = (
  (
    FlagError,
    r"Failed to parse flag '[^']*' against argv '([^']*)'",
    "This build of benchmark_model refuses {0}: correct its value, or give " + ANOTHER + ".",
  ),
  (
    FlagError,
    r"Couldn't interpret value (.*)",
    "This build of benchmark_model refuses the value {0}: correct it, or give " + ANOTHER + ".",
  ),
  (
    FlagError,
    r"Please specify the name of your TF Lite input file",
    "benchmark_model was started without a model: give it --graph=FILE.",
  ),
  (
    ModelError,
    r"(?m)unresolved custom op: (.+?)\.?\s*$",
    "The model has the custom operator {0}, which this build lacks: export the model without it, "
    f"or give {ANOTHER}.",
  ),
  (
    ModelError,
    r"Didn't find op for builtin opcode (.+?)(?:\. |\.?\s*\n)",
    f"This build lacks the model's operator {{0}}: give {ANOTHER}, a newer one.",
  ),
  (
    ModelError,
    r"builtin_code out of range: (\d+)",
    f"This build does not know the model's operator number {{0}}: give {ANOTHER}, a newer one.",
  ),
  (
    ModelError,
    r"TensorFlow op(?:s are|\(s\).*) not supported by this interpreter",
    "The model has operators of TensorFlow itself, which this build lacks: export the model "
    f"without them, or give {ANOTHER}, one with Flex.",
  ),
  (
    NothingMeasured,
    r"(?i)Failed to apply (?:the )?(\w+) delegate",
    "The delegate {0} cannot be applied to this model here: choose another delegate.",
  ),
  (
    NothingMeasured,
    r"(?i)((?:could not|couldn't|failed to|unable to) create\b.*\bdelegate\b.{0,80})",
    "The delegate was not made ({0}): choose another delegate.",
  ),
  (
    NothingMeasured,
    r"(?i)\b(\w+) (?:acceleration|delegate) is (?:unsupported|not supported)",
    "The delegate {0} is not supported here: choose another delegate.",
  ),
  (
    ModelError,
    r"Could not open '([^']*)'",
    "The TFLite file {0} is missing where benchmark_model runs, or cannot be read: check its path.",
  ),
  (
    ModelError,
    r"not a valid Flatbuffer",
    "The TFLite file is damaged, or is something else: export it again.",
  ),
  (
    ModelError,
    r"Failed to (?:load|mmap|compile) model",
    "The TFLite file cannot be loaded: check it, or export it again.",
  ),
  (
    ModelError,
    r"Node number \d+ \((.*)\) failed to prepare",
    f"This build cannot prepare the model's operator {{0}}: export without it, or give {ANOTHER}.",
  ),
  (
    ModelError,
    r"Failed to (?:allocate tensors|(?:initialize|construct) (?:the )?interpreter)",
    f"This build cannot prepare the model: check the model, or give {ANOTHER}.",
  ),
  (
    NothingMeasured,
    r"[Ff]ailed to invoke|Run failed",
    "The model fails while it runs on the device: check that it runs at all.",
  ),
)

# What a shell says of a tool that crashed; lines of the tool's own log may name files so.
_CRASHES = (
  (
    BinaryError,
    r"(?m)^(?!INFO|WARN).*\bIllegal instruction\b",
    f"benchmark_model is built for another processor than the device's: give {ANOTHER}.",
  ),
  (
    NothingMeasured,
    r"(?m)^(?!INFO|WARN).*\b(Aborted|Segmentation fault|Bus error|Floating point exception)\b",
    f"benchmark_model crashed ({{0}}): check the model, or give {ANOTHER}.",
  ),
)

_TERMINATED = {9, 15}  # by a timeout, or for lack of memory
_ILLEGAL_INSTRUCTION = 4
#: what TensorFlow Lite says when it takes XNNPACK
CREATED_XNNPACK = "Created TensorFlow Lite XNNPACK delegate for CPU"


def check(text: str, exit_status: int, delegate: str | None) -> tuple[str, ...]:
  """Raises what `text` and the exit status tell of a failure; else tuple of notes.

  Args:
    text: all that was printed.
    exit_status: of the tool, its shell or its `timeout`; below 0 the signal that ended it.
    delegate: the delegate that was asked for, or None; whether it ran says
      `delegates.check_delegate`.
  """
  signal = -exit_status if exit_status < 0 else exit_status - 128
  if exit_status == 124 or signal in _TERMINATED:
    raise TimedOut(
      f"benchmark_model was ended before it was done (exit status {exit_status}): give it more "
      "time or fewer runs, or free memory on the device."
    )
  if "STARTING!" not in text and "Running benchmark for" not in text:
    _raise_first(_NO_START, text)
  if exit_status in (126, 127):
    raise BinaryError(
      f"benchmark_model does not start on the device (exit status {exit_status}): give {ANOTHER}, "
      "one for the device's ABI."
    )
  _raise_first(_FAILURES, text)
  notes = _check_flags(text, delegate)
  _raise_first(_CRASHES, text)
  if signal == _ILLEGAL_INSTRUCTION:
    raise BinaryError(_CRASHES[0][2])
  if exit_status or "Benchmarking failed" in text:
    raise NothingMeasured(
      f"benchmark_model failed with exit status {exit_status}: look at its output, or run the "
      "command by hand."
    )
  if not text.strip():
    raise NothingMeasured(
      "benchmark_model printed nothing: check that the file is benchmark_model."
    )
  return notes


def _raise_first(table: Iterable[tuple[type[TimingError], str, str]], text: str) -> None:
  for kind, pattern, problem in table:
    found = re.search(pattern, text)
    if found:
      raise kind(problem.format(*(group.strip()[:QUOTED_CHARACTERS] for group in found.groups())))


def _check_flags(text: str, delegate: str | None) -> tuple[str, ...]:
  """Refuses flags that the build ignored; it says so, goes on, and times something else."""
  lines = re.findall(r"Unconsumed cmdline flags:[ \t]*(.*)", text)
  flags = [flag for line in lines for flag in line.split()]
  # LiteRT's own tool does not know this flag: it takes XNNPACK by itself, and says that.
  if delegate == "cpu" and flags == ["--use_xnnpack=true"] and CREATED_XNNPACK in text:
    return ("the build does not know --use_xnnpack, and says that it took XNNPACK by itself",)
  if lines:
    named = " ".join(flags)[:QUOTED_CHARACTERS] or "a flag"
    raise FlagError(
      f"This build of benchmark_model does not know {named}: leave it out, or give {ANOTHER}."
    )
  if "Run w/o invoking kernels: [1]" in text:
    raise NothingMeasured("This was a dry run, which measures nothing: leave --dry_run out.")
  return ()
