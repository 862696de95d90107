"""The tf_keras twin is the network, and training under fake quantization keeps it so."""

import random

import numpy as np
import pytest
from read_networks import READ_NETWORKS

from nadv2_tf import backbones
from nadv2_tf.export import inspection, parity, qat
from nadv2_tf.export.quantization import Quantization, convert
from nadv2_tf.export.tflite import concrete_function, interpreter, predictor
from nadv2_tf.export.twin import twin
from nadv2_tf.models import stand_alone
from nadv2_tf.spec import space_of
from nadv2_tf.tasks.examples import Examples


# Folding rounds in another order; FastDepth has 38 layers and outputs far above their spread.
@pytest.mark.parametrize(
  ("name", "tolerance"), [("mobilenet_v3_demo", 1e-5), ("mobilenet_v1", 1e-5), ("fastdepth", 5e-5)]
)
def test_twin_gives_what_the_network_gives(name, tolerance, randomise, relative_gap):
  shape = (32, 32, 1) if name == "mobilenet_v3_demo" else (64, 64, 3)
  space = backbones.search_space(name, input_shape=shape)
  rng = random.Random(5)
  for index in range(3):
    spec = space.sample(rng) if index else space.largest()
    network = randomise(stand_alone(spec), seed=index, shift=0.1)
    images = np.random.default_rng(6).normal(size=(2, *shape)).astype(np.float32)
    expected = network(images, training=False)
    assert relative_gap(twin(network, spec)(images, training=False), expected) <= tolerance


@pytest.mark.parametrize("name", READ_NETWORKS)
def test_twin_of_networks_like_other_peoples(name, randomise, relative_gap):
  space, rng = space_of(READ_NETWORKS[name], levels=4), random.Random(5)
  for spec in (space.largest(), space.sample(rng), space.sample(rng)):
    network = randomise(stand_alone(spec), seed=3, shift=0.1)
    images = np.random.default_rng(6).normal(size=(4, *spec.input_shape)).astype(np.float32)
    expected = np.asarray(network(images, training=False))
    if spec == space.largest():  # a small one may say the same of every image
      assert np.ptp(expected, axis=0).max() > 1e-3
    assert relative_gap(twin(network, spec)(images, training=False), expected) <= 2e-5


@pytest.mark.parametrize("name", READ_NETWORKS)
def test_trained_files_of_networks_like_other_peoples(name, randomise):
  """A few steps; integers throughout, and the file gives what was trained."""
  spec = READ_NETWORKS[name]
  network = randomise(stand_alone(spec), seed=4, shift=0.1)
  rng = np.random.default_rng(7)
  examples = Examples(
    rng.integers(0, 256, (32, *spec.input_shape)).astype(np.uint8), rng.integers(0, 2, 32)
  )
  images = examples.inputs()
  options = qat.QatOptions(epochs=2, batch_size=16, shift=0)
  trained = qat.train(network, spec, examples, images, options)
  content = convert(concrete_function(trained), Quantization("int8_qat", integer_io=True))
  types = {
    np.dtype(one["dtype"]).name
    for one in interpreter(content, delegates=False).get_tensor_details()
  }
  assert types == {"int8", "int32"}
  found = parity.compare(trained(images, training=False), predictor(content)(images))
  # Rounding of ties, through a dozen layers and more; the tests above hold the rest.
  assert found.rms_difference < 0.1 * found.spread


def test_twin_of_every_layer(network, spec, examples, relative_gap):
  images = examples.inputs()
  expected = network(images, training=False)
  assert relative_gap(twin(network, spec)(images, training=False), expected) <= 1e-5


def test_another_networks_spec_is_refused(network, spec):
  other = spec.with_block(1, depthwise=10)
  with pytest.raises(ValueError, match="is no network of 'tiny'"):
    twin(network, other)


def test_training_brings_the_outputs_nearer(network, spec, examples):
  """40 steps; the loss of the last ones is below that of the first, and the file is as good."""
  losses = []
  options = qat.QatOptions(epochs=40 / 6, batch_size=16, learning_rate=1e-3, shift=0)
  images = examples.inputs()
  trained = qat.train(network, spec, examples, images, options, lambda *now: losses.append(now[2]))
  assert len(losses) == 40
  assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
  content = convert(concrete_function(trained), Quantization("int8_qat"))
  expected = np.asarray(network(images, training=False))
  faked = trained(images, training=False).numpy()
  actual = predictor(content)(images)
  # What was trained is what runs: rounding of ties apart, one step of the outputs' scale.
  assert parity.compare(faked, actual).rms_difference < 0.05 * expected.std()
  found = parity.compare(expected, actual)
  calibrated = convert(concrete_function(network), Quantization("int8", images))
  untrained = parity.compare(expected, predictor(calibrated)(images))
  assert found.rms_difference < untrained.rms_difference


def test_trained_file_is_integer_throughout(network, spec, examples):
  options = qat.QatOptions(epochs=0, batch_size=16)
  trained = qat.train(network, spec, examples, examples.inputs(), options)
  content = convert(concrete_function(trained), Quantization("int8_qat", integer_io=True))
  made = interpreter(content, delegates=False)
  types = {np.dtype(one["dtype"]).name for one in made.get_tensor_details()}
  assert types == {"int8", "int32"}
  assert inspection.inspect(content).operators["HARD_SWISH"] == 6  # one operator each
  details = {one["index"]: one for one in made.get_tensor_details()}
  for step in made._get_ops_details():
    if step["op_name"] == "DEPTHWISE_CONV_2D":
      kernel = details[step["inputs"][1]]
      assert len(kernel["quantization_parameters"]["scales"]) == kernel["shape"][3]


def test_trained_files_of_dead_units_and_of_kernels_of_zeros(network, spec, examples):
  """A squeeze that is always 0, and channels of which nothing but the bias is left."""
  reduce = network.get_layer("block02_squeeze_reduce")
  reduce.bias.assign(np.full(reduce.bias.shape, -1000.0))
  kernel = network.get_layer("block05_expansion").kernel
  kernel.assign(np.where(np.arange(kernel.shape[-1]) < 3, 0.0, kernel))
  shift = network.get_layer("block05_expansion_norm").beta
  shift.assign(np.where(np.arange(shift.shape[0]) < 3, 4.0, shift))
  images = examples.inputs()
  options = qat.QatOptions(epochs=0, batch_size=16, learning_rate=1e-6)
  trained = qat.train(network, spec, examples, images, options)
  content = convert(concrete_function(trained), Quantization("int8_qat"))
  found = parity.compare(trained(images, training=False), predictor(content)(images))
  assert found.rms_difference < 0.05 * found.spread
