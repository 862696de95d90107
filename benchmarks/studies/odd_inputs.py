"""Damages inputs of every kind, small and real ones, and hands them to the commands that read them.

  python -m nadv2_tf.benchmarks.studies.odd_inputs --output=FOLDER --cases=2000

Half of the damaged forms are drawn by hypothesis (bytes, words, parts of archives under a right
checksum, cut off, something else), half have one to eight flipped bits. Each goes through a command
in a fork of this process. A fault is a traceback, an end by a signal, more than --seconds, an error
that is not one line (timings quote what was run) or that names a flag which the command lacks, and
exit status 0 with another result than the right one, where that is known: with one damaged image a
network is right for one image more or less at most; a damaged training image changes no test; a
changed byte under a checksum changes nothing.

Everything is kept in FOLDER: the same command goes on where it was stopped. Needs the extra `test`.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import datetime
import io
import json
import os
import pathlib
import platform
import random
import shutil
import signal
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from nadv2_tf.backbones import BACKBONES
from nadv2_tf.benchmarks.studies import odd_input_cases
from nadv2_tf.benchmarks.studies.odd_input_cases import BACKBONE, INPUTS, Input, Reader, space
from nadv2_tf.benchmarks.studies.odd_input_faults import Result, fault_of
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.programs.start import start_tensorflow
from nadv2_tf.spec.files import write_atomically

if TYPE_CHECKING:
  from collections.abc import Callable, Iterator

#: of hypothesis at most for one input
FORMS = 100


class Study:
  """The whole study in one folder.

  Args:
    folder: of the study.
    seed: of the damage.
    seconds: that a command may take.
  """

  def __init__(self, folder: pathlib.Path, seed: int, seconds: int) -> None:
    self._folder, self._seed, self._seconds = folder, seed, seconds
    self._given, self._log = folder / "inputs", folder / "cases.jsonl"
    self._right: dict[Reader, Result] = {}
    self._forms: dict[str, list[bytes]] = {}
    self.cases: list[dict[str, Any]] = []

  def prepare(self) -> None:
    """Makes the inputs once, and reads what is known already."""
    if not (self._folder / "made").exists():
      shutil.rmtree(self._given, ignore_errors=True)
      odd_input_cases.make(self._given, self._forked_well)
      (self._folder / "made").touch()
    if self._log.exists():
      lines = self._log.read_text(encoding="utf-8").splitlines()
      self.cases = [json.loads(line) for line in lines]

  def run(self, cases: int) -> Iterator[dict[str, Any]]:
    """Yields each new case, {number, input, command, way, status, fault}."""
    for number in range(len(self.cases), cases):
      case = self._case(number)
      with self._log.open("a", encoding="utf-8") as log:
        log.write(json.dumps(case) + "\n")
      self.cases.append(case)
      yield case

  def _case(self, number: int) -> dict[str, Any]:
    at, turn = number % len(INPUTS), number // len(INPUTS)
    way, kind = ("hypothesis", "bits")[turn % 2], INPUTS[at]
    reader = kind.readers[turn // 2 % len(kind.readers)]
    content = (self._given / kind.name).read_bytes()
    changed = self._form(kind, turn // 2) if way == "hypothesis" else self._flipped(content, number)
    right = self._right.get(reader) or self._result(kind, reader, content)
    self._right[reader] = right
    if right.status and kind.name != "listing.txt":
      raise RuntimeError(f"{kind.name} undamaged: {reader.command} says {right.stderr[-2000:]}")
    got = self._result(kind, reader, changed)
    fault = fault_of(got, right, kind, reader, way, self._seconds)
    if fault:
      kept = self._folder / "faults" / str(number) / pathlib.Path(kind.name).name
      kept.parent.mkdir(parents=True, exist_ok=True)
      kept.write_bytes(changed)
      (kept.parent / "stderr.txt").write_text(got.stderr, encoding="utf-8")
      (kept.parent / "stdout.txt").write_text(got.stdout, encoding="utf-8")
    about = {"number": number, "input": kind.name, "command": reader.command, "way": way}
    return about | {"status": got.status, "fault": fault}

  def _form(self, kind: Input, number: int) -> bytes:
    if kind.name not in self._forms:
      self._forms[kind.name] = self._drawn(kind)
    forms = self._forms[kind.name]
    return forms[number % len(forms)]

  def _drawn(self, kind: Input) -> list[bytes]:
    """Forms of an input, drawn once for a folder.

    What hypothesis draws depends on its version and on constants in the modules that are loaded by
    then, as well as on the seed.
    """
    path = self._folder / "forms" / f"{kind.name.replace('/', '_')}.npz"
    if not path.exists():
      path.parent.mkdir(exist_ok=True)
      content = (self._given / kind.name).read_bytes()
      forms = drawn(content, FORMS, f"{self._seed} {kind.name}")
      buffer = io.BytesIO()
      np.savez(buffer, *(np.frombuffer(form, np.uint8) for form in forms))
      write_atomically(path, buffer.getvalue())
    with np.load(path) as kept:
      return [kept[name].tobytes() for name in kept.files]

  def _flipped(self, content: bytes, number: int) -> bytes:
    rng, changed = random.Random(f"{self._seed} {number}"), bytearray(content)
    for _ in range(rng.randint(1, 8)):
      changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)

  def _result(self, kind: Input, reader: Reader, content: bytes) -> Result:
    """What a command says of an input with this content."""
    place = self._folder / "case"
    shutil.rmtree(place, ignore_errors=True)
    if kind.beside:
      there = shutil.copytree(self._given / kind.beside, place / kind.beside)
      file = place / kind.name
    else:
      there = place
      place.mkdir()
      file = place / pathlib.Path(kind.name).name
    file.write_bytes(content)
    names = {"there": there, "file": file, "output": place / "output", "given": self._given}
    arguments = [one.format(**names) for one in reader.arguments]
    heard = {"ODD_LISTING": "listing.txt", "ODD_OUTPUT": "output.txt"}
    paths = {
      name: str(file if kind.name == text else self._given / text) for name, text in heard.items()
    }
    return self._forked(odd_input_cases.call, reader.command, *arguments, environment=paths)

  def _forked_well(self, function: Callable[..., None], *arguments: Any) -> None:
    done = self._forked(function, *arguments)
    if done.status:
      raise RuntimeError(f"{arguments} ended with {done.status}: {done.stderr[-2000:]}")

  def _forked(
    self,
    function: Callable[..., None],
    *arguments: Any,
    environment: dict[str, str] | None = None,
  ) -> Result:
    """Calls a function in a fork of this process, ended with all that it started."""
    files = {name: self._folder / f"{name}.txt" for name in ("stdout", "stderr", "flags")}
    child = os.fork()
    if not child:
      os.setsid()
      signal.alarm(self._seconds)
      for number, name in (1, "stdout"), (2, "stderr"):
        os.dup2(os.open(files[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
      os.environ |= environment or {}
      os.environ["PATH"] = f"{self._given / 'programs'}:{os.environ['PATH']}"
      os._exit(_in_child(function, arguments, files["flags"]))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(ProcessLookupError):
      os.killpg(child, signal.SIGKILL)
    stdout, stderr, flags = (
      path.read_text(encoding="utf-8", errors="replace") for path in files.values()
    )
    case = str(self._folder / "case")
    return Result(status, stdout.replace(case, "CASE"), stderr, frozenset(flags.split()))

  def text(self) -> str:
    """The result as text."""
    kinds = collections.Counter(pathlib.Path(case["input"]).name for case in self.cases)
    lines = [f"{'':14s}{'cases':>7s}{'refused':>9s}{'read':>7s}{'faults':>8s}"]
    for name in sorted(kinds):
      of_kind = [case for case in self.cases if pathlib.Path(case["input"]).name == name]
      refused = sum(case["status"] != 0 for case in of_kind)
      wrong = sum(bool(case["fault"]) for case in of_kind)
      lines.append(f"{name:14s}{len(of_kind):7d}{refused:9d}{len(of_kind) - refused:7d}{wrong:8d}")
    commands = collections.Counter(
      f"nadv2-{case['command'].replace('_', '-')}" for case in self.cases
    )
    told = ", ".join(f"{count} through {name}" for name, count in sorted(commands.items()))
    faults = [case for case in self.cases if case["fault"]]
    lines += [
      f"{len(self.cases)} damaged inputs, seed {self._seed}: {told}",
      f"{len(faults)} faults: tracebacks, hangs, errors of many lines, wrong results",
      *(
        f"  {case['number']} {case['input']} {case['command']}: {case['fault']}" for case in faults
      ),
    ]
    return "\n".join(lines)


def drawn(content: bytes, count: int, seed: str) -> list[bytes]:
  """Damaged forms of `content`, as hypothesis draws them; fewer where there are no more."""
  from hypothesis import HealthCheck, Phase, given, settings
  from hypothesis import seed as seeded

  from nadv2_tf.benchmarks.studies.damage import damaged

  found: dict[bytes, None] = {}

  @seeded(seed)
  @settings(
    max_examples=count,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
  )
  @given(damaged(content))
  def collect(form: bytes) -> None:
    found[form] = None

  collect()
  return [form for form in found if form != content]


def _in_child(function: Callable[..., None], arguments: Any, flag_file: pathlib.Path) -> int:
  """Exit status of a function, as Python itself would have it."""
  import traceback

  from absl import flags

  status = 0
  try:
    function(*arguments)
  except SystemExit as end:
    status = end.code if isinstance(end.code, int) else int(end.code is not None)
  except BaseException:
    traceback.print_exc()
    status = 70
  flag_file.write_text(" ".join(flags.FLAGS), encoding="utf-8")
  sys.stdout.flush()
  sys.stderr.flush()
  return status


def main() -> int:
  # No absl flags: the commands define theirs in forks of this process.
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--output", type=pathlib.Path, required=True, help="Folder of the study.")
  parser.add_argument("--cases", type=int, default=2000, help="Damaged inputs.")
  parser.add_argument("--seed", type=int, default=0, help="Of the damage.")
  parser.add_argument("--seconds", type=int, default=120, help="That a command may take.")
  asked = parser.parse_args()
  folder = asked.output.resolve()
  folder.mkdir(parents=True, exist_ok=True)
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # as commands do
  start_tensorflow()
  from nadv2_tf.pipeline import run  # noqa: F401 (imported once, before the forks)

  study = Study(folder, asked.seed, asked.seconds)
  with BACKBONES.registered(BACKBONE, space):  # forks of this process know it
    study.prepare()
    for case in study.run(asked.cases):
      if case["fault"]:
        print(f"{case['number']} {case['input']} {case['command']}: {case['fault']}", flush=True)
  print("$ python -m nadv2_tf.benchmarks.studies.odd_inputs", *sys.argv[1:])
  print(f"{datetime.date.today()}, Python {platform.python_version()}, {processor_name()}")
  print(study.text())
  return 1 if any(case["fault"] for case in study.cases) else 0


if __name__ == "__main__":
  sys.exit(main())
