"""Counts, shapes and checks of network specs, against published and hand-worked figures."""

import pytest

from nadv2_tf import backbones
from nadv2_tf.spec import NetworkSpec, Skip
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head, InvertedResidual, Upsample

# Millions of MACs, to as many digits as are known: products of convolutions, dense layers and
# squeeze-and-excite; then with half a MAC for each convolution output. Last, the published count:
# NetAdaptV2, Tables 8 and 9; MobileNetV3, Table 3; MobileNets, Table 4; FastDepth (0.74 G).
MACS = (
  ("netadaptv2_51ms", "223.06", "224.96", 225),
  ("netadaptv2_314m", "311.30", "313.69", 314),
  ("mobilenet_v3_large", "216.59", "218.79", 219),
  ("netadaptv2_latency", "503.9", "507.2", None),
  ("netadaptv2_mac", "811.9", "816.0", None),
  ("fastdepth", "736.7", "740.4", 740),
  ("netadaptv2_depth_87ms", "459.05", "461.8", None),
  ("mobilenet_v1", "568.74", None, 569),
  ("single_path", "525.31", None, None),
  ("mobilenet_v3_cifar", "5.64", None, None),
  ("mobilenet_v3_cifar_small", "1.78", None, None),
)

# Channels in, after expansion, after depthwise, after projection (Z), out of the block, for the
# block numbers of the paper's tables. A removed block has no layers.
TABLE_8_FLOW = {
  2: (16, 8, 8, 16, 16),
  3: (16, 48, 48, 20, 20),
  4: (20, 48, 48, 32, 32),
  5: (32, 80, 80, 32, 32),
  6: (32, 112, 112, 40, 40),
  7: (40, 64, 64, 32, 40),
  8: (40, 96, 96, 32, 40),
  9: (40, 192, 192, 128, 128),
  10: (128, 224, 224, 128, 128),
  11: (128, 128, 128, 64, 128),
  12: None,
  13: (128, 512, 512, 80, 128),
  14: (128, 256, 256, 112, 128),
  15: (128, 512, 512, 64, 128),
  16: (128, 640, 640, 224, 224),
  17: (224, 640, 640, 224, 224),
  18: (224, 896, 896, 224, 224),
}
TABLE_9_FLOW = {
  2: (24, 24, 24, 24, 24),
  3: (24, 64, 64, 32, 32),
  4: (32, 128, 128, 32, 32),
  5: (32, 96, 96, 48, 48),
  6: (48, 128, 128, 56, 56),
  7: None,
  8: None,
  9: (56, 224, 224, 96, 96),
  10: (96, 224, 224, 96, 96),
  11: (96, 256, 256, 96, 96),
  12: None,
  13: (96, 640, 640, 144, 144),
  14: (144, 640, 640, 144, 144),
  15: None,
  16: (144, 768, 768, 192, 192),
  17: (192, 768, 768, 192, 192),
  18: (192, 896, 896, 192, 192),
  19: (192, 1152, 1152, 192, 192),
}


def _millions(count, like):
  """`count` in millions with as many decimals as the text `like` has."""
  return f"{count / 1e6:.{len(like.partition('.')[2])}f}"


@pytest.mark.parametrize(("name", "products", "with_bias", "published"), MACS)
def test_macs_are_the_published_ones(name, products, with_bias, published):
  spec = backbones.network(name)
  assert _millions(spec.macs(), products) == products
  if with_bias is not None:
    assert _millions(spec.macs(bias=True), with_bias) == with_bias
  if published is not None:
    assert round(spec.macs(bias=with_bias is not None) / 1e6) == published


def test_every_known_network_stands_in_the_table_of_macs_or_is_the_demo():
  assert {row[0] for row in MACS} | {"mobilenet_v3_demo"} == set(backbones.network_names())


def test_parameters_of_mobilenet_v3_large():
  # Keras's MobileNetV3Large has 5 507 432 weights, 24 400 of them batch-norm statistics.
  assert backbones.network("mobilenet_v3_large").parameters() == 5_507_432 - 24_400 == 5_483_032


def _flow(spec, number):
  """What enters and leaves block `number`, and what leaves its convolutions in between."""
  before = spec.block_outputs()[number - 2][2]
  layers = [layer for layer in spec.layers()[number - 1] if layer.kind in ("conv", "depthwise")]
  inner = {layer.field: layer.out_channels for layer in layers}
  expanded = inner.get("expansion", before)
  return (
    (before, expanded, inner["depthwise"], inner["projection"], spec.block_outputs()[number - 1][2])
    if layers
    else None
  )


@pytest.mark.parametrize(
  ("name", "table", "last_conv", "hidden"),
  [
    ("netadaptv2_51ms", TABLE_8_FLOW, 1024, 1792),
    ("netadaptv2_314m", TABLE_9_FLOW, 1152, 2048),
  ],
)
def test_channel_flow_of_the_published_networks(name, table, last_conv, hidden):
  spec = backbones.network(name)
  assert {number: _flow(spec, number) for number in table} == table
  assert len(spec.blocks) == max(table) + 2
  assert spec.block_outputs()[-2][2] == last_conv
  (hidden_layer,) = [layer for layer in spec.layers()[-1] if layer.field == "hidden"]
  assert (hidden_layer.in_channels, hidden_layer.out_channels) == (last_conv, hidden)


def test_resolutions_of_the_published_network():
  heights = [height for height, _, _ in backbones.network("netadaptv2_51ms").block_outputs()]
  assert heights == [112, 112, 56, 56, *[28] * 4, *[14] * 7, *[7] * 4, 1]


def test_a_tiny_network_worked_by_hand():
  spec = NetworkSpec(
    "tiny",
    (4, 4, 2),
    (
      Conv(3, 3, 2),
      InvertedResidual(4, 4, 3, kernel=3, squeeze=2),
      Head(classes=2, hidden=5),
    ),
  )
  assert spec.block_outputs() == ((2, 2, 3), (2, 2, 3), (1, 1, 2))
  assert spec.macs() == (
    4 * 3 * (9 * 2)  # conv: 2x2 positions, 3 filters of 3x3x2
    + 4 * 4 * 3  # expansion
    + 4 * 4 * 9  # depthwise
    + (4 * 2 + 2 * 4)  # squeeze-and-excite, once for all positions
    + 4 * 3 * 4  # projection
    + 5 * 3  # hidden
    + 2 * 5  # classifier
  )
  outputs = 4 * 3 + 4 * 4 + 4 * 4 + (2 + 4) + 4 * 3 + 5 + 2
  assert spec.macs(bias=True) == spec.macs() + outputs / 2
  assert spec.parameters() == (
    3 * (9 * 2 + 2)  # conv, and a scale and a shift for each filter
    + 4 * (3 + 2)
    + 4 * (9 + 2)
    + (4 * 2 + 2)
    + (2 * 4 + 4)  # squeeze-and-excite has biases
    + 3 * (4 + 2)
    + 5 * (3 + 1)  # hidden has a bias and no batch norm
    + 2 * (5 + 1)
  )


def test_filters_are_counted_over_live_channels_only():
  # 8 channels live before the block, T = 4. Expansion keeps 2: Z = max(min(8, 4), 2) = 4.
  # Depthwise keeps 3 of 4, 4 leave. Projection keeps 1: Z = max(min(4, 4), 1) = 4.
  # Residual: max(8, 4) = 8.
  block = InvertedResidual(2, 3, 1, kernel=3, bypass_cap=4)
  spec = NetworkSpec("live", (2, 2, 1), (Conv(8), block))
  assert spec.block_outputs()[1] == (2, 2, 8)
  assert spec.macs() == 4 * 8 * 1 + 4 * 2 * 8 + 4 * 3 * 9 + 4 * 1 * 4
  # A depthwise layer of 99 filters on 4 live channels has 4.
  wide = spec.with_block(1, depthwise=99)
  assert wide.macs() - spec.macs() == 4 * 9


def test_a_removed_block_of_stride_1_is_the_identity():
  removed = InvertedResidual(0, 0, 0, squeeze=8, bypass_cap=2)
  spec = NetworkSpec("removed", (4, 4, 1), (Conv(6), removed))
  assert spec.layers()[1] == ()
  assert spec.block_outputs()[1] == (4, 4, 6)


@pytest.mark.parametrize(("cap", "expected"), [(2, 2), (6, 6), (None, 6), (0, 0)])
def test_a_removed_block_of_stride_2_pools_its_first_channels(cap, expected):
  removed = InvertedResidual(0, 0, 0, stride=2, squeeze=8, bypass_cap=cap, residual=False)
  spec = NetworkSpec("removed", (4, 4, 1), (Conv(6), removed))
  assert spec.block_outputs()[1] == (2, 2, expected)  # min(C, T)
  assert all(layer.macs(bias=True) == 0 for layer in spec.layers()[1])
  assert all(layer.kind != "squeeze_excite" for layer in spec.layers()[1])


@pytest.mark.parametrize("field", ["expansion", "depthwise", "projection"])
def test_one_kept_filter_keeps_squeeze_and_excite(field):
  widths = {"expansion": 0, "depthwise": 0, "projection": 0, field: 1}
  block = InvertedResidual(**widths, squeeze=2, bypass_cap=4)
  spec = NetworkSpec("kept", (4, 4, 1), (Conv(4), block))
  assert "squeeze_excite" in [layer.kind for layer in spec.layers()[1]]


def test_a_skip_adds_and_pads_the_narrower_end():
  blocks = (Conv(8), Conv(4, 3, 2), Upsample(2), Conv(1))
  spec = NetworkSpec("skip", (4, 4, 1), blocks, (Skip(0, 2),))
  assert spec.block_outputs() == ((4, 4, 8), (2, 2, 4), (4, 4, 8), (4, 4, 1))
  assert [layer.kind for layer in spec.layers()[2]] == ["upsample", "add"]
  # The last convolution sees the 8 channels that the skip brings: 16 positions.
  assert spec.layers()[3][0].macs() == 16 * 8


def test_specs_are_values():
  one, other = (backbones.network("netadaptv2_51ms") for _ in range(2))
  assert one == other and hash(one) == hash(other)
  changed = one.with_block(1, expansion=10)
  assert changed != one and one.blocks[1].expansion == 8
  assert changed.blocks[:1] + changed.blocks[2:] == one.blocks[:1] + one.blocks[2:]
  with pytest.raises(AttributeError):
    one.name = "other"


def test_a_replaced_block_is_checked_like_a_new_one():
  spec = NetworkSpec("n", (8, 8, 3), (Conv(4), Conv(4), Conv(8)), (Skip(0, 2),))
  assert spec.with_block_at(-1, Conv(2)) == spec.with_block(2, filters=2)
  assert spec.with_block_at(0, Conv(5)).block_outputs()[2] == (8, 8, 8)
  assert spec.with_block_at(0, Conv(9)).block_outputs()[2] == (8, 8, 9)  # through the skip
  with pytest.raises(ValueError, match="Block 1: .* at least one filter, got 0"):
    spec.with_block(0, filters=0)
  with pytest.raises(ValueError, match="Block 2: a head must be the last"):
    spec.with_block_at(1, Head(2))
  with pytest.raises(ValueError, match=r"joins \(8, 8\) and \(4, 4\) .* same resolution"):
    spec.with_block_at(1, Conv(4, 3, 2))
  with pytest.raises(IndexError):
    spec.with_block_at(3, Conv(2))


CONV, SHAPE = Conv(4), (8, 8, 3)
# What is built, and what its message must say: the field, what is allowed, what was given.
REFUSED = (
  (lambda: Conv(-1), "filters must be an integer from 0 to 65536, got -1"),
  (lambda: Conv(65537), "filters must be an integer from 0 to 65536, got 65537"),
  (lambda: Conv(4.0), "filters must be an integer from 0 to 65536, got 4.0"),
  (lambda: Conv(True), "filters must be an integer from 0 to 65536, got True"),
  (lambda: Conv(4, kernel=4), "kernel must be odd, got 4"),
  (lambda: Conv(4, kernel=33), "kernel must be an integer from 1 to 31, got 33"),
  (lambda: Conv(4, stride=3), "stride must be one of 1, 2; got 3"),
  (lambda: Conv(4, stride=True), "stride must be one of 1, 2; got True"),
  (lambda: Conv(4, bypass_cap=-2), "bypass_cap must be an integer from 0 to 65536, got -2"),
  (
    lambda: Conv(4, activation="gelu"),
    "activation must be one of 'linear', 'relu', 'relu6', 'hard_swish', 'swish'; got 'gelu'",
  ),
  (lambda: DepthwiseSeparable(-1, 4), "depthwise must be an integer from 0 to 65536, got -1"),
  (lambda: DepthwiseSeparable(4, "8"), "pointwise must be an integer from 0 to 65536, got '8'"),
  (lambda: DepthwiseSeparable(None, 4), "depthwise must be an integer .*, got None"),
  (lambda: InvertedResidual(-4, 4, 4), "expansion must be an integer from 0 to 65536, got -4"),
  (lambda: InvertedResidual(4, 4, 4, squeeze=0), "squeeze must be an integer from 1 .*, got 0"),
  (lambda: InvertedResidual(4, 4, 4, residual=1), "residual must be one of True, False; got 1"),
  (lambda: InvertedResidual(4, 4, 4, stride=2), "residual must be False .* stride 2, got True"),
  (lambda: Upsample(1), "factor must be an integer from 2 to 8, got 1"),
  (lambda: Head(1), "classes must be an integer from 2 to 65536, got 1"),
  (lambda: Head(2, hidden=-1), "hidden must be an integer from 0 to 65536, got -1"),
  (lambda: Head(2, dropout=1.0), "dropout must be a number from 0 to below 1, got 1.0"),
  (lambda: Head(2, dropout=float("nan")), "dropout must be a number .*, got nan"),
  (lambda: NetworkSpec("n", (8, 8), (CONV,)), r"\(height, width, channels\), got \(8, 8\)"),
  (lambda: NetworkSpec("n", (8, 0, 3), (CONV,)), "width must be an integer from 1 .*, got 0"),
  (lambda: NetworkSpec("n", (8.0, 8, 3), (CONV,)), "height must be an integer .*, got 8.0"),
  (lambda: NetworkSpec("n", SHAPE, ()), "blocks must not be empty"),
  (lambda: NetworkSpec("n", SHAPE, (Conv(0),)), "Block 1: .* at least one filter, got 0"),
  (lambda: NetworkSpec("n", SHAPE, (CONV, Head(2), CONV)), "Block 2: a head must be the last"),
  (
    lambda: NetworkSpec("n", SHAPE, (CONV, CONV), (Skip(1, 0),)),
    r"forward between blocks 0 and 1, got Skip\(source=1, target=0\)",
  ),
  (lambda: NetworkSpec("n", SHAPE, (CONV, CONV), (Skip(0, 2),)), "between blocks 0 and 1"),
  (lambda: NetworkSpec("n", SHAPE, (CONV, CONV), (Skip(-1, 1),)), "between blocks 0 and 1"),
  (
    lambda: NetworkSpec("n", SHAPE, (CONV, Conv(4, 3, 2)), (Skip(0, 1),)),
    r"joins \(8, 8\) and \(4, 4\) .* same resolution",
  ),
  (lambda: backbones.network("resnet"), "'resnet'. Known: fastdepth, mobilenet_v1, "),
  (lambda: backbones.search_space("resnet"), "backbone 'resnet'. Known: fastdepth, "),
  (lambda: backbones.search_space("fastdepth", classes=3), "1 output, .* got classes=3"),
)


@pytest.mark.parametrize(("build", "message"), REFUSED, ids=[row[1][:40] for row in REFUSED])
def test_what_is_not_allowed_is_named(build, message):
  with pytest.raises(ValueError, match=message):
    build()


def test_a_resolution_that_no_count_can_hold_is_refused():
  blocks = (Conv(4), *[Upsample(8)] * 400, Conv(4))
  with pytest.raises(ValueError, match="Block 8: the output of .* is larger than"):
    NetworkSpec("n", (1, 1, 1), blocks).macs(bias=True)
