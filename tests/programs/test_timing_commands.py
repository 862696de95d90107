"""nadv2-time and nadv2-latency-table: what they print and write, and what they refuse."""

import dataclasses
import json
import pathlib
import re
import types

import pytest
from absl.testing import flagsaver

from nadv2_tf import backbones
from nadv2_tf.benchmarks.tables import measurement as latency_table
from nadv2_tf.benchmarks.tables.measurement import header_of
from nadv2_tf.benchmarks.tables.pieces import piece_file
from nadv2_tf.benchmarks.timing import devices
from nadv2_tf.benchmarks.timing.device import Timing
from nadv2_tf.benchmarks.timing.devices import open_device
from nadv2_tf.benchmarks.timing.devices.host import HostDevice
from nadv2_tf.options import NetworkOptions, TimingSettings
from nadv2_tf.pipeline.stages.given.paper import on_paper
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import Piece
from nadv2_tf.resources.predictor import LatencyPredictor
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head

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


# --- nadv2-time


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


# --- nadv2-latency-table


@pytest.fixture
def measure_table(monkeypatch, tmp_path, capsys):
  """Function (**flags) -> what nadv2-latency-table prints; few networks of one convolution."""
  from absl import flags

  from nadv2_tf.programs import latency_table as program

  def one_convolution(input_shape=(4, 4, 3), classes=2):
    network = NetworkSpec("one", input_shape, (Conv(8, 3, 2), Head(classes)))
    return space_of(network, levels=8)

  monkeypatch.setattr(latency_table, "CALIBRATION_NETWORKS", 3)
  before = set(flags.FLAGS)

  def run(**values):
    values = {
      "backbone": "one",
      "output": str(tmp_path / "table.csv"),
      "check_networks": 3,
      # So small a network's latency is no sum of its layers'.
      "on_unsteady": "mark",
      "attempts": 1,
    } | values
    with flagsaver.flagsaver(**values):
      program.main()
    return capsys.readouterr().out

  with backbones.BACKBONES.registered("one", one_convolution):
    program.define_flags()
    flags.FLAGS(["nadv2-latency-table", "--output=unset"])
    yield run
  for name in set(flags.FLAGS) - before:
    delattr(flags.FLAGS, name)


def test_a_table_is_measured_once(measure_table, tmp_path):
  path = tmp_path / "table.csv"
  printed = measure_table(image_size=8, classes=5)
  with open_device("host") as device:
    assert printed.startswith(f"measuring one on {device.identity}\n")
  rows = LatencyTable.from_csv(path)
  assert rows.facts["input_shape"] == "8x8x3" and rows.facts["num_threads"] == "1"
  assert rows.facts["check_networks"] == "3"
  assert max(piece.kept for piece in rows.rows if piece.activation == "linear") == 5
  summary = (
    rf"{path}: {len(rows.rows)} rows; on 3 whole networks median error [\d.]+%, p90 [\d.]+%"
    r"(, Spearman \S+)?"  # three networks whose order the table does not tell have none
  )
  assert re.fullmatch(summary, printed.splitlines()[-1])
  assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]  # nothing partial is left

  before = path.read_bytes()
  printed = measure_table(image_size=8, classes=5)
  assert f"{path} is complete already" in printed and path.read_bytes() == before
  with pytest.raises(ValueError, match="was measured with num_threads = 1, now it is 2"):
    measure_table(image_size=8, classes=5, num_threads=2)
  with pytest.raises(ValueError, match="was measured with input_shape = 8x8x3, now it is 4x4x3"):
    measure_table(classes=5)
  with pytest.raises(ValueError, match="was measured with input_shape = 8x8x3, now it is 8x8x1"):
    measure_table(image_size=8, classes=5, channels="1")
  # The refused attempts leave nothing behind that the right one would trip over.
  assert "is complete already" in measure_table(image_size=8, classes=5)
  assert path.read_bytes() == before


def test_a_table_of_a_given_network_is_that_of_a_run_with_it(measure_table, tmp_path):
  import keras

  layers = keras.layers
  images = keras.Input((8, 8, 3))
  x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, 2, "same")(images)))
  model = keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)), name="mine")
  path = tmp_path / "mine.keras"
  model.save(path)
  given = {"network": str(path), "backbone": NetworkOptions().backbone, "check_networks": 0}
  measure_table(**given, classes=5)
  rows = LatencyTable.from_csv(tmp_path / "table.csv")
  assert rows.facts["backbone"] == "mine" and rows.facts["input_shape"] == "8x8x3"
  options = NetworkOptions(network=str(path))
  space = on_paper(options, classes=5).space()
  assert rows.measure(space.largest()) > 0
  assert rows.facts["parameters"] == str(space.network.parameters())
  with pytest.raises(ValueError, match="--channels=1: the given network takes the images"):
    measure_table(**given, channels="1")


def test_a_killed_measurement_goes_on(measure_table, monkeypatch, tmp_path):
  timed, network_file = [], latency_table.network_file

  def killed(spec):
    raise KeyboardInterrupt

  monkeypatch.setattr(latency_table, "network_file", killed)
  with pytest.raises(KeyboardInterrupt):
    measure_table(check_networks=0)
  assert [file.name for file in tmp_path.iterdir()] == ["table.csv.partial"]
  with pytest.raises(ValueError, match=r"partial was begun with seed = 0, now it is 1: go on with"):
    measure_table(check_networks=0, seed=1)

  monkeypatch.setattr(latency_table, "network_file", network_file)
  monkeypatch.setattr(latency_table, "piece_file", timed.append)
  printed = measure_table(check_networks=0)
  assert timed == []
  assert printed.endswith("rows; not checked on whole networks\n")
  assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]


def test_a_predictor_is_trained_once(measure_table, tmp_path):
  path = tmp_path / "predictor.json"
  few = {"predictor_summed": 100, "predictor_timed": 2, "predictor_held_out": 2}
  printed = measure_table(predictor=str(path), **few)
  meter = LatencyPredictor.from_json(path)
  assert meter.facts["held_out_networks"] == "2" and meter.encoding.network == "one"
  summary = (
    rf"{path}: on 2 whole networks that it never saw mean error [\d.]+%, median [\d.]+%; "
    r"the table's mean [\d.]+%"
  )
  assert re.fullmatch(summary, printed.splitlines()[-1])
  assert sorted(file.name for file in tmp_path.iterdir()) == ["predictor.json", "table.csv"]
  before = path.read_bytes()
  assert f"{path} is complete already" in measure_table(predictor=str(path), **few)
  assert path.read_bytes() == before
  with pytest.raises(ValueError, match="There is no folder"):
    measure_table(predictor=str(tmp_path / "none" / "predictor.json"))


def test_wrong_values_of_latency_table(fails, tmp_path):
  good = f"--output={tmp_path / 'table.csv'}"
  message = "--device must be host, adb or adb:SERIAL, got 'phone'"
  fails(message, "latency_table", good, "--device=phone")
  folder = tmp_path / "none"
  fails(f"There is no folder {folder}", "latency_table", f"--output={folder / 'table.csv'}")
  message = "--backbone=resnet50: value should be one of <fastdepth"
  fails(message, "latency_table", good, "--backbone=resnet50")
  fails("--cpu_mask=big: must be a hexadecimal mask", "latency_table", good, "--cpu_mask=big")
  fails(f"Is a directory: '{tmp_path}'", "latency_table", f"--output={tmp_path}")
  assert not list(tmp_path.glob("*.csv*"))


def test_a_table_of_another_device_is_kept(fails, tmp_path, make_device):
  space = backbones.search_space("mobilenet_v1")
  facts = header_of(space, make_device(), TimingSettings())
  path = tmp_path / "phone.csv"
  path.write_text(LatencyTable({Piece("pool", 2, 2, 4, 4): 1.0}, facts).to_csv())
  before = path.read_bytes()
  message = f"{path} was measured with device = fake: stop watch, now it is host: .* choose another"
  fails(message, "latency_table", "--backbone=mobilenet_v1", f"--output={path}")
  path.with_name("letter.csv").write_text("mine")
  message = r"letter\.csv, line 1: the columns must be"
  fails(message, "latency_table", f"--output={path.with_name('letter.csv')}")
  assert path.read_bytes() == before and path.with_name("letter.csv").read_text() == "mine"
  assert not list(tmp_path.glob("*.partial"))
