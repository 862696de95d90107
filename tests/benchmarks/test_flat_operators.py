"""Files written straight from the schema are those of the converter: operators, shapes, outputs."""

import random
import subprocess
import sys

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from read_networks import READ_NETWORKS

from nadv2_tf.backbones import search_space
from nadv2_tf.backbones.registry import BACKBONES
from nadv2_tf.benchmarks.tables.networks import network_graph
from nadv2_tf.benchmarks.tables.operators import converted_file
from nadv2_tf.benchmarks.tables.pieces import BUILDERS, piece_graph
from nadv2_tf.export.tflite import interpreter
from nadv2_tf.resources.pieces import KINDS, Piece
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head, InvertedResidual

OPERATORS = {
  number: name for name, number in vars(schema.BuiltinOperator).items() if name[0] != "_"
}
# Every kind of block and of bypass, with odd sizes; and a head after 1x1, which is not pooled.
LARGEST = NetworkSpec(
  "all_kinds",
  (13, 18, 3),
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
REMOVED = {"expansion": 0, "depthwise": 0, "projection": 0}
SPECS = {
  "largest": LARGEST,
  "smallest": space_of(LARGEST, levels=8).smallest(),
  "random": space_of(LARGEST, levels=8).sample(random.Random(1)),
  "block of stride 2 removed": LARGEST.with_block(3, **REMOVED),
  "layers partly bypassed": LARGEST.with_block(3, depthwise=12).with_block(2, projection=4),
  "no pool where all is 1x1": NetworkSpec(
    "small", (2, 2, 3), (Conv(8, 3, 2), InvertedResidual(8, 8, 8, 3, 1, 4), Head(2))
  ),
}
CONVOLUTION = {"kept": 6, "kernel": 3, "stride": 2}
PIECES = {
  "conv, ReLU": Piece("conv", 9, 8, 4, **CONVOLUTION, activation="relu"),
  "conv, hard-swish": Piece("conv", 9, 8, 4, **CONVOLUTION, activation="hard_swish"),
  "conv, linear, 1x1": Piece("conv", 1, 1, 4, 6, 1, activation="linear"),
  "depthwise": Piece("depthwise", 9, 8, 6, **CONVOLUTION, activation="relu"),
  "depthwise, one channel": Piece("depthwise", 5, 5, 1, 1, 5, activation="hard_swish"),
  "squeeze_excite": Piece("squeeze_excite", 9, 8, 6, 6, squeeze=4),
  "squeeze_excite, 1x1": Piece("squeeze_excite", 1, 1, 6, 6, squeeze=4),
  "bypass": Piece("bypass", 9, 8, 7, 7),
  "bypass, stride": Piece("bypass", 9, 8, 7, 7, stride=2),
  "bypass, one channel": Piece("bypass", 9, 8, 1, 1, stride=2),
  "add": Piece("add", 9, 8, 6, 6),
  "padded_add": Piece("padded_add", 9, 8, 7, 7),
  "padded_add, one channel": Piece("padded_add", 9, 8, 1, 1),
  "pool": Piece("pool", 9, 8, 6, 6),
  "pool, 1x1": Piece("pool", 1, 1, 6, 6),
  "upsample": Piece("upsample", 9, 8, 6, 6, stride=2),
  "conv, explicit zeros": Piece("conv", 9, 8, 4, **CONVOLUTION, activation="relu6 pad 1 1"),
  "conv, zeros as SAME": Piece("conv", 9, 9, 4, **CONVOLUTION, activation="relu6 pad 1 1"),
  "conv, no zeros": Piece("conv", 9, 8, 4, **CONVOLUTION, activation="swish pad 0 0"),
  "conv, even kernel": Piece("conv", 9, 8, 4, 6, 2, 1, activation="relu pad 0 1"),
  "depthwise, explicit zeros": Piece("depthwise", 9, 8, 6, 6, 5, 2, activation="swish pad 2 2"),
  "squeeze_excite, swish": Piece("squeeze_excite", 9, 8, 6, 6, 0, 1, 4, "swish sigmoid"),
  "squeeze_excite, ReLU6": Piece("squeeze_excite", 9, 8, 6, 6, 0, 1, 4, "relu6 hard_sigmoid"),
  "squeeze_excite, hard-swish": Piece("squeeze_excite", 9, 8, 6, 6, 0, 1, 4, "hard_swish sigmoid"),
  "max_pool": Piece("max_pool", 9, 8, 6, 6, 2, 2),
  "max_pool, zeros": Piece("max_pool", 9, 9, 6, 6, 3, 2, activation="pad 1 1"),
  "average_pool": Piece("average_pool", 9, 8, 6, 6, 3, 1),
  "average_pool, zeros": Piece("average_pool", 9, 8, 6, 6, 3, 2, activation="pad 0 1"),
  "activation, swish": Piece("activation", 9, 8, 6, 6, activation="swish"),
  "activation, hard-swish": Piece("activation", 9, 8, 6, 6, activation="hard_swish"),
  "norm": Piece("norm", 9, 8, 6, 6, activation="linear"),
  "norm, ReLU": Piece("norm", 9, 8, 6, 6, activation="relu"),
  "norm, swish": Piece("norm", 9, 8, 6, 6, activation="swish"),
  "rescale": Piece("rescale", 9, 8, 3, 3),
  "overhead": None,
}


class Reading:
  """A file's operators in the order in which its outputs ask for them, whatever its own order.

  Attributes:
    lines: what is compared; tensors are numbered as they are met.
    weights: buffers of float constants, in the same order.
  """

  def __init__(self, content):
    self.model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    (self._graph,) = self.model.subgraphs
    self._makers = {
      output: operator for operator in self._graph.operators for output in operator.outputs
    }
    self.lines, self.weights = [], []
    self._numbers = {}
    for index in self._graph.inputs:
      self._see(index, "input")
    outputs = [self._number(index) for index in self._graph.outputs]
    self.lines.append(("outputs", outputs, len(self._graph.operators)))

  def _number(self, index):
    if index in self._numbers:
      return self._numbers[index]
    if index in self._makers:
      operator = self._makers[index]
      inputs = [self._number(other) for other in operator.inputs]
      code = self.model.operatorCodes[operator.opcodeIndex]
      options = operator.builtinOptions
      options = (type(options).__name__, vars(options)) if options else operator.builtinOptionsType
      self.lines.append((OPERATORS[code.builtinCode], code.version, inputs, options))
      return self._see(index, "computed")
    buffer = self.model.buffers[self._graph.tensors[index].buffer]
    if self._graph.tensors[index].type == schema.TensorType.FLOAT32:
      self.weights.append(buffer)
      return self._see(index, "weights")
    return self._see(index, np.asarray(buffer.data, np.uint8).view(np.int32).tolist())

  def _see(self, index, what):
    tensor = self._graph.tensors[index]
    shape = [] if tensor.shape is None else list(tensor.shape)
    self.lines.append((what, shape, tensor.type, tensor.isVariable))
    return self._numbers.setdefault(index, len(self._numbers))

  def content(self):
    builder = flatbuffers.Builder()
    builder.Finish(self.model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def outputs_of(content, inputs):
  made = interpreter(content)
  for details, values in zip(made.get_input_details(), inputs, strict=True):
    made.set_tensor(details["index"], values)
  made.invoke()
  return [made.get_tensor(details["index"]) for details in made.get_output_details()]


def check(graph, relative_gap):
  """The operators are the same, and with the same weights the outputs."""
  written, converted = graph.file("float32"), converted_file(graph, "float32")
  readings = [Reading(written), Reading(converted)]
  assert readings[0].lines == readings[1].lines
  for ours, theirs in zip(*(reading.weights for reading in readings), strict=True):
    ours.data = theirs.data
  rng = np.random.default_rng(0)
  inputs = [rng.normal(size=shape).astype(np.float32) for shape in graph.inputs.values()]
  for ours, theirs in zip(
    outputs_of(readings[0].content(), inputs), outputs_of(converted, inputs), strict=True
  ):
    # The same kernels run in both: only the order of sums may differ.
    assert ours.shape == theirs.shape and relative_gap(ours, theirs) < 1e-5
  # As written, too: the copy above was packed anew.
  assert all(np.isfinite(values).all() for values in outputs_of(written, inputs))


def test_every_kind_of_piece_is_here():
  assert {piece.kind for piece in PIECES.values() if piece} == set(BUILDERS) == set(KINDS)


@pytest.mark.parametrize("name", PIECES)
def test_pieces(name, relative_gap):
  check(piece_graph(PIECES[name], copies=2), relative_gap)


@pytest.mark.parametrize("name", SPECS)
def test_networks(name, relative_gap):
  check(network_graph(SPECS[name]), relative_gap)


@pytest.mark.parametrize("name", READ_NETWORKS)
def test_networks_of_other_people(name, relative_gap):
  check(network_graph(READ_NETWORKS[name]), relative_gap)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_backbones(name, relative_gap):
  channels = 1 if name == "mobilenet_v3_demo" else 3
  check(
    network_graph(search_space(name, (32, 32, channels)).sample(random.Random(0))), relative_gap
  )


def test_no_two_constants_of_weights_are_equal():
  # Layers of equal shape that share a buffer would share their place in the cache.
  block = InvertedResidual(8, 8, 8, 3, 1, 8)
  reading = Reading(network_graph(NetworkSpec("twice", (8, 8, 8), (block, block))).file("float32"))
  weights = [bytes(buffer.data) for buffer in reading.weights if len(buffer.data) > 4]
  assert len(set(weights)) == len(weights) == 2 * 2 * 5


def test_weights_are_aligned():
  content = network_graph(LARGEST).file("float32")
  model = schema.Model.GetRootAs(content, 0)
  starts = [
    buffer._tab.Vector(buffer._tab.Offset(4))
    for buffer in map(model.Buffers, range(1, model.BuffersLength()))
  ]
  assert len(starts) > 30 and not any(start % 16 for start in starts)
  assert content[4:8] == b"TFL3"


def test_pieces_are_written_without_tensorflow():
  program = (
    "import sys\n"
    "from nadv2_tf.benchmarks.tables.pieces import piece_file\n"
    "from nadv2_tf.resources.pieces import Piece\n"
    "piece_file(Piece('pool', 4, 4, 8, 8))\n"
    "assert 'tensorflow' not in sys.modules"
  )
  subprocess.run([sys.executable, "-c", program], check=True)
