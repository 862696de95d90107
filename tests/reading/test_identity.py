"""What is read gives the model's own outputs, and has its own MACs."""

import dataclasses
import itertools

import keras
import numpy as np
import published_networks as published
import pytest
from macs_of_layers import macs_of_layers
from user_models import USER_MODELS

from nadv2_tf import backbones, reading
from nadv2_tf.models import stand_alone
from nadv2_tf.reading import network

apps = keras.applications


def images_of(model, low=-1.0, high=1.0, batch=2):
  shape = (batch, *model.input_shape[1:])
  kind = keras.config.floatx()
  return np.random.default_rng(0).uniform(low, high, shape).astype(kind)


def range_of(model):
  """(low, high) of the images that a network of `keras.applications` takes."""
  has_rescaling = any(isinstance(layer, keras.layers.Rescaling) for layer in model.layers)
  return (0, 255) if has_rescaling else (-1, 1)


def kinds_of(spec):
  """The kinds of the blocks, each run of equal ones once."""
  return " ".join(kind for kind, _ in itertools.groupby(block.kind for block in spec.blocks))


@pytest.mark.parametrize("name", USER_MODELS)
def test_models_as_users_build_them(name, randomise):
  make, (low, high), kinds = USER_MODELS[name]
  model = make()
  adapted = [layer for layer in model.layers if isinstance(layer, keras.layers.Normalization)]
  kept = [layer.get_weights() for layer in adapted]
  randomise(model, seed=1)
  for layer, weights in zip(adapted, kept, strict=True):
    layer.set_weights(weights)
  read = reading.read_network(model)
  assert kinds_of(read.spec) == kinds
  # Rounding of float32, over a dozen layers.
  assert reading.check_same(model, read, images_of(model, low, high)) <= 1e-5
  extra = read.spec.layers()[-1][-1].in_channels if name == "sigmoid_end" else 0
  assert read.spec.macs() == macs_of_layers(model, model.input_shape[1:]) + extra


SMALL = {"weights": None, "classes": 10}
#: as small as stays itself: the suite reads one form of each, benchmarks/studies/coverage.py all
APPLICATIONS = {
  "mobilenet": lambda: apps.MobileNet((32, 32, 3), alpha=0.25, **SMALL),
  "mobilenet_odd": lambda: apps.MobileNet((45, 45, 3), alpha=0.25, **SMALL),
  "mobilenet_v2": lambda: apps.MobileNetV2(
    (33, 33, 3), alpha=0.35, include_top=False, weights=None
  ),
  "mobilenet_v3_small": lambda: apps.MobileNetV3Small((32, 32, 3), alpha=0.5, **SMALL),
  "mobilenet_v3_large_minimalistic": lambda: apps.MobileNetV3Large(
    (40, 32, 3), alpha=0.25, minimalistic=True, pooling="avg", include_top=False, weights=None
  ),
  "efficientnet_b0": lambda: apps.EfficientNetB0(input_shape=(32, 32, 3), **SMALL),
}
PUBLISHED = {
  "efficientnet_lite": lambda: published.efficientnet_lite(48, 0.5),
  "mnasnet": lambda: published.mnasnet(48, 0.5),
  "mobilenet_v4": lambda: published.mobilenet_v4(48, 0.5),
}


@pytest.mark.parametrize("name", [*APPLICATIONS, *PUBLISHED])
def test_published_networks(name, randomise):
  model = randomise((APPLICATIONS | PUBLISHED)[name](), seed=2)
  read = reading.read_network(model)
  assert reading.check_same(model, read, images_of(model, *range_of(model))) <= 1e-5
  assert read.spec.macs() == macs_of_layers(model, model.input_shape[1:])


@pytest.mark.parametrize("name", ["mobilenet_v3_small", *PUBLISHED])
def test_in_double_precision(name, randomise, float64):
  # Nothing is rounded that could hide a difference: epsilons, biases, paddings.
  model = randomise((APPLICATIONS | PUBLISHED)[name](), seed=3)
  read = reading.read_network(model)
  assert reading.check_same(model, read, images_of(model, *range_of(model))) <= 1e-10


def test_blocks_of_mobilenet_v4():
  """Each kind of universal bottleneck is one block, and an inverted residual where it fits."""
  read = reading.read_network(published.mobilenet_v4())
  kinds = [block.kind for block in read.spec.blocks]
  assert kinds[:3] == ["conv"] * 3 and kinds[-3:] == ["global_pool", "conv", "head"]
  middle = read.spec.blocks[3:11]
  forms = [
    (block.kind, getattr(block, "start", None) is not None, block.depthwise is not None)
    for block in middle
  ]
  assert forms == [
    ("universal_bottleneck", True, True),
    ("inverted_residual", False, True),
    ("universal_bottleneck", True, False),
    ("universal_bottleneck", True, True),
    ("universal_bottleneck", True, True),
    ("inverted_residual", False, True),
    ("universal_bottleneck", False, False),
    ("universal_bottleneck", True, False),
  ]
  assert [block.residual for block in middle] == [False, True, True, False] + [True] * 4


def test_dropout_before_the_classifier_stays():
  read = reading.read_network(USER_MODELS["flat_vgg"][0]())
  assert read.spec.blocks[-1].hidden == 24 and read.spec.blocks[-1].dropout == 0
  assert [line.split(" is ")[0].split()[0] for line in read.dropped] == ["Dropout"]
  read = reading.read_network(USER_MODELS["flat_classifier"][0]())
  assert read.spec.blocks[-1].dropout == 0.5 and not read.dropped and not read.spec.blocks[-1].pool


def test_what_is_left_out_is_told():
  read = reading.read_network(USER_MODELS["sequential_with_augmentation"][0]())
  assert len(read.dropped) == 4
  assert all("RandomFlip" in line or "left out" in line for line in read.dropped)
  read = reading.read_network(USER_MODELS["sigmoid_end"][0]())
  assert read.output_activation == "softmax" and "two classes" in read.dropped[0]


def test_a_network_of_this_package_is_read_back(randomise):
  """FastDepth as this package builds it, whose head is none and whose skips are added."""
  spec = backbones.search_space("fastdepth", input_shape=(32, 32, 3)).largest()
  model = randomise(stand_alone(spec), seed=4)
  read = reading.read_network(model, name="fastdepth")
  assert set(read.spec.skips) == set(spec.skips)
  assert [block.kind for block in read.spec.blocks] == [block.kind for block in spec.blocks]
  assert reading.with_bypass(read, 0) == read
  assert reading.check_same(model, read, images_of(model)) <= 1e-5


def test_a_network_without_a_size_is_read_at_one(randomise):
  model = randomise(apps.MobileNetV2(alpha=0.35, include_top=False, weights=None), seed=5)
  with pytest.raises(reading.ReadError, match=r"any size, \(None, None, 3\).*input_shape"):
    reading.read_network(model)
  # Its ZeroPadding2D is made for even sizes: at 33 it is no SAME padding any more.
  for size, kinds in ((32, "conv inverted_residual conv"), (33, None)):
    read = reading.read_network(model, input_shape=(size, size, 3))
    assert kinds in (None, kinds_of(read.spec))
    images = np.random.default_rng(0).uniform(-1, 1, (2, size, size, 3)).astype("float32")
    assert reading.check_same(model, read, images) <= 1e-5
  assert any(getattr(block, "padding", None) == (0, 1) for block in read.spec.blocks)


def test_another_network_is_found_out(randomise):
  model = randomise(USER_MODELS["toy_resnet"][0](), seed=6)
  read = reading.read_network(model)
  weights = dict(read.weights)
  name = next(iter(weights))
  weights[name] = [weights[name][0], weights[name][1] + 0.01]
  with pytest.raises(ValueError, match="'toy_resnet' gives other outputs"):
    reading.check_same(model, dataclasses.replace(read, weights=weights), images_of(model))


def test_half_precision_is_compared_in_float32(randomise):
  keras.config.set_dtype_policy("mixed_float16")
  try:
    model = USER_MODELS["toy_resnet"][0]()
  finally:
    keras.config.set_dtype_policy("float32")
  randomise(model, seed=7)
  read = reading.read_network(model)
  assert {array.dtype for arrays in read.weights.values() for array in arrays} == {np.dtype("f4")}
  images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
  single = reading.in_single_precision(model)
  assert reading.in_single_precision(single) is single
  assert reading.check_same(model, read, images) == reading.check_same(single, read, images)


def test_where_rounding_is_too_large_double_precision_decides(randomise, monkeypatch):
  model = randomise(USER_MODELS["residual_basic"][0](), seed=8)
  read = reading.read_network(model)
  rounded = reading.check_same(model, read, images_of(model))
  monkeypatch.setattr(network, "LARGEST_DIFFERENCE", rounded / 2)
  assert reading.check_same(model, read, images_of(model)) <= rounded / 2
  assert keras.config.floatx() == "float32" and keras.config.dtype_policy().name == "float32"
