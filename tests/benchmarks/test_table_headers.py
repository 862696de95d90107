"""The head of a table: what was begun, or measured, otherwise does not go on."""

import dataclasses
import re

import pytest

from nadv2_tf.benchmarks.tables.headers import check_header, header_of
from nadv2_tf.benchmarks.tables.measurement import TableMeasurement
from nadv2_tf.benchmarks.tables.plan import planned_pieces
from nadv2_tf.options import TimingSettings
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.spec import SearchSpace

SETTINGS = TimingSettings(num_threads=2, cpu_mask="3", delegate="none", attempts=1)


@pytest.mark.parametrize(
  ("name", "value", "told"),
  [("num_threads", 4, "'2', now it is '4'"), ("cpu_mask", None, "'3', now it is '-'")]
  + [("delegate", "cpu", "'none', now it is 'cpu'")],
)
def test_what_was_begun_otherwise_is_refused(tmp_path, tiny_space, make_device, name, value, told):
  path = tmp_path / "table.csv"
  TableMeasurement(tiny_space, make_device(), SETTINGS, path)
  before = (tmp_path / "table.csv.partial").read_bytes()
  with pytest.raises(ValueError, match=f"partial was begun with {name} = {told}: go on with the"):
    TableMeasurement(
      tiny_space, make_device(), dataclasses.replace(SETTINGS, **{name: value}), path
    )
  assert (tmp_path / "table.csv.partial").read_bytes() == before
  with pytest.raises(ValueError, match="was begun with seed = 0, now it is 1"):
    TableMeasurement(tiny_space, make_device(), SETTINGS, path, seed=1)


def test_a_finished_table_of_something_else_is_refused(tmp_path, tiny_space, make_device):
  device, path = make_device(), tmp_path / "table.csv"
  header = header_of(tiny_space, device, SETTINGS)
  piece = planned_pieces(tiny_space)[0]
  path.write_text(LatencyTable({piece: 1.0}, header | {"date": "2024-01-01"}).to_csv())
  check_header(path, header)
  for name, value in (("num_threads", "1"), ("device", "adb: Other"), ("backbone", "mobilenet_v1")):
    message = re.escape(f"{path} was measured with {name} = {header[name]}, now it is {value}: ")
    with pytest.raises(ValueError, match=message + "choose another --output, or delete it"):
      check_header(path, header | {name: value})
  path.write_text(LatencyTable({piece: 1.0}).to_csv())  # one that says nothing of itself
  with pytest.raises(ValueError, match="was measured with backbone = None, now it is tiny"):
    check_header(path, header)


def test_a_table_with_the_old_name_of_a_delegate_goes_on(tmp_path, tiny_space, make_device):
  path = tmp_path / "table.csv"
  header = header_of(tiny_space, make_device(), TimingSettings(delegate="xnnpack"))
  assert header["delegate"] == "cpu"
  piece = planned_pieces(tiny_space)[0]
  path.write_text(LatencyTable({piece: 1.0}, header | {"delegate": "xnnpack"}).to_csv())
  check_header(path, header)
  with pytest.raises(ValueError, match="delegate = cpu, now it is gpu"):
    check_header(path, header | {"delegate": "gpu"})


def test_another_network_of_the_same_name_and_size_is_refused(tmp_path, tiny_space, make_device):
  """An edited network: other strides, or other widths to choose from, count the same parameters."""
  device, path = make_device(), tmp_path / "table.csv"
  first, *others = tiny_space.network.blocks
  slower = dataclasses.replace(first, stride=3 - first.stride)
  network = dataclasses.replace(tiny_space.network, blocks=(slower, *others))
  assert network.parameters() == tiny_space.network.parameters()
  fewer = dataclasses.replace(tiny_space.decisions[0], choices=tiny_space.decisions[0].choices[-1:])
  piece = planned_pieces(tiny_space)[0]
  header = header_of(tiny_space, device, SETTINGS)
  for edited in (
    SearchSpace(network, tiny_space.decisions),
    SearchSpace(tiny_space.network, (fewer, *tiny_space.decisions[1:])),
  ):
    other = header_of(edited, device, SETTINGS)
    assert {name for name in header if header[name] != other[name]} == {"space"}
    path.write_text(LatencyTable({piece: 1.0}, header).to_csv())
    with pytest.raises(ValueError, match="was measured with space = .*: choose another --output"):
      check_header(path, other)
    # Tables of before do not tell it.
    told = {name: value for name, value in header.items() if name != "space"}
    path.write_text(LatencyTable({piece: 1.0}, told).to_csv())
    check_header(path, other)
    begun = tmp_path / "begun.csv"
    TableMeasurement(tiny_space, device, SETTINGS, begun)
    with pytest.raises(ValueError, match="was begun with space = "):
      TableMeasurement(edited, device, SETTINGS, begun)
