"""MACs, parameters and bytes as meters: the same contract for every counted metric."""

import random

import pytest

from nadv2_tf import backbones
from nadv2_tf.export import to_tflite
from nadv2_tf.models import stand_alone
from nadv2_tf.resources import (
  COUNTS,
  MacsMeter,
  ParametersMeter,
  PeakMemoryMeter,
  SizeMeter,
  counts,
)
from nadv2_tf.spec import NetworkSpec, Skip
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual, Upsample


def exported_bytes(spec):
  """4 bytes for each number of the exported layers: of two of a batch norm, one is left."""
  layers = [layer for block in spec.layers() for layer in block]
  return 4 * sum(layer.parameters() - layer.batch_norm * layer.kept for layer in layers)


# Metric, its unit, and the spec's own count that it must equal.
CASES = (
  ("macs", "MACs", NetworkSpec.macs),
  ("parameters", "parameters", NetworkSpec.parameters),
  ("size_bytes", "bytes", exported_bytes),
)


def test_every_counted_metric_stands_in_the_table():
  # Peak memory is no sum, see test_peak_memory.py.
  assert sorted({*COUNTS} - {"peak_memory_bytes"}) == [name for name, _, _ in CASES]
  meters = {"macs": MacsMeter, "parameters": ParametersMeter, "size_bytes": SizeMeter}
  meters["peak_memory_bytes"] = PeakMemoryMeter
  assert {name: COUNTS[name] for name in COUNTS} == meters


@pytest.mark.parametrize(("name", "unit", "count"), CASES)
@pytest.mark.parametrize("backbone", list(backbones.BACKBONES))
def test_a_meter_is_the_sum_of_its_blocks(name, unit, count, backbone):
  space, meter = backbones.search_space(backbone), COUNTS[name]()
  assert meter.unit == unit and meter.is_exact
  for spec in [space.largest(), space.smallest(), space.sample(random.Random(0))]:
    costs = meter.block_costs(spec)
    assert len(costs) == len(spec.blocks)
    assert meter.measure(spec) == sum(costs) == count(spec)
    assert isinstance(meter.measure(spec), float)


def test_costs_of_each_block_worked_by_hand():
  spec = NetworkSpec(
    "tiny",
    (4, 4, 2),
    (Conv(3, 3, 2), Upsample(2), Conv(5), Head(2)),
    (Skip(1, 2),),
  )
  assert MacsMeter().block_costs(spec) == (4 * 3 * 9 * 2, 0, 16 * 5 * 3, 2 * 5)
  assert ParametersMeter().block_costs(spec) == (3 * (9 * 2 + 2), 0, 5 * (3 + 2), 2 * (5 + 1))
  # Every filter has its kernel and one bias, 4 bytes each.
  assert SizeMeter().block_costs(spec) == (
    *(4 * 3 * (9 * 2 + 1), 0, 4 * 5 * (3 + 1), 4 * 2 * (5 + 1)),
  )


def test_bytes_of_a_block_with_squeeze_and_excite_worked_by_hand():
  # 4 channels -> 6 -> depthwise 5x5 -> squeeze and excite through 8 -> 4; 3 classes.
  block = InvertedResidual(6, 6, 4, 5, 1, 8, "relu")
  spec = NetworkSpec("tiny", (4, 4, 4), (block, Head(3)))
  expansion, depthwise, projection = 6 * (4 + 1), 6 * (25 + 1), 4 * (6 + 1)
  squeeze_excite = 6 * 8 + 8 + 8 * 6 + 6
  assert SizeMeter().block_costs(spec) == (
    4 * (expansion + depthwise + squeeze_excite + projection),
    4 * 3 * (4 + 1),
  )


def stored_bytes(path):
  """Bytes of all float32 constants of a .tflite file."""
  from tensorflow.lite.python import schema_py_generated as schema

  model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes()))
  (graph,) = model.subgraphs
  floats = {tensor.buffer for tensor in graph.tensors if tensor.type == schema.TensorType.FLOAT32}
  contents = (model.buffers[index].data for index in floats)
  return sum(len(content) for content in contents if content is not None)


@pytest.mark.parametrize("backbone", ["mobilenet_v3_demo", "mobilenet_v1"])
def test_bytes_are_those_of_an_exported_file(backbone, tmp_path, randomise):
  space = backbones.search_space(backbone, (32, 32, 1), 3)
  for seed in range(2):
    spec = space.sample(random.Random(seed))
    # Equal constants would be stored once; random ones are not equal.
    network = randomise(stand_alone(spec), seed)
    path = to_tflite(network, tmp_path / f"{seed}.tflite")
    predicted = SizeMeter().measure(spec)
    extra = stored_bytes(path) - predicted
    assert 0 <= extra < 100, (spec, extra)  # single numbers, such as those of an activation
    assert 0 < path.stat().st_size - predicted < 0.2 * predicted + 20_000


def test_a_full_memory_of_blocks_forgets_and_still_counts(monkeypatch):
  space, rng = backbones.search_space("mobilenet_v3_demo"), random.Random(1)
  monkeypatch.setattr(counts, "LARGEST_MEMORY", 3)
  meter, asked = MacsMeter(), []
  sums = counts.BlockMemory(
    lambda layers: asked.append(layers) or sum(layer.macs() for layer in layers)
  )
  for spec in [space.sample(rng) for _ in range(5)]:
    assert meter.measure(spec) == spec.macs() == sum(sums.of_blocks(spec))
  monkeypatch.undo()
  assert sum(sums.of_blocks(spec)) == spec.macs()
  asked.clear()
  assert sum(sums.of_blocks(spec)) == spec.macs() and asked == []  # all of it remembered


def test_an_unknown_metric_lists_the_known_ones():
  with pytest.raises(
    ValueError, match="'energy'. Known: macs, parameters, peak_memory_bytes, size_bytes"
  ):
    COUNTS["energy"]
