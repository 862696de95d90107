"""Identity 10: TFLite and Keras agree; the exported graph holds only ordinary operators."""

import functools
import random

import keras
import numpy as np
import pytest
from read_networks import READ_NETWORKS

from nadv2_tf import backbones, export
from nadv2_tf.models import slice_network, stand_alone, super_network
from nadv2_tf.spec import channels, space_of

ORDINARY = {
  "ADD",
  "AVERAGE_POOL_2D",
  "CONCATENATION",
  "CONV_2D",
  "DEPTHWISE_CONV_2D",
  "HARD_SWISH",
  "MEAN",
  "MUL",
  "PAD",
  "RESHAPE",
  "STRIDED_SLICE",
}
#: what other people's networks have besides
OTHERS = {"LOGISTIC", "MAX_POOL_2D", "RELU", "RELU6", "RESIZE_NEAREST_NEIGHBOR"}
LARGE = ("mobilenet_v1", "mobilenet_v3_large", "netadaptv2_latency", "netadaptv2_mac")


def compare(model, call, space, spec, path, widths_of, relative_gap, ordinary=ORDINARY):
  """Super-network under `spec`, called by `call`, against the file of its sliced network."""
  images = np.random.default_rng(1).normal(size=(3, *space.largest().input_shape))
  images = images.astype(np.float32)
  expected = np.asarray(call(images, widths_of(space, spec, 3)))
  export.to_tflite(slice_network(model, spec), path)
  assert relative_gap(export.predictor(path)(images), expected) <= 1e-4
  assert set(export.operators(path)) <= ordinary


def eagerly(model, *inputs):
  return model(inputs, training=False)


def test_twenty_networks_of_the_demo(tmp_path, randomise, compiled, widths_of, relative_gap):
  space = backbones.search_space("mobilenet_v3_demo")
  model = randomise(super_network(space), seed=1)
  call, rng = compiled(model), random.Random(2)
  for index in range(20):
    spec = space.sample(rng) if index else space.smallest()
    compare(model, call, space, spec, tmp_path / f"{index}.tflite", widths_of, relative_gap)


@pytest.mark.parametrize("name", LARGE)
def test_constructed_networks_of_large_backbones(
  name, tmp_path, randomise, widths_of, relative_gap
):
  """One with a removed stride-2 and a removed stride-1 block, one cut everywhere."""
  space = backbones.search_space(name, input_shape=(64, 64, 3), classes=5)
  model = randomise(super_network(space), seed=3)
  removed = space.largest()
  for index in (4, 5):
    removed = removed.with_block(index, **dict.fromkeys(removed.blocks[index].widths(), 0))
  assert {removed.blocks[4].stride, removed.blocks[5].stride} <= {1, 2}
  cut = space.decode(
    tuple(
      decision.choices[len(decision.choices) * (2 + column % 3) // 5]
      for column, decision in enumerate(space.decisions)
    )
  )
  call = functools.partial(eagerly, model)
  for spec in (removed, cut):
    compare(model, call, space, spec, tmp_path / "network.tflite", widths_of, relative_gap)


@pytest.mark.parametrize("name", READ_NETWORKS)
def test_networks_like_other_peoples(name, tmp_path, randomise, widths_of, relative_gap):
  space = space_of(READ_NETWORKS[name], levels=4)
  model, rng = randomise(super_network(space), seed=1, shift=0.1), random.Random(2)
  call, path = functools.partial(eagerly, model), tmp_path / "network.tflite"
  for spec in (space.largest(), space.sample(rng)):
    compare(model, call, space, spec, path, widths_of, relative_gap, ORDINARY | OTHERS)


def plain_mobilenet(spec):
  """A MobileNetV3 of the spec's widths as any Keras user writes it, without this package."""
  layers = keras.layers

  def normalised(x, activation):
    x = layers.BatchNormalization(epsilon=1e-3)(x)
    return x if activation == "linear" else layers.Activation(activation)(x)

  names = {"hard_swish": "hard_silu", "relu": "relu"}
  inputs = x = layers.Input(spec.input_shape)
  for block in spec.blocks[:-1]:
    if block.kind == "conv":
      x = layers.Conv2D(block.filters, block.kernel, block.stride, padding="same", use_bias=False)(
        x
      )
      x = normalised(x, names[block.activation])
      continue
    shortcut, width = x, x.shape[-1]
    x = layers.Conv2D(block.expansion, 1, use_bias=False)(x)
    x = normalised(x, names[block.activation])
    x = layers.DepthwiseConv2D(block.kernel, block.stride, padding="same", use_bias=False)(x)
    x = normalised(x, names[block.activation])
    if block.squeeze:
      gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
      gate = layers.Conv2D(block.squeeze, 1, activation="relu")(gate)
      gate = layers.Conv2D(block.expansion, 1, activation="hard_sigmoid")(gate)
      x = layers.Multiply()([x, gate])
    x = normalised(layers.Conv2D(block.projection, 1, use_bias=False)(x), "linear")
    if block.stride == 1:
      assert width == block.projection
      x = layers.Add()([shortcut, x])
  head = spec.blocks[-1]
  x = layers.GlobalAveragePooling2D(keepdims=True)(x)
  x = layers.Conv2D(head.hidden, 1)(x)
  x = layers.Activation(names[head.activation])(x)
  x = layers.Flatten()(layers.Conv2D(head.classes, 1)(x))
  return keras.Model(inputs, x)


def test_all_filters_kept_is_the_graph_of_a_plain_mobilenet(tmp_path, randomise):
  """Same operators in the same order, same tensor shapes: nothing of the super-network is left."""
  space = backbones.search_space("mobilenet_v3_demo")
  spec = space.largest()
  # Every stride-1 block of a plain network joins equal widths.
  for index, block in enumerate(spec.blocks):
    if block.kind == "inverted_residual" and block.stride == 1:
      spec = spec.with_block(index, projection=spec.block_outputs()[index - 1][2])
  ours, plain = stand_alone(spec), plain_mobilenet(spec)
  paths = [tmp_path / "ours.tflite", tmp_path / "plain.tflite"]
  for model, path in zip((ours, plain), paths, strict=True):
    export.to_tflite(randomise(model, seed=5), path)
  assert export.operators(paths[0]) == export.operators(paths[1])
  shapes = [sorted(tuple(d["shape"]) for d in details(path)) for path in paths]
  assert shapes[0] == shapes[1]


def details(path):
  return export.interpreter(path).get_tensor_details()


def test_saved_network_loads_without_the_package(tmp_path, randomise, relative_gap):
  """A plain Keras process, in which nadv2_tf cannot be imported, reads the .keras file."""
  import subprocess
  import sys

  space = backbones.search_space("mobilenet_v3_demo")
  spec = space.sample(random.Random(6))
  model = randomise(stand_alone(spec), seed=7)
  model.save(tmp_path / "found.keras")
  images = np.random.default_rng(8).normal(size=(2, 32, 32, 1)).astype(np.float32)
  np.save(tmp_path / "images.npy", images)
  code = (
    "import sys; sys.modules['nadv2_tf'] = None\n"
    "import keras, numpy as np\n"
    "model = keras.saving.load_model('found.keras')\n"
    "np.save('outputs.npy', model(np.load('images.npy'), training=False))\n"
  )
  subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
  assert relative_gap(np.load(tmp_path / "outputs.npy"), model(images, training=False)) <= 1e-5


def test_a_broken_file_is_one_clear_error(tmp_path):
  path = tmp_path / "broken.tflite"
  path.write_bytes(b"not a model")
  with pytest.raises(ValueError, match="Cannot load the TFLite model"):
    export.interpreter(path)


def test_superkernel_centre_is_what_a_cut_kernel_sees():
  """Counter-check of the rule the files rely on: SAME padding, odd kernels, stride 1 and 2."""
  rng = np.random.default_rng(9)
  for size in (8, 9):
    image = rng.normal(size=(1, size, size, 1)).astype(np.float32)
    kernel = rng.normal(size=(7, 7, 1, 1)).astype(np.float32)
    for kept in (3, 5):
      centre = channels.kernel_centre(7, kept)
      masked = np.zeros_like(kernel)
      masked[centre, centre] = kernel[centre, centre]
      for stride in (1, 2):
        small = keras.ops.conv(image, kernel[centre, centre], strides=stride, padding="same")
        large = keras.ops.conv(image, masked, strides=stride, padding="same")
        np.testing.assert_allclose(small, large, atol=1e-5)  # float32 sums of 49 products
