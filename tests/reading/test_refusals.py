"""What has no place is refused in one line: the first such layer, and what would be understood."""

import keras
import pytest

from nadv2_tf import reading

layers = keras.layers


@keras.saving.register_keras_serializable("mine")
class Gate(layers.Layer):
  """A layer of one's own."""

  def call(self, x):
    return x * 2


class Own(keras.Model):
  def __init__(self):
    super().__init__()
    self.dense = layers.Dense(3)

  def call(self, x):
    return self.dense(x)


def chain(*behind, shape=(16, 16, 3)):
  """A convolution named "first", what comes behind it, and a classifier."""
  inputs = keras.Input(shape)
  x = layers.Conv2D(8, 3, padding="same", name="first")(inputs)
  for layer in behind:
    x = layer(x)
  x = layers.GlobalAveragePooling2D()(x)
  return keras.Model(inputs, layers.Dense(3)(x), name="chain")


def two_inputs():
  inputs = [keras.Input((16, 16, 3)) for _ in range(2)]
  return keras.Model(inputs, layers.Add()(inputs), name="pair")


def two_outputs():
  inputs = keras.Input((16, 16, 3))
  x = layers.Conv2D(4, 3)(inputs)
  return keras.Model(inputs, [x, layers.ReLU()(x)], name="fork")


def shared():
  layer = layers.Conv2D(8, 3, padding="same", name="both")
  return chain(layer, layer)


def concatenated():
  inputs = keras.Input((16, 16, 3))
  x = layers.Conv2D(8, 3, padding="same")(inputs)
  branches = [layers.Conv2D(4, size, padding="same")(x) for size in (1, 3)]
  x = layers.Concatenate(name="joined")(branches)
  x = layers.Conv2D(8, (1, 7))(x)
  return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def long_shortcut():
  """Another shortcut than those of ResNet: Keras's example of Xception."""
  inputs = keras.Input((16, 16, 3))
  x = layers.Conv2D(8, 3, padding="same")(inputs)
  y = layers.SeparableConv2D(8, 3, 2, padding="same")(x)
  x = layers.add([y, layers.Conv2D(8, 1, 2, name="aside")(x)])
  return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def two_convolutions(**settings):
  return chain(layers.Conv2D(8, 3, name="second", **settings))


CASES = {
  "lambda": (lambda: chain(layers.Lambda(lambda x: x, name="code")), "'code' .*Lambda is code"),
  "custom_layer": (lambda: chain(Gate(name="mine")), "'mine' .*Gate is not a layer of Keras"),
  "own_model": (Own, "Own 'own' is a class of its own.*functional or Sequential"),
  "concatenation": (concatenated, "Concatenate 'joined' .*branches are understood where"),
  "shortcut": (long_shortcut, "'aside' has no place: it begins another branch.*shortcut"),
  "lstm": (
    lambda: keras.Sequential([keras.Input((5, 4)), layers.LSTM(3)], name="words"),
    r"Sequential 'words' has an input of the shape \(5, 4\); images",
  ),
  "dense_only": (
    lambda: keras.Sequential([keras.Input((784,)), layers.Dense(3)], name="flat"),
    r"Sequential 'flat' has an input of the shape \(784,\); images",
  ),
  "two_inputs": (two_inputs, "'pair' has 2 inputs; one image"),
  "two_outputs": (two_outputs, "'fork' has 2 outputs; one image and one output"),
  "shared_layer": (shared, "Conv2D 'both' .*used twice"),
  "any_size": (
    lambda: chain(shape=(None, None, 3)),
    r"'chain' takes images of any size, \(None, None, 3\); give the size as input_shape",
  ),
  "dilation": (lambda: two_convolutions(dilation_rate=2), "'second' .*dilation_rate is 2"),
  "groups": (lambda: two_convolutions(groups=2), "'second' .*groups are 2; 1 would"),
  "kernel": (
    lambda: chain(layers.Conv2D(8, (1, 7), name="second")),
    "'second' .*kernel_size is 1x7; equal numbers would",
  ),
  "stride": (lambda: two_convolutions(strides=4), "'second' .*strides is 4; 1 or 2 would"),
  "depth_multiplier": (
    lambda: chain(layers.DepthwiseConv2D(3, depth_multiplier=2, name="wide")),
    "'wide' .*depth_multiplier is 2",
  ),
  "even_depthwise": (
    lambda: chain(layers.DepthwiseConv2D(4, name="even")),
    "'even' has no place: kernel must be odd",
  ),
  "activation": (lambda: two_convolutions(activation="gelu"), "'second' .*gelu; relu, relu6"),
  "tanh": (lambda: chain(layers.Activation("tanh", name="t")), "'t' .*tanh; relu, relu6"),
  "own_activation": (
    lambda: two_convolutions(activation=lambda x: x),
    "'second' .*not Keras's own; relu",
  ),
  "leaky": (
    lambda: chain(layers.ReLU(negative_slope=0.1, name="leak")),
    "'leak' .*negative_slope 0.1",
  ),
  "sigmoid_inside": (
    lambda: chain(layers.Activation("sigmoid", name="s")),
    "'s' has no place: activation must be one of 'linear', 'relu'",
  ),
  "layer_norm": (lambda: chain(layers.LayerNormalization(name="n")), "'n' .*BatchNormalization"),
  "norm_axis": (lambda: chain(layers.BatchNormalization(axis=1, name="n")), "'n' .*axis is 1"),
  "scaled_inside": (lambda: chain(layers.Rescaling(2.0, name="r")), "'r' .*in front"),
  "zeros_alone": (lambda: chain(layers.ZeroPadding2D(1, name="z")), "'z' .*padding='valid'"),
  "bilinear": (
    lambda: chain(layers.UpSampling2D(interpolation="bilinear", name="u")),
    "'u' .*bilinear upsampling by 2; a nearest one",
  ),
  "resizing": (lambda: chain(layers.Resizing(20, 20, name="r")), "'r' .*20x20 of 16x16"),
  "transposed": (lambda: chain(layers.Conv2DTranspose(4, 2, name="t")), "'t' .*UpSampling2D"),
  "flat_oblong": (
    lambda: keras.Sequential(
      [keras.Input((16, 8, 3)), layers.Flatten(), layers.Dense(4, name="d"), layers.Dense(3)]
    ),
    "Dense 'd' .*Flatten of square images",
  ),
  "wide_squeeze": (
    lambda: chain(lambda x: x * layers.Dense(8, "tanh")(layers.GlobalAveragePooling2D()(x))),
    "tanh",
  ),
  "softmax_without_dense": (
    lambda: keras.Sequential(
      [
        keras.Input((8, 8, 3)),
        layers.Conv2D(3, 1),
        layers.GlobalAveragePooling2D(),
        layers.Softmax(name="s"),
      ]
    ),
    "'s' has no place: softmax would be understood behind a Dense",
  ),
}


def channels_first():
  with_gpu_only = keras.Input((3, 16, 16))
  x = layers.MaxPooling2D(data_format="channels_first", name="c")(with_gpu_only)
  return keras.Model(with_gpu_only, layers.GlobalAveragePooling2D()(x))


CASES["channels_first"] = (channels_first, "'c' .*channels_first; channels_last would")


@pytest.mark.parametrize("name", CASES)
def test_refused_in_one_line(name):
  make, message = CASES[name]
  with pytest.raises(reading.ReadError, match=message) as caught:
    reading.read_network(make())
  text = str(caught.value)
  assert "\n" not in text and text.endswith(".") and not text.endswith("..")


def test_a_saved_model_within_a_model(tmp_path):
  chain().export(tmp_path / "saved", verbose=False)
  saved = layers.TFSMLayer(tmp_path / "saved", call_endpoint="serve", name="old")
  inputs = keras.Input((16, 16, 3))
  model = keras.Model(inputs, saved(inputs))
  with pytest.raises(reading.ReadError, match="'old' has no place: a SavedModel has no layers"):
    reading.read_network(model)


def test_no_model_at_all():
  with pytest.raises(reading.ReadError, match="dict is not a model of Keras 3"):
    reading.read_network({})


def test_another_size_than_the_models():
  """Layers without weights over pixels are read as they are at that size; channels must agree."""
  with pytest.raises(reading.ReadError, match=r"\(16, 16, 3\), got input_shape \(16, 16, 1\)"):
    reading.read_network(chain(), input_shape=(16, 16, 1))
  pooled = chain(keras.layers.MaxPooling2D(2))
  sizes = {size: reading.read_network(pooled, input_shape=(size, size, 3)) for size in (16, 13)}
  assert [read.spec.block_outputs()[1][0] for read in sizes.values()] == [8, 6]  # "valid" floors
  flat = keras.Sequential(
    [keras.Input((16, 16, 3)), layers.Conv2D(4, 1), layers.Flatten(), layers.Dense(3)]
  )
  with pytest.raises(reading.ReadError, match="Flatten .* made for as many pixels"):
    reading.read_network(flat, input_shape=(8, 8, 3))
