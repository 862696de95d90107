"""Which pieces the layers of a network are timed as."""

import dataclasses

import pytest

from nadv2_tf.resources.pieces import Piece, pieces
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import (
  Activation,
  Conv,
  Depthwise,
  GlobalPool,
  InvertedResidual,
  Norm,
  Pool,
  Rescale,
  UniversalBottleneck,
)


def _kinds(spec, block):
  """(kind, in_channels, kept) of every piece of a block."""
  return [
    (piece.kind, piece.in_channels, piece.kept)
    for layer in spec.layers()[block]
    for piece in pieces(layer)
  ]


def test_pieces_of_a_block_with_bypasses():
  # 8 channels live, T = 4. Expansion: 2 filters, Z = 4, so 2 go around. Depthwise: 3 of 4, 1 goes
  # around. Projection: 6 filters, none go around. The residual pads 6 to 8.
  block = InvertedResidual(2, 3, 6, squeeze=2, bypass_cap=4)
  spec = NetworkSpec("n", (4, 4, 1), (Conv(8), block))
  assert _kinds(spec, 1) == [
    ("conv", 8, 2),
    ("bypass", 4, 4),
    ("depthwise", 3, 3),
    ("bypass", 4, 4),
    ("squeeze_excite", 4, 4),
    ("conv", 4, 6),
    ("padded_add", 8, 8),
  ]
  assert _kinds(spec.with_block(1, projection=8), 1)[-2:] == [("conv", 4, 8), ("add", 8, 8)]


def test_a_removed_layer_costs_nothing_but_its_pooling():
  removed = InvertedResidual(0, 0, 0, bypass_cap=4)
  spec = NetworkSpec("n", (4, 4, 1), (Conv(8), removed))
  assert _kinds(spec, 1) == []
  strided = dataclasses.replace(removed, stride=2, residual=False)
  assert _kinds(NetworkSpec("n", (4, 4, 1), (Conv(8), strided)), 1) == [("bypass", 4, 4)]


# One layer of a 9x9 or 9x8 image of 4 channels, and what is timed for it.
SAME_9 = {"in_height": 9, "in_width": 9, "in_channels": 4, "kept": 4}
OTHERS = {
  # SAME padding of 9 pixels at stride 2 is (4 * 2 + 3 - 9) // 2 = 1 on both sides.
  "zeros as SAME": (Conv(4, 3, 2, padding=(1, 1)), [("conv", 3, 2, 0, "relu")]),
  "other zeros": (Conv(4, 3, 2, "relu6", padding=(0, 1)), [("conv", 3, 2, 0, "relu6 pad 0 1")]),
  "no zeros": (Conv(4, 3, 1, "swish", padding=(0, 0)), [("conv", 3, 1, 0, "swish pad 0 0")]),
  "nothing to pad": (Conv(4, 1, 1, padding=(0, 0)), [("conv", 1, 1, 0, "relu")]),
  "depthwise": (Depthwise(4, 5, 2, padding=(1, 2)), [("depthwise", 5, 2, 0, "relu pad 1 2")]),
  "max pool": (Pool("max", 3, 2), [("max_pool", 3, 2, 0, "")]),
  "average pool": (Pool("average", 2, 2, (1, 1)), [("average_pool", 2, 2, 0, "pad 1 1")]),
  "norm": (Norm("swish"), [("norm", 0, 1, 0, "swish")]),
  "rescale": (Rescale((2.0,), (0.5,)), [("rescale", 0, 1, 0, "")]),
  "activation": (Activation("hard_swish"), [("activation", 0, 1, 0, "hard_swish")]),
  "activation of another operator": (Activation("relu"), []),
  "pool over all": (GlobalPool(), [("pool", 0, 1, 0, "")]),
  "squeeze": (
    UniversalBottleneck(4, squeeze=2, squeeze_activation="swish", gate="sigmoid", residual=False),
    [("squeeze_excite", 0, 1, 2, "swish sigmoid"), ("conv", 1, 1, 0, "linear")],
  ),
  "MobileNetV3's squeeze": (
    UniversalBottleneck(4, squeeze=2, residual=False),
    [("squeeze_excite", 0, 1, 2, ""), ("conv", 1, 1, 0, "linear")],
  ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_pieces_of_other_peoples_layers(name):
  block, expected = OTHERS[name]
  (layers,) = NetworkSpec("n", (9, 9, 4), (block,)).layers()
  expected = [
    Piece(kind, **SAME_9, kernel=kernel, stride=stride, squeeze=squeeze, activation=activation)
    for kind, kernel, stride, squeeze, activation in expected
  ]
  assert [piece for layer in layers for piece in pieces(layer)] == expected


@pytest.mark.parametrize(
  ("activation", "name", "padding"),
  [("relu6", "relu6", None), ("swish pad 0 12", "swish", (0, 12)), ("pad 1 1", "linear", (1, 1))],
)
def test_what_a_pieces_text_says(activation, name, padding):
  piece = Piece("conv", 4, 4, 4, 4, kernel=3, activation=activation)
  assert (piece.activation_name, piece.padding) == (name, padding)
