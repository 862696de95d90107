"""Layers that gave nothing on the calibration images: int8 files run, and say what Keras says."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

from nadv2_tf.export import inspection, parity, ranges
from nadv2_tf.export.mixed_files import MixedFiles
from nadv2_tf.export.quantization import Quantization, convert, layer_errors
from nadv2_tf.export.tflite import concrete_function, predictor

#: a bias that no input of these networks outweighs
DEADLY = -1000.0


def filters(x, count=8, **options):
  return layers.Conv2D(count, 1, **options)(x)


def squeezed(x, dead):
  shares = layers.GlobalAveragePooling2D(keepdims=True)(x)
  shares = filters(shares, 4, activation="relu", name="dead" if dead == "reduce" else None)
  shares = filters(shares, name="dead" if dead == "expand" else None)
  return layers.Multiply()([x, layers.Activation("hard_sigmoid")(shares)])


def moved(x):
  x = layers.MaxPooling2D(2)(filters(x, activation="relu", name="dead"))
  x = layers.UpSampling2D(4, interpolation="nearest")(layers.AveragePooling2D(2)(x))
  return layers.ZeroPadding2D(1)(layers.Cropping2D(1)(x))


def hidden(x):
  x = layers.Dense(8, activation="relu", name="dead")(layers.GlobalAveragePooling2D()(x))
  return layers.Reshape((1, 1, 8))(layers.Dense(8)(x))


def chain(x):
  x = filters(x, activation="relu", name="dead")
  x = layers.DepthwiseConv2D(3, padding="same", activation="relu", name="dead_too")(x)
  return filters(filters(x, activation="relu", name="dead_as_well"))


#: what gives 0 for every image: function of a live tensor; the layer "dead" gets the bias for it
DEAD = {
  "convolution": lambda x: filters(filters(x, activation="relu", name="dead")),
  "depthwise": lambda x: filters(
    layers.DepthwiseConv2D(3, padding="same", activation="relu", name="dead")(x)
  ),
  "hidden": hidden,
  "hard_swish": lambda x: filters(layers.Activation("hard_swish")(filters(x, name="dead"))),
  "sum": lambda x: filters(layers.ReLU()(layers.Add()([x, filters(x, name="dead")]))),
  "squeeze": lambda x: squeezed(x, "reduce"),
  "gate": lambda x: filters(squeezed(x, "expand")),
  "moved": lambda x: filters(moved(x)),
  "concatenated": lambda x: filters(
    layers.Concatenate()([x, filters(x, activation="relu", name="dead")])
  ),
  "chain": chain,
}
#: layers of which a last trace is left: function of a live tensor and the layer
NEARLY = {"relu": 0.0, "hard_swish": -3.0}


@pytest.fixture(scope="module")
def images():
  return np.random.default_rng(4).normal(size=(16, 8, 8, 3)).astype(np.float32)


def network_of(part, randomise):
  """A network of which `part` is a branch beside one that is alive."""
  x = layers.Input((8, 8, 3), name="images")
  live = filters(x, activation="relu")
  y = layers.Add()([part(live), filters(live)])
  y = layers.Flatten()(filters(layers.GlobalAveragePooling2D(keepdims=True)(y), 5))
  return randomise(keras.Model(x, y), seed=3)


def with_bias(network, value, start="dead"):
  for layer in network.layers:
    if layer.name.startswith(start):
      layer.bias.assign(np.full(layer.bias.shape, value))
  return network


def far(network, content, images):
  found = parity.compare(network(images, training=False), predictor(content)(images))
  return found.rms_difference / found.spread


@pytest.mark.parametrize("kind", DEAD)
def test_networks_with_dead_layers_run_in_int8(kind, images, randomise):
  network = with_bias(network_of(DEAD[kind], randomise), DEADLY)
  assert not keras.Model(network.input, network.get_layer("dead").output)(images).numpy().max() > 0
  content = convert(concrete_function(network), Quantization("int8", images))
  assert far(network, content, images) < 0.03


@pytest.mark.parametrize("activation", NEARLY)
def test_what_is_left_of_a_nearly_dead_layer_stays(activation, images, randomise):
  """The largest output is 1e-4 of what goes in; weights after it make it count."""
  part = lambda x: filters(layers.Activation(activation)(filters(x, name="nearly")))  # noqa: E731
  network = with_bias(network_of(part, randomise), 0.0, "nearly")
  before = keras.Model(network.input, network.get_layer("nearly").output)
  largest = float(before(images).numpy().max())
  with_bias(network, NEARLY[activation] - largest + 1e-4, "nearly")
  assert 0 < float((before(images).numpy() > NEARLY[activation]).sum()) < 10
  content = convert(concrete_function(network), Quantization("int8", images))
  assert far(network, content, images) < 0.03


def test_dead_layers_in_every_kind_of_int8_file(images, randomise):
  network = with_bias(network_of(DEAD["squeeze"], randomise), DEADLY)
  function = concrete_function(network)
  quantization = Quantization("int8", images)
  errors = layer_errors(function, quantization, inspection.spreads(convert(function), images))
  assert errors
  for changes in ({"float_layers": (errors[0].tensor,)}, {"integer_io": True}):
    content = convert(function, dataclasses.replace(quantization, **changes))
    assert far(network, content, images) < 0.03


def test_a_dead_block_of_a_mixed_file(spec, network, examples):
  images = examples.inputs()
  with_bias(network, DEADLY, "block02_squeeze_reduce")
  files = MixedFiles(concrete_function(network), images)
  assert far(network, files.content({2}), images) < 0.15


def test_a_unit_that_wakes_on_another_image_is_there(images, randomise):
  """Its range is that of its layer's input, not next to nothing."""
  network = with_bias(network_of(DEAD["convolution"], randomise), 0.0)
  dead = keras.Model(network.input, network.get_layer("dead").output)
  with_bias(network, -1.01 * float(dead(images).numpy().max()))
  content = convert(concrete_function(network), Quantization("int8", images))
  others = np.clip(3 * images, images.min(), images.max())
  expected = dead(others).numpy()
  assert dead(images).numpy().max() == 0 < expected.max()
  outputs = inspection.layer_outputs(content, others)
  (name,) = (name for name in outputs if "dead" in name)
  assert outputs[name].max() > 0.1 * expected.max()


def test_ranges_that_kernels_take_stay_as_they_are(network, examples, monkeypatch):
  seen = []

  def kept(calibrated):
    seen.append(ranges.with_wide_ranges(calibrated) == calibrated)
    return calibrated

  monkeypatch.setattr(
    "nadv2_tf.export.quantization.ranges", type("Ranges", (), {"with_wide_ranges": kept})
  )
  convert(concrete_function(network), Quantization("int8", examples.inputs()))
  assert seen == [True]


@pytest.mark.parametrize(
  ("found", "made_in", "inputs", "expected"),
  [
    ((-1.0, 1.0), 0.1, [0.1], (-1.0, 1.0)),  # a step of 2 / 255, and 0.1 is 13 of them
    ((0.0, 0.0), 0.001, [0.02], (0.0, 5.1)),  # nothing: 255 steps of 0.02
    ((0.0, 1e-38), 0.001, [0.02], (0.0, 5.1)),  # as calibration says 0
    ((0.0, 0.0), 0.0, [0.02], (0.0, 5.1)),  # of weights that are all 0
    ((0.0, 0.0), 3.2, [0.02], (0.0, 25.5)),  # a 32nd of 3.2, for large weights
    ((-0.001, 0.002), 3.2, [0.02], (-0.001, 25.499)),  # the low end stays
    ((0.5, 30.0), 3.2, [0.02], (0.5, 30.0)),  # from 0 to 30 is wide enough
    ((0.0, 0.0), 0.0, [], (0.0, 0.0)),  # of nothing at all
  ],
)
def test_a_range_by_hand(found, made_in, inputs, expected):
  assert ranges.widened(*found, made_in, inputs) == pytest.approx(expected)
