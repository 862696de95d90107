"""Timing on this machine: with LiteRT in a process of its own, or with a `benchmark_model` file."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from nadv2_tf.benchmarks.timing import benchmark_model, litert_benchmark, output_tools
from nadv2_tf.benchmarks.timing.batch import without_demands
from nadv2_tf.benchmarks.timing.builds import build_of
from nadv2_tf.benchmarks.timing.device import Device, sha256
from nadv2_tf.benchmarks.timing.devices.binary import check_abi
from nadv2_tf.benchmarks.timing.errors import (
  BinaryError,
  DeviceError,
  ModelError,
  NothingMeasured,
  TimedOut,
  TimingError,
)
from nadv2_tf.benchmarks.timing.npu_libraries import searched, whole_path
from nadv2_tf.benchmarks.timing.records import Identity, Repeat, repeat_of
from nadv2_tf.spec.files import read_bounded

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.benchmarks.timing.output_tools import Tensors
  from nadv2_tf.options import TimingSettings
  from nadv2_tf.types import AnyPath

#: files per worker process: argument lists and open models stay bounded
FILES_PER_WORKER = 100
#: seconds that a worker may take to start and to load its files
STARTING = 120
#: runs that tell litert-benchmark how many fill the first part of a continuous use
SHORT = 20


def processor_name() -> str:
  """The processor as the operating system names it."""
  try:
    lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
  except OSError:
    lines = []
  names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
  return names[0] if names else platform.processor() or platform.machine()


class HostDevice(Device):
  """This machine.

  Args:
    binary: a `benchmark_model` file for it; None: `runner`.
    runner: "interpreter", LiteRT's in a process of its own, or "litert", litert-benchmark.

  Raises:
    BinaryError: if the file is missing or for another processor.
  """

  def __init__(self, binary: AnyPath | None = None, runner: str = "interpreter") -> None:
    self._runner = runner
    self._binary = pathlib.Path(binary).resolve() if binary else None
    if self._binary:
      if not self._binary.is_file():
        raise BinaryError(f"There is no benchmark_model at {binary}.")
      check_abi(self._binary, platform.machine())
      self._build = build_of(self._binary)
      runtime = f"benchmark_model sha256:{sha256(self._binary)}"
    elif runner == "litert":
      runtime = litert_benchmark.runtime()
      self.rounding_ms = litert_benchmark.ROUNDING
    else:
      runtime = f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}"
      # One process times all files and keeps the clock up, so short repeats are steady.
      self.settling_seconds = 0.004
    self.identity = Identity(f"host: {processor_name()}", platform.machine(), None, runtime)

  def measure(self, paths: Sequence[pathlib.Path], settings: TimingSettings) -> list[list[Repeat]]:
    """See `Device.measure`."""
    self._check(settings)
    for path in paths:
      if not path.is_file():
        raise ModelError(f"There is no file {path}.")
    if self._binary or self._runner == "litert":
      repeats: list[list[Repeat]] = [[] for _ in paths]
      for _ in range(settings.repeats):
        for path, taken in zip(paths, repeats, strict=True):
          is_reference = self.is_riding(path)
          if self._binary:
            taken.append(self._run_binary(path, settings, is_reference))
          else:
            before = taken[-1] if taken else None
            taken.append(self._run_litert(path, settings, before, is_reference))
      return repeats
    return [
      repeats
      for start in range(0, len(paths), FILES_PER_WORKER)
      for repeats in self._run_worker(paths[start : start + FILES_PER_WORKER], settings)
    ]

  def _check(self, settings: TimingSettings) -> None:
    """Raises DeviceError for settings that what runs files here cannot heed."""
    if not self._binary and (settings.benchmark_flags or settings.npu_libraries):
      raise DeviceError(
        "--benchmark_flags and --npu_libraries are benchmark_model's: give one with "
        "--benchmark_binary=FILE, or leave them out."
      )
    known = tuple(litert_benchmark.DELEGATES) if self._runner == "litert" else ("cpu", "none")
    if not self._binary and settings.delegate not in known:
      raise DeviceError(
        f"The host runner {self._runner} has no delegate {settings.delegate!r}: choose "
        f"{' or '.join(known)}, or give a benchmark_model that has it with "
        "--benchmark_binary=FILE."
      )
    # litert-benchmark itself refuses what the GPU leaves; of XNNPACK nobody says what it took.
    tells = self._binary or (self._runner == "litert" and settings.delegate == "gpu")
    if settings.require_full_delegation and not tells:
      raise DeviceError(
        f"The host runner {self._runner} does not say which nodes the delegate {settings.delegate} "
        "ran: leave --require_full_delegation out, or give a benchmark_model that says it with "
        "--benchmark_binary=FILE."
      )
    if settings.cpu_mask and not hasattr(os, "sched_setaffinity"):
      raise DeviceError(
        f"{platform.system()} lets no program choose its processors: leave "
        f"--cpu_mask={settings.cpu_mask} out."
      )

  def _run_binary(self, path: pathlib.Path, settings: TimingSettings, is_reference: bool) -> Repeat:
    settings = without_demands(settings) if is_reference else settings
    mask = ["taskset", settings.cpu_mask] if settings.cpu_mask else []
    libraries = whole_path(settings)
    with tempfile.TemporaryDirectory() as results:
      flags = benchmark_model.arguments(str(path), settings, self._build, results, libraries)
      command = [*mask, str(self._binary), *flags]
      line = shlex.join(command)
      stdout, stderr, status = _run(
        command, settings.timeout, libraries=[libraries] if libraries else ()
      )
      is_full = settings.require_full_delegation
      reading = benchmark_model.read(
        stdout, stderr, status, line, settings.delegate, results, is_full, is_reference
      )
    return repeat_of(reading)

  def raw_outputs(
    self,
    path: pathlib.Path,
    inputs: Sequence[bytes],
    tensors: Tensors,
    settings: TimingSettings,
  ) -> tuple[list[bytes], tuple[str, ...]]:
    """See `Device.raw_outputs`."""
    if not self._binary:
      if self._runner != "interpreter":
        raise DeviceError(f"The host runner {self._runner} gives no outputs.")
      self._check(settings)
      return outputs_here(path, inputs, settings), ()
    run_model = output_tools.beside(self._binary).get(output_tools.RUN_MODEL)
    npu = whole_path(settings)
    tool = output_tools.tool_of(self._build, self._binary, run_model)
    program = run_model if run_model and tool.program == run_model.name else self._binary
    outputs: list[bytes] = []
    notes: list[str] = []
    for content in inputs:
      with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder) / file for file in tool.files(tensors)]
        for file in files:
          file.parent.mkdir()
        files[0].write_bytes(content)
        command = [str(program), *tool.flags(str(path.resolve()), tensors, settings, npu or ".")]
        libraries = [npu, str(program.parent)] if npu else [str(program.parent)]
        stdout, stderr, status = _run(command, settings.timeout, folder, libraries)
        notes += tool.checked(stdout + stderr, status, shlex.join(command), settings)
        if not files[1].is_file():
          raise NothingMeasured(f"{tool.program} wrote no output.", shlex.join(command), stderr)
        outputs.append(read_bounded(files[1], output_tools.LARGEST_OUTPUT))
    return outputs, tuple(dict.fromkeys(notes))

  def _run_litert(
    self,
    path: pathlib.Path,
    settings: TimingSettings,
    before: Repeat | None,
    is_reference: bool = False,
  ) -> Repeat:
    """One repeat by litert-benchmark; it takes runs, so the one before tells how many."""
    if settings.is_sustained and before is None:  # the first part lasts as long as the others
      short = dataclasses.replace(settings, runs=SHORT, is_sustained=False)
      before = self._run_litert(path, short, None)
    mask = ["taskset", settings.cpu_mask] if settings.cpu_mask else []
    runs = litert_benchmark.next_runs(settings, before)
    with tempfile.TemporaryDirectory() as folder:
      result = pathlib.Path(folder) / "result.json"
      words = litert_benchmark.command(path, settings, runs, result, is_reference)
      command = [*mask, *words]
      stdout, stderr, status = _run(command, STARTING + settings.timeout)
      line = shlex.join(["python" if word == sys.executable else word for word in command])
      output = stdout + stderr
      return litert_benchmark.read(result, status, line, output, settings, runs, is_reference)

  def _run_worker(
    self, paths: Sequence[pathlib.Path], settings: TimingSettings
  ) -> list[list[Repeat]]:
    """The repeats of files, timed in turns by one `litert_worker` process."""
    flags = {
      "threads": settings.num_threads,
      "cpu_mask": settings.cpu_mask or "",
      "delegate": "xnnpack" if settings.delegate == "cpu" else settings.delegate,
      "runs": settings.runs,
      "warmup_runs": settings.warmup_runs,
      "repeats": settings.repeats,
      "seconds": settings.seconds,
      "warmup_seconds": settings.warmup_seconds,
    }
    if settings.is_sustained:
      flags["patience"] = 0  # a part that went on would be longer than the use that was asked for
    command = [sys.executable, "-m", "nadv2_tf.benchmarks.timing.litert_worker"]
    command += [f"--{name}={value}" for name, value in flags.items()]
    line = shlex.join(["python", *command[1:], "..."])
    timeout = STARTING + settings.timeout * settings.repeats * len(paths)
    stdout, stderr, status = _run([*command, *map(str, paths)], timeout)
    records = [json.loads(text) for text in stdout.splitlines() if text.startswith("{")]
    if status == 3:  # the worker's own: a file that does not load
      raise ModelError("A TFLite file cannot be timed.", line, stderr)
    if status or len(records) != len(paths):
      raise TimingError(f"Timing failed with exit status {status}.", line, stdout + stderr)
    return [[Repeat(**repeat) for repeat in record["repeats"]] for record in records]


def outputs_here(
  path: pathlib.Path, inputs: Sequence[bytes], settings: TimingSettings
) -> list[bytes]:
  """Bytes of the output for each of `inputs`, by LiteRT's interpreter in this process."""
  import numpy as np

  from nadv2_tf.export.tflite import interpreter

  made = interpreter(path, settings.num_threads, delegates=settings.delegate == "cpu")
  taken, given = made.get_input_details()[0], made.get_output_details()[0]
  outputs = []
  for content in inputs:
    values = np.frombuffer(content, taken["dtype"]).reshape(taken["shape"])
    made.set_tensor(taken["index"], values)
    made.invoke()
    outputs.append(made.get_tensor(given["index"]).tobytes())
  return outputs


def _run(
  command: Sequence[str],
  timeout: float,
  folder: AnyPath | None = None,
  libraries: Sequence[str] = (),
) -> tuple[str, str, int]:
  """(stdout, stderr, exit status) of a command; it is ended when its time is up.

  Args:
    command: the command.
    timeout: in seconds.
    folder: where it runs; None: here.
    libraries: folders that it loads libraries from, before those that the environment names.
  """
  environment = {**os.environ, **searched(libraries, os.environ)} if libraries else None
  try:
    done = subprocess.run(
      command,
      capture_output=True,
      timeout=timeout,
      check=False,
      stdin=subprocess.DEVNULL,
      cwd=folder,
      env=environment,
    )
  except subprocess.TimeoutExpired as error:
    output = (error.stdout or b"") + (error.stderr or b"")
    line = shlex.join(command)
    raise TimedOut(
      f"Timing did not end within {timeout:g} s.", line, output.decode(errors="replace")
    ) from None
  except OSError as error:
    raise BinaryError(f"{command[0]} does not run: {error}.", shlex.join(command)) from None
  return (
    done.stdout.decode(errors="replace"),
    done.stderr.decode(errors="replace"),
    done.returncode,
  )
