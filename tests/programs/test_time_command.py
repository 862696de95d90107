"""nadv2-time: what it prints, and what it refuses."""

import dataclasses
import json
import pathlib
import re
import types

import pytest

from nadv2_tf.benchmarks.tables.pieces import piece_file
from nadv2_tf.benchmarks.timing import devices
from nadv2_tf.benchmarks.timing.devices.host import HostDevice
from nadv2_tf.benchmarks.timing.records import Timing
from nadv2_tf.options import TimingSettings
from nadv2_tf.resources.pieces import Piece

RECORDED = pathlib.Path(__file__).resolve().parents[1] / "benchmarks" / "recorded"


@pytest.fixture(scope="module")
def tflite(tmp_path_factory):
  """A file of one small convolution."""
  path = tmp_path_factory.mktemp("tflite") / "net.tflite"
  path.write_bytes(piece_file(Piece("conv", 8, 8, 4, 4, 3, activation="relu"), copies=1))
  return path


def binary(folder, recorded):
  """A stand-in for benchmark_model that says what was recorded."""
  path = folder / "benchmark_model"
  path.write_text(
    f'#!/bin/sh\ncat "{RECORDED}/{recorded}.stdout"\ncat "{RECORDED}/{recorded}.stderr" >&2\n'
    f'exit $(cat "{RECORDED}/{recorded}.rc")\n'
  )
  path.chmod(0o755)
  return path


def test_a_file_is_timed_in_a_process_of_its_own(start_command, tflite):
  flags = ["--runs=5", "--warmup_runs=1", "--seconds=0", "--repeats=2", "--attempts=1"]
  flags += ["--num_threads=2", "--cpu_mask=1", "--delegate=none", "--json"]
  done = start_command("time", f"--tflite={tflite}", *flags)
  assert done.returncode == 0, done.stderr
  record = json.loads(done.stdout)
  assert set(record) == {field.name for field in dataclasses.fields(Timing)}
  assert record["latency_ms"] > 0 and len(record["repeats_ms"]) == 2
  told = {name: record[name] for name in ("warmup_runs", "num_threads", "cpu_mask")}
  assert told == {"warmup_runs": 1, "num_threads": 2, "cpu_mask": "1"} and record["runs"] >= 5
  assert record["delegate"] == "none" and record["device"].startswith("host: ")


def test_a_timing_in_a_line(run_command, tflite, tmp_path):
  flags = [f"--tflite={tflite}", f"--benchmark_binary={binary(tmp_path, 'ok')}", "--repeats=2"]
  status, stdout, stderr = run_command("time", *flags)
  assert (status, stderr) == (0, "")
  # As recorded in ok.stdout, in microseconds: median=354 p95=423.
  start = f"{tflite}: 0.354 ms median, 0.423 ms p95, spread of 2 repeats 0.0%, 1 thread(s), "
  assert stdout.startswith(start + "benchmark_model sha256:") and stdout.count("\n") == 1
  status, stdout, _ = run_command("time", *flags, "--json")
  assert status == 0 and json.loads(stdout)["median_ms"] == 0.354


def test_several_devices_are_timed_one_after_the_other(tflite, tmp_path, monkeypatch, capsys):
  from nadv2_tf.programs import time as program

  happened = []

  def open_fake(name, *_):
    happened.append(name)
    device = HostDevice(binary(tmp_path, "ok"))
    device.identity = dataclasses.replace(device.identity, device=name)
    time_files = device.time_files
    device.time_files = lambda *given: happened.append("timed") or time_files(*given)
    return device

  given = types.SimpleNamespace(
    tflite=str(tflite), device="adb:A,adb:B", benchmark_binary=None, benchmark_url=None,
    host_runner="interpreter", check_outputs=False, sustained=None, json=False,
  )  # fmt: skip
  monkeypatch.setattr(devices, "open_device", open_fake)
  monkeypatch.setattr(program, "FLAGS", given)
  monkeypatch.setattr(program, "read", lambda _: TimingSettings(repeats=1))
  program.main()
  lines = capsys.readouterr().out.splitlines()
  assert [line.rpartition(", ")[2] for line in lines] == ["adb:A", "adb:B"]
  assert happened[:3] == ["adb:A", "adb:B", "timed"]  # both are devices before one is timed
  given.json = True
  program.main()
  records = json.loads(capsys.readouterr().out)
  assert [record["device"] for record in records] == ["adb:A", "adb:B"]


def test_of_several_devices_each_must_be_one(run_command, tflite):
  status, stdout, stderr = run_command("time", f"--tflite={tflite}", "--device=host,phone")
  assert (status, stdout) == (1, "") and "--device must be host, adb or adb:SERIAL" in stderr
  status, stdout, stderr = run_command("time", f"--tflite={tflite}", "--device=host,host")
  assert (status, stdout) == (1, "") and "--device must name each device once" in stderr


def test_a_timing_with_outputs_and_use(run_command, tflite):
  flags = [f"--tflite={tflite}", "--repeats=1", "--runs=5", "--check_outputs", "--sustained=1"]
  status, stdout, stderr = run_command("time", *flags)
  assert status == 0, stderr
  assert "outputs of 8 images of noise agree with LiteRT on this machine" in stdout
  assert "over 1 s of continuous use:" in stdout
  status, stdout, _ = run_command("time", *flags, "--json")
  record = json.loads(stdout)
  assert record["outputs"]["images"] == 8 and len(record["sustained"]["parts_ms"]) == 10


def test_a_timing_of_wrong_numbers_is_none(run_command, tflite, tmp_path):
  program = tmp_path / "zeros"
  program.write_text(
    "#!/bin/sh\n# input_layer_value_files output_filepath\necho STARTING!\n"
    'for flag in "$@"; do case $flag in --output_filepath=*) file=${flag#*=} ;; esac; done\n'
    'head -c 4000 /dev/zero >"$file"\n'
  )
  program.chmod(0o755)
  flags = [f"--tflite={tflite}", f"--benchmark_binary={program}", "--check_outputs"]
  status, stdout, stderr = run_command("time", *flags)
  assert (status, stdout) == (1, "") and "The device computes something else of" in stderr


def test_an_unsteady_timing_is_told_or_refused(run_command, tflite):
  # That three medians are equal to the last digit is less likely than one in ten thousand.
  flags = [f"--tflite={tflite}", "--max_spread=0", "--attempts=2", "--runs=5", "--seconds=0"]
  status, stdout, stderr = run_command("time", *flags)
  assert status == 0 and "unsteady: something else keeps the device busy" in stdout, stderr
  assert "taken 2 times, because at first its repeats lie" in stdout
  status, stdout, stderr = run_command("time", *flags, "--on_unsteady=fail")
  assert (status, stdout) == (1, "")
  assert re.match(
    rf"error: The timing of {tflite} is unsteady in the best of 2 attempts: its", stderr
  )


@pytest.mark.parametrize("content", [b"", b"no network"], ids=["empty", "text"])
def test_a_broken_network_cannot_be_timed(run_command, tmp_path, content):
  path = tmp_path / "net.tflite"
  path.write_bytes(content)
  status, stdout, stderr = run_command("time", f"--tflite={path}")
  assert (status, stdout) == (1, "")
  assert stderr.startswith("error: A TFLite file cannot be timed.\n  command: python -m ")
  assert f"{path}: Cannot load the TFLite model" in stderr and "Traceback" not in stderr


def test_what_the_tool_refuses_is_told_with_its_output(run_command, tflite, tmp_path):
  path = binary(tmp_path, "trunc")
  status, stdout, stderr = run_command("time", f"--tflite={tflite}", f"--benchmark_binary={path}")
  assert (status, stdout) == (1, "")
  assert re.match(r"error: The TFLite file is damaged.*\n  command: .*benchmark_model --gr", stderr)
  assert "    ERROR: Failed to load model trunc.tflite" in stderr.splitlines()


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    ("--device=phone", "--device must be host, adb or adb:SERIAL, got 'phone'"),
    ("--cpu_mask=big", "--cpu_mask=big: must be a hexadecimal mask such as f0, got 'big'"),
    ("--delegate=gpu", "The host runner interpreter has no delegate 'gpu'"),
    ("--benchmark_binary=none", "There is no benchmark_model at none"),
    ("--tflite=none.tflite", "There is no file none.tflite"),
  ],
)
def test_wrong_values_of_time(fails, tflite, flag, message):
  fails(message, "time", f"--tflite={tflite}", flag)
