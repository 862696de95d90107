"""Small networks of the kinds that other people's networks are made of, with bypasses."""

from nadv2_tf.spec import NetworkSpec, Skip
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
)

SHAPE = (24, 24, 3)

RESNET = NetworkSpec(
  "resnet",
  SHAPE,
  (
    Rescale((0.5, 1.0, 2.0), (-1.0, 0.25, 0.0)),
    Conv(8, 7, 2, padding=(3, 3)),
    Pool("max", 3, 2, (1, 1)),
    Residual(8, 8, bypass_cap=4),
    Residual(6, 6, 12, 12, 1, 3, bypass_cap=4),
    Residual(8, 16, None, 16, first_stride=2, bypass_cap=8, first_padding=(0, 1)),
    Residual(16, 16, 20, None, 1, 3, activation="swish", bypass_cap=None),  # widens its input
    Residual(8, 12, None, 12, first_stride=1, second_stride=2),
    Head(7),
  ),
)
UNIVERSAL = NetworkSpec(
  "universal",
  SHAPE,
  (
    Rescale((2.0,), (-1.0,)),
    Conv(8, 3, 2, "swish", bypass_cap=4),
    UniversalBottleneck(
      8,
      None,
      16,
      16,
      kernel=5,
      squeeze=2,
      squeeze_activation="swish",
      gate="sigmoid",
      activation="swish",
      bypass_cap=4,
    ),
    UniversalBottleneck(12, 8, 16, 16, 5, 3, 1, 2, bypass_cap=4, residual=False),
    UniversalBottleneck(12, 12, 24, activation="relu6", bypass_cap=6),
    UniversalBottleneck(12, None, 24, activation="hard_swish", bypass_cap=6),
    UniversalBottleneck(
      10,
      12,
      None,
      12,
      3,
      5,
      squeeze=4,
      activation="relu6",
      start_activation="relu",
      bypass_cap=8,
    ),
    UniversalBottleneck(
      16,
      12,
      24,
      24,
      3,
      3,
      2,
      1,
      bypass_cap=8,
      residual=False,
      start_padding=(0, 1),
      padding=(2, 0),
    ),
    Depthwise(16, 5, activation="swish"),
    GlobalPool(),
    Conv(24, activation="relu6", batch_norm=False, bypass_cap=8),
    Head(7, 16, "swish", 8),
  ),
)
PLAIN = NetworkSpec(
  "plain",
  SHAPE,
  (
    Norm(),
    Conv(8, 4, 1, "relu6", batch_norm=False, padding=(0, 0)),  # 21x21
    Pool("average", 2),
    DepthwiseSeparable(
      8, 12, bypass_cap=4, depthwise_activation="linear", depthwise_norm=False, batch_norm=False
    ),
    Norm("swish"),
    Depthwise(12, 3, padding=(0, 0)),  # 9x9, which nothing can go around
    DepthwiseSeparable(12, 12, 5, 2, "linear", 6, depthwise_activation="relu6"),
    Conv(12, 3, activation="linear", bypass_cap=6, batch_norm=False, padding=(1, 1)),
    Residual(8, 8, bypass_cap=4, activation="linear"),
    Norm("relu"),
    Depthwise(12, 3, 2, "relu", batch_norm=False),
    Pool("average", 3, 1, (1, 1)),
    Activation("hard_swish"),
    Conv(16, activation="swish"),
    Head(7),
  ),
  (Skip(6, 7), Skip(7, 8), Skip(6, 8)),
)
NETWORKS = {network.name: network for network in (RESNET, UNIVERSAL, PLAIN)}
