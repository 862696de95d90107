"""Timing on this machine: records and refusals, never speeds."""

import hashlib
import importlib.metadata
import json
import math
import os
import pathlib
import shutil
import sys

import pytest

from nadv2_tf.benchmarks.tables.networks import network_file
from nadv2_tf.benchmarks.tables.pieces import piece_file
from nadv2_tf.benchmarks.timing import litert_worker, undisturbed
from nadv2_tf.benchmarks.timing.batch import REFERENCE
from nadv2_tf.benchmarks.timing.devices import host, open_device
from nadv2_tf.benchmarks.timing.devices.adb import AdbDevice
from nadv2_tf.benchmarks.timing.errors import (
  BinaryError,
  DeviceError,
  ModelError,
  NothingMeasured,
  TimedOut,
  TimingError,
)
from nadv2_tf.options import TimingSettings

RECORDED = pathlib.Path(__file__).parent / "recorded"
#: one attempt, whatever the machine is doing besides
QUICK = {"runs": 5, "warmup_runs": 1, "seconds": 0, "warmup_seconds": 0, "attempts": 1}


def quick(**changes):
  return TimingSettings(**QUICK | changes)


@pytest.fixture(scope="module")
def files(tmp_path_factory, tiny_space):
  """Two small TFLite files."""
  folder = tmp_path_factory.mktemp("files")
  paths = [folder / "call.tflite", folder / "network.tflite"]
  for path, content in zip(
    paths, (piece_file(None), network_file(tiny_space.largest())), strict=True
  ):
    path.write_bytes(content)
  return paths


@pytest.fixture
def program(tmp_path):
  """Function (lines of sh, recorded) -> a stand-in for benchmark_model that does these, and then
  says what was recorded; `calls` beside it has its arguments, a line for each call."""

  def write(lines="", recorded="ok"):
    path = tmp_path / "benchmark_model"
    say = [f'cat "{RECORDED / recorded}.{part}"' for part in ("stdout", "stderr")]
    say = [say[0], f"{say[1]} >&2", f'exit $(cat "{RECORDED / recorded}.rc")']
    calls = f'echo "$@" >> "{tmp_path}/calls"'
    path.write_text("\n".join(["#!/bin/sh", calls, lines, *say, ""]))
    path.chmod(0o755)
    return path

  return write


# --- LiteRT in a process of its own


def test_two_files_have_records_in_their_order(files):
  with open_device("host") as device:
    timings = device.time_files(files, quick(repeats=2, cpu_mask="1"))
  assert len(timings) == 2
  for path, timing in zip(files, timings, strict=True):
    assert timing.file_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert 0 < timing.latency_ms < math.inf and 0 <= timing.disturbed <= 1
    assert 0 < timing.smallest_ms <= timing.median_ms <= timing.p95_ms < math.inf
    assert len(timing.repeats_ms) == timing.repeats == 2
    # What others do on this machine meanwhile decides which of the two it is.
    assert timing.runs >= 5 and timing.statistic in ("undisturbed", "CPU time")
    assert (timing.num_threads, timing.cpu_mask, timing.delegate) == (1, "1", "cpu")
    assert timing.conditions == ({}, {}) and timing.android is None
    assert timing.device.startswith("host: ") and len(timing.device) > len("host: ")
    assert timing.abi == os.uname().machine
    version = importlib.metadata.version("ai-edge-litert")
    assert timing.runtime == f"ai-edge-litert {version}"


def test_many_files_are_shared_among_workers(files, monkeypatch):
  monkeypatch.setattr(host, "FILES_PER_WORKER", 1)
  commands, run = [], host._run
  monkeypatch.setattr(
    host, "_run", lambda command, timeout: commands.append(command) or run(command, timeout)
  )
  timings = open_device("host").time_files(files, quick(repeats=1, delegate="none"))
  ride = [REFERENCE, *files, REFERENCE]
  assert [command[-1] for command in commands] == [str(path) for path in ride]
  assert [timing.file_sha256 for timing in timings] == [
    hashlib.sha256(path.read_bytes()).hexdigest() for path in files
  ]
  assert {timing.delegate for timing in timings} == {"none"}


class Interpreter:
  """Stands in for LiteRT's: says which file runs."""

  def __init__(self, log, file):
    self._log, self._file = log, file

  def invoke(self):
    self._log.append(self._file)


@pytest.fixture
def nobody_disturbs(monkeypatch):
  """As if no run had to wait: a run that did is repeated, which the machine decides."""
  monkeypatch.setattr(undisturbed, "is_disturbed", lambda run, threads: False)


def test_the_worker_lets_files_take_turns(nobody_disturbs, monkeypatch, capsys):
  from nadv2_tf.export import tflite

  ran, made, processors = [], [], []

  def interpreter(file, threads, delegates):
    made.append((file, threads, delegates))
    return Interpreter(ran, file)

  monkeypatch.setattr(tflite, "interpreter", interpreter)
  monkeypatch.setattr(os, "sched_setaffinity", lambda *given: processors.append(given))
  flags = ["--threads=3", "--cpu_mask=6", "--delegate=none", "--warmup_runs=2", "--runs=3"]
  monkeypatch.setattr(sys, "argv", ["worker", *flags, "--repeats=2", "a", "b"])
  litert_worker.main()
  assert ran == (["a"] * 5 + ["b"] * 5) * 2
  assert made == [("a", 3, False), ("b", 3, False)]
  assert processors == [(0, {1, 2})]
  assert len(capsys.readouterr().out.splitlines()) == 2
  monkeypatch.setattr(sys, "argv", ["worker", "c"])
  litert_worker.main()
  assert made[2] == ("c", 1, True) and len(processors) == 1


@pytest.mark.parametrize("flag", ["--seconds=0.2", "--warmup_seconds=0.2"])
def test_least_times_reach_the_workers_runs(nobody_disturbs, monkeypatch, capsys, flag):
  from nadv2_tf.export import tflite

  ran = []
  monkeypatch.setattr(tflite, "interpreter", lambda file, *_, **__: Interpreter(ran, file))
  flags = ["--runs=1", "--warmup_runs=0", "--repeats=1", flag]
  monkeypatch.setattr(sys, "argv", ["worker", *flags, "a"])
  litert_worker.main()
  counted = json.loads(capsys.readouterr().out)["repeats"][0]["runs"]
  # Many empty calls fit into 0.2 seconds; they are counted, or warm-up and then one is counted.
  assert len(ran) > 1 and counted == (len(ran) if flag.startswith("--seconds") else 1)


@pytest.mark.parametrize(("runs", "seconds"), [(3, 0.0), (1, 0.2), (0, 0.0)])
def test_runs_fill_both_count_and_time(runs, seconds):
  times = litert_worker.time_runs(lambda: None, runs, seconds)
  assert all(wall >= 0 and cpu >= 0 for wall, cpu in times)
  # An empty call takes less than a microsecond: 0.2 seconds are far more than one.
  assert len(times) > 1 if seconds else len(times) == runs


@pytest.mark.parametrize(
  "content",
  [b"", b"no model", b"\x20\x00\x00\x00TFL3" + bytes(80)],
  ids=["empty", "text", "only a header"],
)
def test_a_broken_file_is_an_error_and_no_number(files, tmp_path, content):
  broken = tmp_path / "broken.tflite"
  broken.write_bytes(content)
  with pytest.raises(ModelError, match="cannot be timed") as error:
    open_device("host").time_files([files[0], broken], quick())
  assert "command: python -m nadv2_tf.benchmarks.timing.litert_worker --threads=1" in str(
    error.value
  )
  assert f"{broken}: Cannot load the TFLite model: " in str(error.value)


def test_a_missing_file_is_named_before_anything_runs(files, tmp_path, monkeypatch):
  monkeypatch.setattr(host, "_run", None)
  with pytest.raises(ModelError, match=f"There is no file {tmp_path}/none.tflite"):
    open_device("host").time_files([files[0], tmp_path / "none.tflite"])


@pytest.mark.parametrize("delegate", ["gpu", "nnapi"])
def test_this_machine_has_no_phones_delegates(files, delegate):
  with pytest.raises(DeviceError, match=f"no delegate '{delegate}'"):
    open_device("host").time_files(files, quick(delegate=delegate))


@pytest.mark.parametrize("lines", ["echo broken >&2\nexit 1", "exit 0", "kill -9 $$"])
def test_a_worker_that_fails_is_an_error(files, program, monkeypatch, lines):
  monkeypatch.setattr(sys, "executable", str(program(lines)))
  with pytest.raises(TimingError, match="Timing failed with exit status") as error:
    open_device("host").time_files(files, quick())
  assert "litert_worker" in error.value.command
  assert ("broken" in str(error.value)) == ("broken" in lines)


# --- with a benchmark_model


def test_a_binary_gives_the_same_kind_of_record(files, program, tmp_path):
  path = program()
  with open_device("host", path) as device:
    timings = device.time_files(files, quick(repeats=2, num_threads=3))
  # As recorded in ok.stdout, in microseconds: median=354 p95=423, count=2629.
  for timing in timings:
    assert (timing.latency_ms, timing.p95_ms, timing.runs) == (0.354, 0.423, 2629)
    assert (timing.median_ms, timing.smallest_ms, timing.disturbed) == (0.354, 0.319, None)
    assert (timing.statistic, timing.repeats_ms) == ("median", (0.354, 0.354))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert timing.runtime == f"benchmark_model sha256:{digest}"
    assert timing.device.startswith("host: ") and timing.num_threads == 3
  calls = [line.split() for line in (tmp_path / "calls").read_text().splitlines()]
  turn = [REFERENCE, *files, REFERENCE]
  assert [call[0] for call in calls] == [f"--graph={path}" for path in turn] * 2
  assert all({"--num_threads=3", "--num_runs=5"} <= set(call) for call in calls)


def test_a_binary_without_xnnpack(files, program, tmp_path):
  device = open_device("host", program(recorded="ok_noxnn"))
  (timing,) = device.time_files(files[:1], quick(delegate="none"))
  assert (timing.latency_ms, timing.delegate) == (3.146, "none")
  assert "--use_xnnpack=false" in (tmp_path / "calls").read_text()
  # It is no answer to who asked for XNNPACK.
  with pytest.raises(NothingMeasured, match="XNNPACK was turned off"):
    device.time_files(files[:1], quick())


@pytest.mark.skipif(not shutil.which("taskset"), reason="needs taskset")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_mask_keeps_the_binary_to_its_processors(files, program, tmp_path):
  path = program(f'grep Cpus_allowed: /proc/self/status > "{tmp_path}/mask"')
  open_device("host", path).time_files(files[:1], quick(repeats=1, cpu_mask="1"))
  # "Cpus_allowed: 00000000,00000001" on large machines
  mask = (tmp_path / "mask").read_text().split()[1]
  assert int(mask.replace(",", ""), 16) == 1


def test_a_binary_that_hangs_is_ended(files, program, tmp_path):
  path = program(f'echo "INFO: STARTING!"\necho $$ > "{tmp_path}/pid"\nexec sleep 60')
  with pytest.raises(TimedOut, match="did not end within 1 s") as error:
    open_device("host", path).time_files(files, quick(timeout=1))
  assert f"command: {path} --graph={REFERENCE}" in str(error.value)
  assert "INFO: STARTING!" in str(error.value)
  with pytest.raises(ProcessLookupError):
    os.kill(int((tmp_path / "pid").read_text()), 0)


def test_what_a_binary_refuses_is_told(files, program):
  device = open_device("host", program(recorded="trunc"))
  with pytest.raises(ModelError, match="The TFLite file is damaged") as error:
    device.time_files(files, quick())
  assert "ERROR: Failed to load model trunc.tflite" in str(error.value)
  with pytest.raises(NothingMeasured, match="exit status 1"):
    open_device("host", program("exit 1")).time_files(files, quick())


def test_a_binary_that_cannot_be_used_is_refused(files, program, tmp_path):
  with pytest.raises(BinaryError, match=f"There is no benchmark_model at {tmp_path}/none"):
    open_device("host", tmp_path / "none")
  foreign = tmp_path / "foreign"
  # An ELF header of machine 243, RISC-V.
  foreign.write_bytes(b"\x7fELF\x02\x01" + bytes(10) + b"\x02\x00\xf3\x00" + bytes(44))
  with pytest.raises(BinaryError, match="is for riscv64, and the device is"):
    open_device("host", foreign)
  path = program()
  path.chmod(0o644)
  with pytest.raises(BinaryError, match="does not run: .*Permission denied"):
    open_device("host", path).time_files(files, quick())


# --- which device


@pytest.mark.parametrize("text", ["", "phone", "adb:", "adbx", "host:1", "HOST", "table:t.csv"])
def test_what_is_no_device_is_refused(text):
  with pytest.raises(ValueError, match=f"--device must be host, adb or adb:SERIAL, got '{text}'"):
    open_device(text)


def test_several_devices_are_not_one():
  with pytest.raises(ValueError, match="--device=adb:A,adb:B names several devices"):
    open_device("adb:A,adb:B")


@pytest.mark.parametrize(
  ("text", "kind"),
  [("host", host.HostDevice), ("adb", AdbDevice), ("adb:127.0.0.1:5555", AdbDevice)],
)
def test_devices_by_name(text, kind):
  assert type(open_device(text)) is kind
