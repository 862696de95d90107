"""Modes of quantization: what is in the files, how near they are, what is refused."""

import collections

import numpy as np
import pytest
from read_networks import READ_NETWORKS

from nadv2_tf import backbones
from nadv2_tf.export import inspection, parity
from nadv2_tf.export.quantization import Quantization, convert, layer_errors
from nadv2_tf.export.tflite import concrete_function, interpreter, predictor
from nadv2_tf.models import stand_alone
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, Head

#: largest share of the outputs' spread that the root mean square difference may have here
NEAR = {"none": 1e-5, "float16": 5e-3, "dynamic": 0.1, "int8": 0.15}


@pytest.fixture
def function(network):
  return concrete_function(network)


def content_of(function, mode, examples, **changes):
  calibration = examples.inputs() if mode == "int8" else None
  return convert(function, Quantization(mode, calibration, **changes))


def kinds(content):
  """How often each type is among the tensors of a file."""
  details = interpreter(content, delegates=False).get_tensor_details()
  return collections.Counter(np.dtype(one["dtype"]).name for one in details)


@pytest.mark.parametrize("mode", list(NEAR))
def test_outputs_are_near_and_types_are_as_named(network, function, examples, mode):
  content = content_of(function, mode, examples)
  images = examples.inputs()
  found = parity.compare(network(images, training=False), predictor(content)(images))
  assert found.rms_difference <= NEAR[mode] * found.spread
  types = kinds(content)
  assert ("float16" in types) == (mode == "float16")
  # Of kernels with fewer than 1024 numbers, as all are here, dynamic makes nothing.
  assert ("int8" in types) == (mode == "int8")
  if mode == "int8":
    assert types["float32"] == 2  # input and output; everything between is integer


@pytest.mark.parametrize("name", READ_NETWORKS)
def test_int8_of_networks_like_other_peoples(name, randomise):
  spec = READ_NETWORKS[name]
  network = randomise(stand_alone(spec), seed=3, shift=0.1)
  images = np.random.default_rng(4).normal(size=(32, *spec.input_shape)).astype(np.float32)
  content = convert(concrete_function(network), Quantization("int8", images))
  found = parity.compare(network(images, training=False), predictor(content)(images))
  assert found.rms_difference <= NEAR["int8"] * found.spread
  assert kinds(content)["float32"] == 2


def test_dynamic_quantizes_large_kernels(randomise):
  spec = NetworkSpec("wide", (4, 4, 3), (Conv(32), Conv(40), Head(3, None)))
  network = randomise(stand_alone(spec), seed=1, shift=0.5)
  content = convert(concrete_function(network), Quantization("dynamic"))
  images = np.random.default_rng(2).normal(size=(8, 4, 4, 3)).astype(np.float32)
  found = parity.compare(network(images, training=False), predictor(content)(images))
  assert 1 <= kinds(content)["int8"] < 3
  assert 0 < found.rms_difference <= 0.1 * found.spread


def test_int8_has_a_scale_for_every_channel_of_every_kernel(function, examples):
  content = content_of(function, "int8", examples)
  made = interpreter(content, delegates=False)
  details = {one["index"]: one for one in made.get_tensor_details()}
  convolutions = [step for step in made._get_ops_details() if "CONV_2D" in step["op_name"]]
  assert len(convolutions) > 10
  for step in convolutions:
    kernel = details[step["inputs"][1]]
    axis = 3 if step["op_name"].startswith("DEPTHWISE") else 0
    scales = kernel["quantization_parameters"]["scales"]
    assert len(scales) == kernel["shape"][axis]
    assert len(scales) == 1 or len(set(scales)) > 1


def test_files_of_large_networks_shrink_to_less_than_a_third():
  """mobilenet_v3_large at half of its widths: scales and graph weigh more than in the whole."""
  space = backbones.search_space("mobilenet_v3_large", (32, 32, 3))
  spec = space.decode([d.choices[len(d.choices) // 2] for d in space.decisions])
  assert 1e6 < spec.parameters() < 2.5e6
  network = stand_alone(spec)
  function = concrete_function(network)
  images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
  assert len(convert(function, Quantization("int8", images))) <= 0.3 * len(convert(function))


def test_integer_ends_give_the_same_answers(function, examples):
  plain = content_of(function, "int8", examples)
  integer = content_of(function, "int8", examples, integer_io=True)
  assert "float32" not in kinds(integer)
  images = examples.inputs()[:16]
  np.testing.assert_allclose(predictor(integer)(images), predictor(plain)(images), atol=1e-6)


def test_layers_can_be_left_in_float(network, function, examples):
  images = examples.inputs()
  spreads = inspection.spreads(convert(function), images[:16])
  errors = layer_errors(function, Quantization("int8", images), spreads)
  shares = [error.relative_error for error in errors]
  assert shares == sorted(shares, reverse=True) and 0 < shares[0] < 1
  assert len(errors) > 20
  names = tuple(error.tensor for error in errors)  # all: little is then left to lose
  content = content_of(function, "int8", examples, float_layers=names)
  float_types = {
    one["name"]: np.dtype(one["dtype"]).name
    for one in interpreter(content, delegates=False).get_tensor_details()
  }
  for name in names[:3]:
    float_names = [key for key, value in float_types.items() if value == "float32"]
    assert any(key.startswith(name[:40]) for key in float_names), name
  whole = content_of(function, "int8", examples)
  expected = network(images, training=False)
  gaps = [
    parity.compare(expected, predictor(made)(images)).rms_difference for made in (content, whole)
  ]
  assert gaps[0] < 0.3 * gaps[1]


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ({"mode": "int4"}, "must be one of none, float16, dynamic, int8, int8_qat, got 'int4'"),
    ({"mode": "mixed"}, "must be one of none, float16, dynamic, int8, int8_qat, got 'mixed'"),
    ({"mode": "int8"}, "needs training images"),
    ({"mode": "dynamic", "integer_io": True}, "--integer_io needs --quantization=int8"),
    ({"mode": "none", "float_layers": ("a",)}, "--float_layers needs --quantization=int8"),
  ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
  with pytest.raises(ValueError, match=message):
    Quantization(**options)


def test_inspection_of_a_file_by_hand():
  """Three operators on 4 x 4 x 2 floats: x + 1, its relu times x, tanh of that."""
  import tensorflow as tf

  def network(x):
    y = tf.nn.relu(x + 1.0)
    return tf.tanh(y * x)

  function = tf.function(network).get_concrete_function(tf.TensorSpec((1, 4, 4, 2)))
  content = convert(function)
  found = inspection.inspect(content)
  assert found.operators == {"ADD": 1, "MUL": 1, "TANH": 1}
  assert found.size_bytes == len(content)
  # At the product three tensors are there: both factors and the product.
  assert found.peak_memory_bytes == 3 * 4 * 4 * 2 * 4
  differences = dict(inspection.layer_differences(content, content, np.ones((1, 4, 4, 2), "f")))
  assert set(differences.values()) == {0.0}


def test_float16_weights_are_no_activations(function, examples):
  sizes = [
    inspection.inspect(content_of(function, mode, examples)).peak_memory_bytes
    for mode in ("none", "float16", "int8")
  ]
  assert sizes[0] == sizes[1]
  assert sizes[0] / 5 < sizes[2] <= sizes[0] / 3  # a byte for four, and float at both ends
