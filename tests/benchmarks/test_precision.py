"""Files that are built in int8 to be timed: the operators of a real int8 export, honest headers."""

import collections

import numpy as np
import pytest

from nadv2_tf.benchmarks.tables.headers import check_header, header_of
from nadv2_tf.benchmarks.tables.meter import DeviceMeter
from nadv2_tf.benchmarks.tables.networks import network_file
from nadv2_tf.benchmarks.tables.pieces import piece_file
from nadv2_tf.benchmarks.tables.plan import planned_pieces
from nadv2_tf.export.quantization import Quantization, convert
from nadv2_tf.export.tflite import concrete_function, interpreter
from nadv2_tf.models import stand_alone
from nadv2_tf.options import TimingSettings
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import Piece

INT8 = TimingSettings(precision="int8")


def steps(content):
  return collections.Counter(
    step["op_name"] for step in interpreter(content, delegates=False)._get_ops_details()
  )


def types(content):
  return {
    np.dtype(one["dtype"]).name
    for one in interpreter(content, delegates=False).get_tensor_details()
  }


def test_an_int8_network_has_the_operators_of_its_export(tiny_space, randomise):
  spec = tiny_space.largest()
  images = np.random.default_rng(0).normal(size=(8, *spec.input_shape)).astype(np.float32)
  network = randomise(stand_alone(spec), seed=1)
  exported = convert(concrete_function(network), Quantization("int8", images))
  timed = network_file(spec, "int8")
  assert steps(timed) == steps(exported)
  assert steps(timed)["QUANTIZE"] == steps(timed)["DEQUANTIZE"] == 1


@pytest.mark.parametrize("kind", ["conv", "add", None])
def test_an_int8_piece_takes_and_gives_int8(kind):
  piece = kind and Piece(kind, 4, 4, 8, 8, *((1, 1) if kind == "conv" else ()))
  content = piece_file(piece, copies=2, precision="int8")
  assert "float32" not in types(content)
  assert "float32" in types(piece_file(piece, copies=2))


def test_a_meter_times_what_its_settings_say(tiny_space, make_device):
  spec = tiny_space.smallest()
  devices = [make_device(), make_device()]
  for device, settings in zip(devices, (TimingSettings(), INT8), strict=True):
    DeviceMeter(device, settings).measure(spec)
  assert "int8" not in types(devices[0].contents[0])
  assert "int8" in types(devices[1].contents[0])


def test_a_table_is_of_one_precision(tiny_space, make_device, tmp_path):
  path, device = tmp_path / "table.csv", make_device()
  header = header_of(tiny_space, device, TimingSettings())
  assert header["precision"] == "float32"
  earlier = {key: value for key, value in header.items() if key != "precision"}
  rows = {planned_pieces(tiny_space)[0]: 1.0}
  path.write_text(LatencyTable(rows, earlier).to_csv())
  check_header(path, header)  # tables of before were float32
  with pytest.raises(ValueError, match="measured with precision = float32, now it is int8"):
    check_header(path, header_of(tiny_space, device, INT8))


def test_an_unknown_precision_is_refused():
  with pytest.raises(ValueError, match="precision must be one of float32, int8; got 'int4'"):
    TimingSettings(precision="int4")
