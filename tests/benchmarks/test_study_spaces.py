"""Spaces of methods that know less than NetAdaptV2."""

import random

import pytest

from nadv2_tf import backbones
from nadv2_tf.backbones import BACKBONES
from nadv2_tf.benchmarks.studies import without_bypass
from nadv2_tf.benchmarks.studies.spaces import widths_alone
from nadv2_tf.benchmarks.studies.spaces import without_bypass as space_without_bypass

BACKBONE = backbones.search_space("mobilenet_v3_cifar")
PARTS = {"no_cbc": space_without_bypass(BACKBONE), "plain": widths_alone(BACKBONE)}


@pytest.mark.parametrize("name", PARTS)
def test_without_bypass_no_channel_passes_and_no_layer_goes(name):
  space, rng = PARTS[name], random.Random(0)
  for spec in (space.largest(), space.smallest(), *(space.sample(rng) for _ in range(20))):
    layers = [layer for block in spec.layers() for layer in block]
    assert all(layer.bypassed == 0 for layer in layers)
    assert all(layer.kept > 0 for layer in layers if layer.kind in ("conv", "depthwise"))
    assert space.decode(space.encode(spec)) == spec
  # The largest network is the same one, but for where its channels could pass.
  assert space.largest().macs() == BACKBONE.largest().macs()
  assert space.largest().parameters() == BACKBONE.largest().parameters()


def test_netadaptv1_searches_widths_alone():
  kinds = {name: {decision.kind for decision in space.decisions} for name, space in PARTS.items()}
  assert kinds == {"no_cbc": {"width", "kernel"}, "plain": {"width"}}


def test_every_backbone_is_there_without_bypass():
  names = list(BACKBONES)
  with BACKBONES.registered("toy", lambda **_: BACKBONE):
    without_bypass.register()
    assert set(BACKBONES) == {"toy", "toy_no_cbc", *names, *(f"{name}_no_cbc" for name in names)}
    made = backbones.search_space("mobilenet_v3_cifar_no_cbc", (16, 16, 3), 7)
    assert made.largest().input_shape == (16, 16, 3) and made.network.blocks[-1].classes == 7
    assert not any(getattr(block, "bypass_cap", 0) for block in made.network.blocks)
  assert list(BACKBONES) == names
