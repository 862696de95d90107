"""A file that is only timed has the operators of the file that an export would write."""

import collections
import random

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from read_networks import READ_NETWORKS

from nadv2_tf import backbones, export
from nadv2_tf.benchmarks.tables.networks import network_file
from nadv2_tf.export.quantization import Quantization
from nadv2_tf.models import stand_alone
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head, InvertedResidual

# Every kind of block and of bypass in few blocks.
LARGEST = NetworkSpec(
  "all_kinds",
  (16, 16, 3),
  (
    Conv(8, 3, 2, "hard_swish", bypass_cap=4),
    InvertedResidual(None, 8, 16, bypass_cap=4),
    InvertedResidual(24, 24, 16, 5, 1, 8, "hard_swish", bypass_cap=8),
    InvertedResidual(32, 32, 24, 7, 2, 8, bypass_cap=12, residual=False),
    DepthwiseSeparable(24, 24, 5, 1, "relu", bypass_cap=8),
    Conv(32, activation="hard_swish", bypass_cap=16),
    Head(3, 40, bypass_cap=16, dropout=0.2),
  ),
)
SPACE = space_of(LARGEST, levels=8)
REMOVED = {"expansion": 0, "depthwise": 0, "projection": 0}
# What a random network may miss.
CONSTRUCTED = {
  "largest": LARGEST,
  "smallest": SPACE.smallest(),
  "block with a residual removed": LARGEST.with_block(2, **REMOVED),
  "block of stride 2 removed": LARGEST.with_block(3, **REMOVED),
  "depthwise layer partly bypassed": LARGEST.with_block(3, depthwise=12, kernel=5),
  "depthwise layer wider than its input": LARGEST.with_block(3, expansion=14),
  "projection widened by the residual": LARGEST.with_block(2, projection=4, kernel=3),
  "bypass all around": LARGEST.with_block(4, depthwise=0, pointwise=2),
  "no hidden layer left": LARGEST.with_block(6, hidden=0),
}


def kernels(path):
  """Shapes of a file's kernels, and how often each occurs."""
  model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
  return collections.Counter(
    tuple(tensor.shape)
    for tensor in model.subgraphs[0].tensors
    if model.buffers[tensor.buffer].data is not None and np.size(tensor.shape) == 4
  )


def check(spec, tmp_path, network=None):
  """Same operators, same shapes, same kernels; and both run."""
  timed, exported = paths = tmp_path / "timed.tflite", tmp_path / "exported.tflite"
  timed.write_bytes(network_file(spec))
  export.to_tflite(network or stand_alone(spec), exported)
  operators = [collections.Counter(export.operators(path)) for path in paths]
  assert operators[0] == operators[1]
  # Not so biases: those of a fresh Keras network are all 0, and share buffers.
  assert kernels(timed) == kernels(exported)
  images = np.random.default_rng(0).normal(size=(1, *spec.input_shape)).astype(np.float32)
  outputs = [export.predictor(path)(images) for path in paths]
  assert outputs[0].shape == outputs[1].shape
  assert np.isfinite(outputs[0]).all()


@pytest.mark.parametrize("name", CONSTRUCTED)
def test_constructed_networks(tmp_path, name):
  check(CONSTRUCTED[name], tmp_path)


@pytest.mark.parametrize("seed", [0, 1])
def test_random_networks(tmp_path, seed):
  check(SPACE.sample(random.Random(seed)), tmp_path)


@pytest.mark.parametrize("name", READ_NETWORKS)
def test_networks_like_other_peoples(tmp_path, name, randomise):
  largest = READ_NETWORKS[name]
  for spec in (largest, space_of(largest, levels=4).sample(random.Random(len(name)))):
    # The converter leaves out a term that is 0, as that of a fresh batch norm is.
    check(spec, tmp_path, randomise(stand_alone(spec), seed=1))


@pytest.mark.parametrize("name", READ_NETWORKS)
def test_int8_files_of_networks_like_other_peoples(tmp_path, name, randomise):
  spec = READ_NETWORKS[name]
  timed, exported = paths = tmp_path / "timed.tflite", tmp_path / "exported.tflite"
  timed.write_bytes(network_file(spec, "int8"))
  images = np.random.default_rng(0).normal(size=(2, *spec.input_shape)).astype(np.float32)
  network = randomise(stand_alone(spec), seed=1)
  export.to_tflite(network, exported, Quantization("int8", images))
  operators = [collections.Counter(export.operators(path)) for path in paths]
  assert operators[0] == operators[1]


def test_a_depth_network_with_skips(tmp_path):
  spec = backbones.search_space("fastdepth", (64, 64, 3)).sample(random.Random(1))
  check(spec, tmp_path)


def test_no_two_weights_of_a_file_are_equal():
  # Layers of equal shape would share one buffer, and so one place in the cache.
  block = DepthwiseSeparable(64, 64)
  spec = NetworkSpec("twice", (8, 8, 1), (Conv(64, 3), block, block, block))
  assert len(network_file(spec)) > 4 * spec.parameters()
