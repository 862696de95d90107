"""Block kinds of other people's networks: shapes, counts and what may be searched, by hand."""

import pytest

from nadv2_tf.spec import NetworkSpec, Skip, space_of
from nadv2_tf.spec.blocks import (
  Activation,
  Conv,
  Depthwise,
  DepthwiseSeparable,
  GlobalPool,
  Head,
  Norm,
  Pool,
  Rescale,
  Residual,
  UniversalBottleneck,
  Upsample,
)

# Each block alone on 8x8 pixels of 6 channels: block, its output, MACs, parameters.
COUNTED = (
  # "valid", that is no padding: 8 - 3 + 1 = 6 a side; a bias in place of a scale and a shift
  (Conv(5, 3, batch_norm=False, padding=(0, 0)), (6, 6, 5), 36 * 5 * 9 * 6, 5 * (9 * 6 + 1)),
  # an even kernel: 8 + 0 + 1 - 2 + 1 = 8 a side
  (Conv(5, 2, padding=(0, 1)), (8, 8, 5), 64 * 5 * 4 * 6, 5 * (4 * 6 + 2)),
  # ResNet's stem: (8 + 3 + 3 - 7) // 2 + 1 = 4 a side
  (Conv(5, 7, 2, padding=(3, 3)), (4, 4, 5), 16 * 5 * 49 * 6, 5 * (49 * 6 + 2)),
  (Depthwise(6, 5, 2), (4, 4, 6), 16 * 6 * 25, 6 * (25 + 2)),
  # 4 filters, 2 channels pass
  (Depthwise(4, 3, batch_norm=False), (8, 8, 6), 64 * 4 * 9, 4 * (9 + 1)),
  # SeparableConv2D: its depthwise layer has a bias of zeros here, for it has no norm
  (
    DepthwiseSeparable(6, 5, depthwise_norm=False, depthwise_activation="linear", batch_norm=False),
    (8, 8, 5),
    64 * 6 * 9 + 64 * 5 * 6,
    6 * (9 + 1) + 5 * (6 + 1),
  ),
  # MobileNetV4's extra depthwise block: 5x5 in front, 3x3 of stride 2 in the middle
  (
    UniversalBottleneck(7, 6, 12, 12, 5, 3, 1, 2, residual=False),
    (4, 4, 7),
    64 * 6 * 25 + 64 * 12 * 6 + 16 * 12 * 9 + 16 * 7 * 12,
    6 * (25 + 2) + 12 * (6 + 2) + 12 * (9 + 2) + 7 * (12 + 2),
  ),
  # its ConvNext block: a depthwise layer in front, expansion, projection; the residual adds
  (
    UniversalBottleneck(6, start=6, expansion=12),
    (8, 8, 6),
    64 * 6 * 9 + 64 * 12 * 6 + 64 * 6 * 12,
    6 * (9 + 2) + 12 * (6 + 2) + 6 * (12 + 2),
  ),
  # EfficientNet's: the squeeze-and-excite has 3 units over 12 channels, once for all positions
  (
    UniversalBottleneck(6, expansion=12, depthwise=12, squeeze=3, gate="sigmoid"),
    (8, 8, 6),
    64 * 12 * 6 + 64 * 12 * 9 + 2 * 3 * 12 + 64 * 6 * 12,
    12 * (6 + 2) + 12 * (9 + 2) + (2 * 3 * 12 + 3 + 12) + 6 * (12 + 2),
  ),
  # ResNet's basic block
  (
    Residual(4, 6),
    (8, 8, 6),
    64 * 4 * 9 * 6 + 64 * 6 * 9 * 4,
    4 * (9 * 6 + 2) + 6 * (9 * 4 + 2),
  ),
  # its bottleneck of stride 2, with a 1x1 convolution of stride 2 beside it
  (
    Residual(2, 2, 10, 10, 1, 3, 1, 2),
    (4, 4, 10),
    16 * 10 * 6 + 16 * 2 * 6 + 16 * 2 * 9 * 2 + 16 * 10 * 2,
    10 * (6 + 2) + 2 * (6 + 2) + 2 * (9 * 2 + 2) + 10 * (2 + 2),
  ),
  # branch and input are as wide as the wider one
  (Residual(4, 9), (8, 8, 9), 64 * 4 * 9 * 6 + 64 * 9 * 9 * 4, 4 * (54 + 2) + 9 * (36 + 2)),
  (Activation("swish"), (8, 8, 6), 0, 0),
  (Norm("relu6"), (8, 8, 6), 0, 2 * 6),
  # SAME: 8 / 2 = 4 a side; (8 + 1 + 1 - 3) // 2 + 1 = 4; no padding: (8 - 3) // 3 + 1 = 2
  (Pool("max", 3, 2), (4, 4, 6), 0, 0),
  (Pool("max", 3, 2, (1, 1)), (4, 4, 6), 0, 0),
  (Pool("average", 3, 3, (0, 0)), (2, 2, 6), 0, 0),
  (GlobalPool(), (1, 1, 6), 0, 0),
)


@pytest.mark.parametrize(
  ("block", "output", "macs", "parameters"), COUNTED, ids=[row[0].kind for row in COUNTED]
)
def test_shape_macs_and_parameters(block, output, macs, parameters):
  spec = NetworkSpec("n", (8, 8, 6), (block,))
  assert spec.block_outputs() == (output,)
  assert spec.macs() == macs
  assert spec.parameters() == parameters


def test_half_a_mac_for_each_bias():
  # 8x8 positions; 6 depthwise and 5 pointwise filters
  spec = NetworkSpec("n", (8, 8, 6), (DepthwiseSeparable(6, 5, batch_norm=False),))
  assert spec.macs(bias=True) - spec.macs() == 64 * (6 + 5) / 2


def test_what_the_layers_say_of_themselves():
  blocks = (
    Rescale((2,), (-1,)),
    Conv(4, 3, 2, "relu6", padding=(0, 1)),
    UniversalBottleneck(4, 4, 8, 8, 5, 3, squeeze=2, squeeze_activation="swish", gate="sigmoid"),
    Residual(4, 4, activation="swish"),
    Residual(4, 4, activation="linear"),
    Pool("average", 3, 1, (1, 1)),
    Norm("relu"),
  )
  layers = NetworkSpec("n", (8, 8, 3), blocks).layers()
  assert [[layer.kind for layer in block] for block in layers] == [
    ["rescale"],
    ["conv"],
    ["depthwise", "conv", "depthwise", "squeeze_excite", "conv", "add"],
    ["conv", "conv", "add", "activation"],
    ["conv", "conv", "add"],  # a linear activation is none
    ["average_pool"],
    ["norm"],
  ]
  (stem,), universal, (_, second, _, activation), _, (pool,), (norm,) = layers[1:]
  assert (stem.activation, stem.padding, stem.can_be_bypassed) == ("relu6", (0, 1), True)
  assert [(layer.field, layer.kernel, layer.activation) for layer in universal[:3]] == [
    ("start", 5, "linear"),
    ("expansion", 1, "relu"),
    ("depthwise", 3, "relu"),
  ]
  assert (universal[3].activation, universal[3].gate) == ("swish", "sigmoid")
  assert (second.activation, activation.activation) == ("linear", "swish")
  assert (pool.kernel, pool.stride, pool.padding) == (3, 1, (1, 1))
  assert (norm.activation, norm.batch_norm) == ("relu", True)


def test_a_block_whose_widths_are_all_0_is_the_identity():
  for block in (
    UniversalBottleneck(0, 0, 0, 0, squeeze=4, bypass_cap=2),
    Residual(0, 0, 0, bypass_cap=2),
  ):
    spec = NetworkSpec("removed", (4, 4, 1), (Conv(6), block))
    assert spec.layers()[1] == () and spec.block_outputs()[1] == (4, 4, 6)
  # With a shortcut of its own a block is none: 2 of the 6 channels go around each layer.
  shortcut = Residual(0, 0, None, 0, bypass_cap=2)
  spec = NetworkSpec("shortcut", (4, 4, 1), (Conv(6), shortcut))
  assert spec.block_outputs()[1] == (4, 4, 2)


REFUSED = (
  ((Rescale((1, 2), (0, 0)),), "Block 1: scale must have 1 or 3 numbers, got 2"),
  ((Conv(4), Rescale((1,), (0,))), "Block 2: rescale must be the first block"),
  ((Rescale((1,), (0,)), Norm(), Conv(0)), "Block 3: the first layer must keep at least one"),
  ((Conv(4), Conv(4, 9, padding=(0, 0))), "Block 2: A window of 9 does not fit into 8 pixels"),
  ((Conv(4), Pool("max", 9, 1, (0, 0))), "Block 2: A window of 9 does not fit into 8 pixels"),
  (
    (Conv(4), Conv(4, 3, padding=(0, 0), bypass_cap=4)),
    r"Block 2: filters with padding \(0, 0\).* makes 6x6 of 8x8, .* needs bypass_cap 0, got 4",
  ),
  ((Conv(4), Conv(4, 3, padding=(0, 0), bypass_cap=None)), "needs bypass_cap 0, got None"),
  ((Conv(4), Depthwise(3, padding=(0, 0))), "Block 2: depthwise .* it needs 4 filters, got 3"),
  (
    (Conv(4), Residual(4, 4, first_padding=(0, 0))),
    r"Block 2: The residual adds \(6, 6\) to \(8, 8\) .* padding must keep the resolution",
  ),
  (
    (Conv(4), UniversalBottleneck(4, depthwise=4, padding=(0, 0))),
    r"Block 2: The residual adds \(6, 6\) to \(8, 8\)",
  ),
)


@pytest.mark.parametrize(("blocks", "message"), REFUSED, ids=[row[1][:40] for row in REFUSED])
def test_what_is_not_allowed_names_its_block(blocks, message):
  with pytest.raises(ValueError, match=message):
    NetworkSpec("n", (8, 8, 3), blocks)


def _choices(*blocks):
  space = space_of(NetworkSpec("n", (8, 8, 3), blocks), levels=2)
  return {decision.name: decision.choices for decision in space.decisions}


def test_the_first_layer_that_has_filters_keeps_some():
  blocks = (Rescale((1,), (0,)), Conv(4, bypass_cap=2), Conv(4, bypass_cap=2), Head(2))
  assert _choices(*blocks) == {"block02_filters": (2, 4), "block03_filters": (0, 2, 4)}


def test_depthwise_layers_by_themselves_may_be_removed():
  blocks = (Conv(4), Depthwise(4, 5), Depthwise(4, padding=(1, 1)), Head(2))
  assert _choices(*blocks) == {
    "block01_filters": (2, 4),
    "block02_depthwise": (0, 2, 4),
    "block02_kernel": (3, 5),
    "block03_depthwise": (0, 2, 4),  # a kernel with padding of its own is not cut
  }


def test_a_depthwise_layer_that_no_channel_can_go_around_is_fixed():
  separable = DepthwiseSeparable(4, 4, 3, padding=(0, 0), bypass_cap=2)
  universal = UniversalBottleneck(4, None, 8, 8, padding=(0, 0), residual=False)
  space = space_of(NetworkSpec("n", (8, 8, 3), (Conv(4), separable, universal, Head(2))), 2)
  assert [(decision.name, decision.choices) for decision in space.decisions] == [
    ("block01_filters", (2, 4)),
    ("block02_pointwise", (0, 2, 4)),
    ("block03_expansion", (4, 8)),
    ("block03_projection", (2, 4)),
  ]
  # 8 - 2 - 2 pixels a side; 2 channels of 4 filters
  assert space.smallest().block_outputs()[-2] == (4, 4, 2)


def test_only_the_later_of_two_depthwise_layers_has_a_searched_kernel():
  block = UniversalBottleneck(4, 4, 8, 8, 5, 7, bypass_cap=2)
  assert _choices(Conv(4), block, Head(2))["block02_kernel"] == (3, 5, 7)
  assert "block02_kernel" not in _choices(Conv(4), UniversalBottleneck(4, 4, 8), Head(2))


def test_a_last_convolution_is_fixed_whatever_follows_it():
  after = (Norm(), Activation("relu"), Upsample(2), GlobalPool())
  for count in range(len(after) + 1):
    assert _choices(Conv(4), Conv(2), *after[:count]) == {"block01_filters": (2, 4)}
  assert _choices(Conv(4), Conv(2), Head(2))["block02_filters"] == (1, 2)


def test_a_network_without_widths_has_nothing_to_search():
  assert _choices(Norm(), Pool()) == {}


def test_skips_join_what_stands_before_an_activation():
  blocks = (Conv(4), Conv(6), Conv(4, activation="linear"), Activation("relu"), Head(2))
  spec = NetworkSpec("n", (8, 8, 3), blocks, (Skip(0, 2),))
  assert [layer.kind for layer in spec.layers()[2]] == ["conv", "add"]


@pytest.mark.parametrize(
  ("kind", "fields", "message"),
  [
    (UniversalBottleneck, {"projection": 4, "start_padding": (1, 1)}, "start_padding must be None"),
    (
      UniversalBottleneck,
      {"projection": 4, "padding": (1, 1)},
      "^padding must be None where depth",
    ),
    (Residual, {"first": 4, "second": 4, "third_kernel": 5}, "third_kernel must be 1 where third"),
    (Rescale, {"scale": (10**400,), "offset": (0.0,)}, "scale must hold numbers of float32"),
    (Rescale, {"scale": (float("nan"),), "offset": (0.0,)}, "scale must hold numbers of float32"),
  ],
)
def test_values_without_a_meaning_are_refused(kind, fields, message):
  with pytest.raises(ValueError, match=message):
    kind(**fields)
