"""nadv2-export of any .keras file: modes, images, and what is refused."""

import json

import numpy as np
import pytest

from nadv2_tf.export import blocks, metadata
from nadv2_tf.models import stand_alone
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import pieces
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, Head


@pytest.fixture
def network(tmp_path, randomise):
  """The path of a .keras file, its spec beside it."""
  spec = NetworkSpec("pairs", (8, 8, 1), (Conv(8, 3, 2, "hard_swish"), Head(2, 8)))
  randomise(stand_alone(spec), seed=1).save(tmp_path / "pairs.keras")
  (tmp_path / "pairs.json").write_text(spec.to_json())
  return tmp_path / "pairs.keras"


@pytest.fixture
def data(tmp_path):
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, (700, 8, 8, 1)).astype(np.uint8)
  labels = np.arange(700) % 2
  path = tmp_path / "pairs.npz"
  np.savez(path, x_train=images, y_train=labels, x_test=images[:4], y_test=labels[:4])
  return f"--data=npz:{path}"


def test_int8_with_images(run_command, network, data, output):
  status, printed, stderr = run_command(
    *("export", f"--network={network}", data, f"--output={output}", "--quantization=int8"),
    *("--max_accuracy_drop=20", "--licence=MIT", "--integer_io"),
  )
  assert status == 0, stderr
  path = output / "pairs_int8.tflite"
  assert f"{path}: {path.stat().st_size:,} bytes, int8" in printed
  assert "against Keras on 256 images" in printed and "points lost" in printed
  record = json.loads((output / "pairs_int8.export.json").read_text())
  assert record["images"] == 256 and 0 < record["rms_difference"] < record["spread"]
  assert metadata.read(path.read_bytes())["license"] == "MIT"
  assert metadata.read_labels(path.read_bytes()) == ["0", "1"]


def test_without_images_outputs_are_compared_on_noise(run_command, network, output):
  status, printed, stderr = run_command("export", f"--network={network}", f"--output={output}")
  assert status == 0, stderr
  assert "no --data: compared on random images, by outputs alone" in printed
  assert "points lost" not in printed and (output / "pairs.tflite").exists()


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--quantization=int8"], "--quantization=int8 needs training images: name them with --data"),
    (
      ["--quantization=mixed", "--max_size=50%"],
      "--quantization=mixed needs images and their labels: name them with --data",
    ),
    (["--quantization=mixed"], "--quantization=mixed needs --max_size, --max_latency or both"),
    (["--integer_io"], "--integer_io needs --quantization=int8 or int8_qat, not none"),
    (["--quantization=float16", "--float_layers=2"], "--float_layers needs --quantization=int8"),
  ],
)
def test_what_does_not_go_together_is_one_line(fails, network, output, flags, message):
  fails(message, "export", f"--network={network}", f"--output={output}", *flags)
  assert not list(output.glob("*.tflite")) if output.exists() else True


def test_mixed_within_a_size_and_a_latency(run_command, network, data, output, tmp_path):
  spec = NetworkSpec.from_json(network.with_suffix(".json").read_text())
  # The head is quicker in int8, the convolution in float.
  for precision, costs in (("float32", (1.0, 3.0)), ("int8", (2.0, 1.0))):
    rows = {}
    for layers, cost in zip(spec.layers(), costs, strict=True):
      own = [piece for layer in layers for piece in pieces(layer)]
      rows |= dict.fromkeys(own, cost / len(own))
    table = LatencyTable(rows, {"precision": precision, "check_error_median": "0.11"})
    (tmp_path / f"{precision}.csv").write_text(table.to_csv())
  flags = [
    *("export", f"--network={network}", data, f"--output={output}", "--quantization=mixed"),
    *(f"--float_table={tmp_path / 'float32.csv'}", f"--int8_table={tmp_path / 'int8.csv'}"),
    "--max_accuracy_drop=20",
  ]
  status, printed, stderr = run_command(*flags, "--max_latency=60%", "--max_size=200%")
  assert status == 0, stderr
  assert "blocks in int8: 2; in float: 1; 2 conversions between them" in printed
  assert "2 ms by the tables, without the conversions; at most 2.4 ms" in printed
  assert "  float32: The latency table is off by 11%" in printed  # what is told, is told with it
  record = json.loads((output / "pairs_mixed.export.json").read_text())
  assert record["mixed"]["int8_blocks"] == [2]
  assert "int8: The latency table is off by 11%" in record["mixed"]["table_doubt"]
  assert blocks.precisions((output / "pairs_mixed.tflite").read_bytes()) == {
    1: {"float32"},
    2: {"int8"},
  }
  # The blocks' losses are there, and serve another limit.
  kept = output / "pairs_mixed.blocks.json"
  before = kept.stat().st_mtime_ns
  status, _, stderr = run_command(*flags, "--max_latency=1")
  assert status != 0 and kept.stat().st_mtime_ns == before
  assert "--max_latency of 1 ms cannot be met: with each block in the quicker precision" in stderr


def test_int8_qat_without_a_spec_says_what_is_missing(fails, network, data, output):
  network.with_suffix(".json").unlink()
  message = "--quantization=int8_qat needs the spec of the network beside it"
  flags = [f"--network={network}", data, f"--output={output}", "--quantization=int8_qat"]
  fails(message, "export", *flags)
