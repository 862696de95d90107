"""The gate: what it lets through, what it catches, what it says."""

import dataclasses
import random

import flatbuffers
import numpy as np
import pytest
from tensorflow.lite.python import schema_py_generated as schema

from nadv2_tf import backbones
from nadv2_tf.export import parity
from nadv2_tf.export.quantization import Quantization, convert
from nadv2_tf.export.tflite import concrete_function, interpreter, predictor
from nadv2_tf.models import stand_alone

FLOATS = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.FLOAT16: np.float16}


def float_weights(content):
  """[(tensor index, name)] of the constant float tensors of a file."""
  graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
  model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
  tensors = [graph.Tensors(index) for index in range(graph.TensorsLength())]
  return [
    (index, tensor.Name().decode())
    for index, tensor in enumerate(tensors)
    if tensor.Type() in FLOATS and model.buffers[tensor.Buffer()].data is not None
  ]


def damaged(content, index, factor=1.5):
  """The file with one tensor scaled, in memory."""
  model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
  tensor = model.subgraphs[0].tensors[index]
  buffer = model.buffers[tensor.buffer]
  values = np.frombuffer(bytes(buffer.data), FLOATS[tensor.type]) * FLOATS[tensor.type](factor)
  buffer.data = np.frombuffer(values.tobytes(), np.uint8)
  builder = flatbuffers.Builder(len(content))
  builder.Finish(model.Pack(builder), b"TFL3")
  return bytes(builder.Output())


def check(network, content, images, mode, reference=None, **options):
  """The gate on a file; any loss of accuracy is allowed, so the outputs alone must tell."""
  return parity.check(
    lambda batch: np.asarray(network(batch, training=False)),
    content,
    lambda: reference,
    images,
    mode,
    100.0,
    **options,
  )


@pytest.mark.parametrize("mode", ["none", "float16"])
def test_every_damaged_weight_tensor_is_caught(network, examples, mode):
  """Each in turn times 1.5."""
  images = examples.inputs()
  content = convert(concrete_function(network), Quantization(mode))
  assert check(network, content, images, mode).top_1_agreement > 0.95
  weights = float_weights(content)
  # A kernel and a bias for each convolution, and the constants of the gates.
  assert len(weights) >= 2 * sum("Conv2D" in type(layer).__name__ for layer in network.layers)
  for index, name in weights:
    with pytest.raises(parity.ParityError, match="the limit for"):
      check(network, damaged(content, index), images, mode, content)
      pytest.fail(f"{name} was scaled and nobody noticed")


def test_the_damaged_layer_is_named(network, examples):
  content = convert(concrete_function(network))
  made = interpreter(content, delegates=False)
  names = {one["index"]: one["name"] for one in made.get_tensor_details()}
  (kernel,) = [
    step["inputs"][1]
    for step in made._get_ops_details()
    if parity.short_name(names[step["outputs"][0]]).startswith("block02_projection")
  ]
  with pytest.raises(parity.ParityError, match=r"first large step is at block02_projection"):
    check(network, damaged(content, kernel), examples.inputs(), "none", content)


def test_what_the_gate_counts():
  """By hand: 4 images of 2 classes; outputs spread 1, one of 4 answers changes."""
  expected = np.array([[1, -1], [1, -1], [-1, 1], [-1, 1]], float)
  actual = expected.copy()
  actual[0] = (-0.5, 0.5)
  right = lambda outputs: float((outputs.argmax(-1) == [0, 0, 1, 1]).mean())  # noqa: E731
  found = parity.compare(expected, actual, right)
  assert found.largest_difference == 1.5 and found.spread == 1
  assert found.rms_difference == pytest.approx((2 * 1.5**2 / 8) ** 0.5)
  assert found.top_1_agreement == 0.75
  assert (found.accuracy_keras, found.accuracy_file) == (1, 0.75)
  assert found.accuracy_lost == 25


@pytest.mark.parametrize(
  ("changes", "mode", "reason"),
  [
    ({}, "none", None),
    ({"largest_difference": 2e-3}, "none", "largest difference of an output is 0.002"),
    ({"largest_difference": 2e-3}, "int8", None),
    ({"rms_difference": 0.5}, "int8", "root mean square difference is 0.5"),
    ({"largest_difference": float("nan")}, "int8_qat", "largest difference"),
    ({"accuracy_file": 0.88}, "int8", "2.00 points of accuracy are lost, --max_accuracy_drop is 1"),
    ({"accuracy_file": 0.895}, "int8", None),
    ({"accuracy_file": 0.95}, "int8", None),
  ],
)
def test_when_the_gate_is_shut(changes, mode, reason):
  good = parity.Parity(256, 1e-6, 1e-7, 1.0, 1.0, 0.9, 0.9)
  found = parity.faults(dataclasses.replace(good, **changes), mode, max_accuracy_drop=1.0)
  assert found == [] if reason is None else reason in " ".join(found)


def test_other_output_shapes_are_no_parity():
  with pytest.raises(parity.ParityError, match=r"outputs are \(4, 3\), the network's \(4, 2\)"):
    parity.compare(np.zeros((4, 2)), np.zeros((4, 3)))


def test_layers_of_a_file_have_short_names(randomise):
  """Most operators belong to a layer that the message can name; slices and pads have no name."""
  space = backbones.search_space("mobilenet_v3_demo")
  network = randomise(stand_alone(space.sample(random.Random(1))), seed=1)
  content = convert(concrete_function(network))
  images = np.zeros((1, *space.largest().input_shape), np.float32)
  from nadv2_tf.export import inspection

  names = [parity.short_name(name) for name in inspection.layer_outputs(content, images)]
  assert sum(name.startswith("block") for name in names) >= 0.8 * len(names)
  assert predictor(content)(images).shape == (1, 10)
