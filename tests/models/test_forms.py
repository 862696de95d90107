"""Filters in place of bypasses: another form of the same network."""

import dataclasses
import operator
import random

import backbone_cases
import numpy as np
import pytest
from backbone_cases import ALL_CASES

from nadv2_tf.models import slice_network, stand_alone, super_network
from nadv2_tf.models.forms import with_filters
from nadv2_tf.spec import NetworkSpec, forms
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

#: of 6 sub-networks: layers whose bypass can be filters, so that a rule that finds none is noticed
SUBNETWORKS = 6
FEWEST = {"mobilenet_v3_demo": (10, 10), "netadaptv2_latency": (10, 10), "resnet": (1, 1)}
NAMES = [
  "fastdepth",
  "mobilenet_v1",
  "mobilenet_v3_demo",
  "netadaptv2_latency",
  "resnet",
  "universal",
]


def all_with_filters(spec):
  """The form in which every layer that can has filters, and how many pass channels, give zeros."""
  form, passing, zeros = spec, 0, 0
  for index, layers in enumerate(spec.layers()):
    for place, layer in enumerate(layers):
      other = forms.with_filters(layer)
      wide = forms.widened(layer, layers[place + 1] if place + 1 < len(layers) else None)
      passing, zeros = passing + (other is not None), zeros + (wide is not None)
      if wide or other:
        form = form.with_block(index, **{layer.field: (wide or other).kept})
  return form, passing, zeros


@pytest.mark.parametrize("name", NAMES)
def test_every_form_is_known_as_one(name):
  space, rng = backbone_cases.space_of(name), random.Random(0)
  for _ in range(100):
    spec = space.sample(rng)
    form, *_ = all_with_filters(spec)
    for own, others in zip(spec.layers(), form.layers(), strict=True):
      followings = [*own, None][1:]  # a block may have no layer
      for layer, other, following in zip(own, others, followings, strict=True):
        is_changed = bool(layer.field) and layer.kept != other.kept
        assert not is_changed or forms.is_form(other, layer, following), (layer, other)
        wrong = dataclasses.replace(other, kept=other.kept + 1, out_channels=other.out_channels + 1)
        assert not forms.is_form(wrong, layer, following)


def test_a_layer_that_another_form_feeds_is_the_same():
  # The depthwise layer's bypass carries what no activation went through, so that only its form
  # with filters feeds the projection from a ReLU.
  blocks = (Conv(8, 3), InvertedResidual(16, 8, 6, 3, bypass_cap=8), Head(2))
  spec = NetworkSpec("fed", (8, 8, 3), blocks)
  form = spec.with_block(1, depthwise=16, projection=8)
  own, other = spec.layers()[1], form.layers()[1]
  places = [place for place, layer in enumerate(own) if layer.field == "projection"]
  (place,) = places
  assert own[place].fed != other[place].fed
  model = stand_alone(spec)
  made = with_filters(model, spec, form)
  images = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
  assert np.allclose(made(images), model(images), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_with_filters_for_bypassed_channels_gives_the_same(name, randomise, relative_gap):
  space = backbone_cases.space_of(name)
  model = randomise(super_network(space), 1, ALL_CASES[name].shift)
  images = np.random.default_rng(0).normal(size=(2, *space.network.input_shape))
  rng, found = random.Random(0), [0, 0]
  for number in range(SUBNETWORKS):
    spec = space.sample(rng)
    form, passing, zeros = all_with_filters(spec)
    found = [sum(pair) for pair in zip(found, (passing, zeros), strict=True)]
    if number > 1 or form == spec:
      continue
    plain = slice_network(model, spec)
    other = with_filters(plain, spec, form)
    assert relative_gap(np.asarray(other(images)), np.asarray(plain(images))) < 1e-6
    assert not any(forms.with_filters(layer) for layers in form.layers() for layer in layers)
  assert all(map(operator.ge, found, FEWEST.get(name, (0, 0)))), found


def test_which_layers_can_have_filters_for_what_passes():
  def changed(field, **fields):
    block = InvertedResidual(8, 8, 8, 3, 1, 4, "relu", bypass_cap=6)
    network = NetworkSpec("n", (8, 8, 3), (Conv(6, 3), block, Head(2))).with_block(1, **fields)
    found = {layer.field: forms.with_filters(layer) for layer in network.layers()[1]}[field]
    return found and found.kept

  # A linear projection, and a layer whose input comes straight out of a ReLU.
  assert changed("projection", projection=4) == 6
  assert changed("depthwise", depthwise=5) == 8
  assert changed("depthwise", depthwise=5, activation="relu6") == 8
  assert changed("depthwise", depthwise=5, activation="hard_swish") is None
  # Of the 6 channels of its input 4 are rectified and 2 are not.
  assert changed("expansion", expansion=4, depthwise=5) is None
  assert changed("depthwise", expansion=4, depthwise=5) is None
  assert changed("depthwise", depthwise=5, stride=2, residual=False) is None
  assert changed("projection", projection=0) is None and changed("projection") is None


def test_which_layers_can_have_filters_for_zeros():
  def changed(**fields):
    block = InvertedResidual(8, 8, 2, 3, 1, None, "relu", bypass_cap=3)
    network = NetworkSpec("n", (8, 8, 3), (Conv(6, 3), block, Head(2))).with_block(1, **fields)
    *_, projection, last = network.layers()[1]
    found = forms.widened(projection, last)
    return found and (found.kept, found.out_channels)

  assert changed() == (6, 6)  # one channel passes, three are zeros
  assert changed(projection=4) == (6, 6)
  assert changed(projection=0) is None  # nothing is filtered
  assert changed(projection=6) is None and changed(projection=8) is None  # nothing is padded


def test_another_network_is_refused():
  spec = NetworkSpec("n", (8, 8, 3), (Conv(6, 3), Conv(3, 3, activation="hard_swish"), Head(2)))
  with pytest.raises(ValueError, match="block02_filters of 'n' with 3 filters is another"):
    with_filters(stand_alone(spec), spec, spec.with_block(1, filters=6))
