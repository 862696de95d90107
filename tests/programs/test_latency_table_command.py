"""nadv2-latency-table: what it writes, and what it refuses."""

import re

import pytest
from absl.testing import flagsaver

from nadv2_tf import backbones
from nadv2_tf.benchmarks.tables import measurement as latency_table
from nadv2_tf.benchmarks.tables.headers import header_of
from nadv2_tf.benchmarks.timing.devices import open_device
from nadv2_tf.options import NetworkOptions, TimingSettings
from nadv2_tf.pipeline.stages.given.paper import on_paper
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import Piece
from nadv2_tf.resources.predictor import LatencyPredictor
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head

#: networks that take microseconds may be so
IN_DOUBT = r"(; of \d whole networks \d were in doubt each time that they were timed)?"


@pytest.fixture
def measure_table(monkeypatch, tmp_path, capsys):
  """Function (**flags) -> what nadv2-latency-table prints; few networks of one convolution."""
  from absl import flags

  from nadv2_tf.programs import latency_table as program

  def one_convolution(input_shape=(16, 16, 3), classes=2):
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
    rf"{path}: {len(rows.rows)} rows"
    rf"{IN_DOUBT}"
    r"; on 3 whole networks median error [\d.]+%, p90 [\d.]+%"
    r"(, Spearman \S+)?"  # three networks whose order the table does not tell have none
  )
  assert re.fullmatch(summary, printed.splitlines()[-1])
  assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]  # nothing partial is left

  before = path.read_bytes()
  printed = measure_table(image_size=8, classes=5)
  assert f"{path} is complete already" in printed and path.read_bytes() == before
  with pytest.raises(ValueError, match="was measured with num_threads = 1, now it is 2"):
    measure_table(image_size=8, classes=5, num_threads=2)
  with pytest.raises(ValueError, match="was measured with input_shape = 8x8x3, now it is 16x16x3"):
    measure_table(classes=5)
  with pytest.raises(ValueError, match="was measured with input_shape = 8x8x3, now it is 8x8x1"):
    measure_table(image_size=8, classes=5, channels="1")
  # The refused attempts leave nothing behind that the right one would trip over.
  assert "is complete already" in measure_table(image_size=8, classes=5)
  assert path.read_bytes() == before
  # A table that its own check finds wrong is not made good by being there.
  wrong = re.sub(r"check_error_median: \S+", "check_error_median: 0.43", before.decode())
  assert wrong != before.decode()
  path.write_text(wrong)
  with pytest.raises(ValueError, match="table.csv: The latency table is off by 43%"):
    measure_table(image_size=8, classes=5, on_unsteady="fail")
  assert "The latency table is off by 43%" in measure_table(image_size=8, classes=5)


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
  assert re.search(rf" rows{IN_DOUBT}; not checked on whole networks\n$", printed)
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
  # What a command with --on_unsteady=mark kept is held to the same as one of a search.
  meter.facts["held_out_error_median"] = "0.3"
  path.write_text(meter.to_json())
  assert "The latency predictor is off by 30%" in measure_table(predictor=str(path), **few)
  exact = LatencyTable.from_csv(tmp_path / "table.csv")
  exact.facts["check_error_median"] = "0"
  (tmp_path / "table.csv").write_text(exact.to_csv())
  with pytest.raises(
    ValueError, match=r"predictor.json: The latency predictor is off by 30% .*mark"
  ):
    measure_table(predictor=str(path), on_unsteady="fail", **few)
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
