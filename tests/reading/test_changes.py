"""What a read network is changed to before it is searched."""

import dataclasses

import keras
import numpy as np
import pytest
from user_models import USER_MODELS

from nadv2_tf import reading
from nadv2_tf.spec.blocks import Conv, GlobalPool, Head, Rescale
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.recalibration import recalibrate


def read_model(name, randomise, seed=1):
  model = randomise(USER_MODELS[name][0](), seed)
  return model, reading.read_network(model)


def images(model, low, high):
  shape = (2, *model.input_shape[1:])
  return np.random.default_rng(0).uniform(low, high, shape).astype("float32")


@pytest.mark.parametrize(
  ("name", "low", "high", "first"),
  [
    ("sigmoid_end", 0, 255, "conv"),  # (x / 127.5 - 1) of [0, 255] is what the pipeline feeds
    ("sequential_with_augmentation", 0, 255, "rescale"),
    ("turned_channels", 0, 255, "rescale"),  # one number for each channel
    ("toy_resnet", 0, 1, "rescale"),  # whose skips move on by a block
    ("toy_resnet", -1, 1, "conv"),
  ],
)
def test_input_range(name, low, high, first, randomise):
  model, read = read_model(name, randomise)
  moved = reading.with_input_range(read, low, high)
  assert moved.spec.blocks[0].kind == first
  given = images(model, -1, 1)
  native = (given + 1) / 2 * (high - low) + low
  outputs = [
    np.asarray(reading.build(network)(batch, training=False))
    for network, batch in ((moved, given), (read, native))
  ]
  # Rescaled in another order: rounding of float32.
  np.testing.assert_allclose(*outputs, rtol=0, atol=1e-5 * outputs[1].std())


def test_another_classifier(randomise):
  for name, pixels in (("flat_vgg", (1, 1)), ("flat_classifier", (5, 5))):
    model, read = read_model(name, randomise)
    fresh = reading.with_classes(read, 3)
    assert dataclasses.replace(fresh.spec.blocks[-1], classes=1000) == dataclasses.replace(
      read.spec.blocks[-1], classes=1000
    )
    assert fresh.spec.blocks[-1].classes == 3 and fresh.output_activation == "linear"
    changed = {key for key in read.weights if read.weights[key] is not fresh.weights[key]}
    (key,) = changed
    kernel, bias = fresh.weights[key]
    assert kernel.shape[:2] == pixels and kernel.std() > 0 and not bias.any()
    outputs = reading.build(fresh)(images(model, -1, 1))
    assert outputs.shape == (2, 3)
    again, other = (reading.with_classes(read, 3, seed).weights[key][0] for seed in (0, 1))
    np.testing.assert_array_equal(kernel, again)
    assert not np.isclose(kernel, other).any() and other.std() == pytest.approx(
      kernel.std(), rel=0.3
    )


@pytest.mark.parametrize("pooling", [None, "avg", "max"])
def test_features_get_a_classifier(pooling, randomise):
  model = keras.applications.MobileNet(
    (32, 32, 3), alpha=0.25, include_top=False, weights=None, pooling=pooling
  )
  read = reading.read_network(randomise(model, 2))
  last = {None: "depthwise_separable", "avg": "global_pool", "max": "depthwise_separable"}
  # At 32 pixels one is left, whose maximum is itself: no window is needed.
  assert read.spec.blocks[-1].kind == last[pooling] or read.spec.blocks[-1].kind == "pool"
  fresh = reading.with_classes(read, 5)
  assert fresh.spec.blocks[-1] == Head(5)
  assert all(not isinstance(block, GlobalPool) for block in fresh.spec.blocks)
  assert reading.build(fresh)(images(model, -1, 1)).shape == (2, 5)


def test_a_classifier_twice():
  read = reading.read_network(USER_MODELS["toy_resnet"][0]())
  assert reading.with_classes(reading.with_classes(read, 3), 4).spec.blocks[-1].classes == 4


def test_bypass(randomise):
  model, read = read_model("operator_activations", randomise)
  half = reading.with_bypass(read, 0.5)
  # The first convolution has zeros of its own, which at 32 pixels are not those of SAME padding.
  assert isinstance(half.spec.blocks[0], Conv) and half.spec.blocks[0].padding == (1, 1)
  assert [block.bypass_cap for block in half.spec.blocks[:-1]] == [4, 4, 5]
  assert reading.with_bypass(half, 0).spec == read.spec
  assert reading.check_same(model, half, images(model, -1, 1)) <= 1e-5
  with pytest.raises(ValueError, match="share from 0 to 1, got 2"):
    reading.with_bypass(read, 2)


def test_no_bypass_around_a_layer_of_another_size():
  read = reading.read_network(USER_MODELS["toy_resnet"][0]())
  half = reading.with_bypass(read, 0.5)
  caps = {block.padding: block.bypass_cap for block in half.spec.blocks if block.kind == "conv"}
  assert caps == {(0, 0): 0, None: 6}


def test_rescaling_goes_where_it_does_nothing():
  read = reading.read_network(USER_MODELS["nested_base"][0]())
  assert isinstance(read.spec.blocks[0], Rescale)
  moved = reading.with_input_range(read, 0, 255)
  assert moved.spec.blocks == read.spec.blocks[1:]
  assert set(reading.build(moved).get_layer("block01_filters").get_weights()[0].shape) == {3, 16}


@pytest.mark.parametrize(("epsilon", "scale"), [(1e-5, 0.12), (1e-2, 0.05)])
def test_another_epsilon_outlives_statistics_of_its_own(epsilon, scale):
  """Variances of a few thousandths: hidden in them, the difference to 1e-3 would be lost."""
  layers = keras.layers
  keras.utils.set_random_seed(0)
  model = keras.Sequential(
    [
      keras.Input((8, 8, 3)),
      layers.Conv2D(8, 3, padding="same", use_bias=False),
      layers.BatchNormalization(epsilon=epsilon),
      layers.ReLU(),
      layers.GlobalAveragePooling2D(),
      layers.Dense(4),
    ]
  )
  batch = np.random.default_rng(0).uniform(-1, 1, (64, 8, 8, 3)).astype("float32")
  filters = model.layers[0]
  filters.set_weights([scale * filters.get_weights()[0]])
  examples = Examples((127.5 * (batch + 1)).round().astype("uint8"), np.zeros(64, np.int64))
  recalibrate(model, examples, 64)
  built = reading.build(reading.read_network(model))
  wanted = np.asarray(model(batch, training=False))
  for _ in range(2):
    np.testing.assert_allclose(
      np.asarray(built(batch, training=False)), wanted, rtol=0, atol=1e-5 * wanted.std()
    )
    recalibrate(built, examples, 64)
