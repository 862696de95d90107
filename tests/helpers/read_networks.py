"""Small networks of the block kinds that other people's networks are read as."""

from nadv2_tf.spec import NetworkSpec, Skip
from nadv2_tf.spec.blocks import (
  Activation,
  Conv,
  Depthwise,
  DepthwiseSeparable,
  GlobalPool,
  Head,
  InvertedResidual,
  Norm,
  Pool,
  Rescale,
  Residual,
  UniversalBottleneck,
  Upsample,
)

#: odd and even sizes, so that padding is here that of SAME and there is not
SHAPE = (17, 20, 3)

READ_NETWORKS = {
  "residual": NetworkSpec(
    "resnet",
    SHAPE,
    (
      Rescale((0.5, 0.25, 2.0), (0.1, -0.2, 0.3)),
      Conv(8, 7, 2, "relu", padding=(3, 3)),
      Pool("max", 3, 2, (1, 1)),
      Residual(8, 8),
      Residual(6, 6, 12, 12, 1, 3, second_stride=2, second_padding=(1, 1)),
      Residual(10, 12, activation="swish", bypass_cap=4),
      Head(3),
    ),
  ),
  "bottlenecks": NetworkSpec(
    "bottlenecks",
    SHAPE,
    (
      Rescale((1.0,), (-0.4,)),
      Conv(8, 3, 2, "relu6", padding=(0, 1)),
      UniversalBottleneck(
        8,
        expansion=16,
        depthwise=16,
        kernel=5,
        squeeze=3,
        squeeze_activation="swish",
        gate="sigmoid",
        activation="swish",
        bypass_cap=4,
      ),
      UniversalBottleneck(
        12,
        start=8,
        expansion=16,
        depthwise=16,
        stride=2,
        activation="relu6",
        residual=False,
        padding=(0, 1),
      ),
      UniversalBottleneck(12, expansion=20),
      Head(3, 16, "relu6"),
    ),
  ),
  "separable": NetworkSpec(
    "separable",
    SHAPE,
    (
      Conv(6, 3, 2, "linear", batch_norm=False, padding=(0, 0)),
      DepthwiseSeparable(
        6, 9, activation="hard_swish", depthwise_activation="linear", depthwise_norm=False
      ),
      Depthwise(9, 3, 2, "relu6", padding=(1, 1)),
      Depthwise(7, 3, activation="linear", batch_norm=False),
      Norm("relu"),
      DepthwiseSeparable(9, 6, depthwise_activation="relu6", batch_norm=False),
      GlobalPool(),
      Conv(5, batch_norm=False),
      Head(2),
    ),
  ),
  "skips": NetworkSpec(
    "skips",
    (12, 12, 4),
    (
      Rescale((0.5,), (0.0,)),
      Conv(6, 3, activation="linear"),
      Norm("swish"),
      Conv(6, 2, activation="relu", padding=(0, 1)),
      Conv(8, 3, activation="linear", bypass_cap=0),
      Activation("relu6"),
      Pool("average", 3, 1),
      Activation("relu"),
      Pool("average", 2, 2, (0, 0)),
      Norm(),
      Upsample(),
      Conv(8, 1, activation="linear"),
      Activation("hard_swish"),
      Pool("max"),
      Head(2),
    ),
    (Skip(1, 4), Skip(5, 11), Skip(2, 3)),
  ),
  "activations with another reader": NetworkSpec(
    "shared",
    (9, 9, 4),
    (
      Conv(6, 3, activation="linear"),
      Activation("relu"),
      Conv(6, 3, activation="linear"),
      Norm("relu"),
      InvertedResidual(8, 8, 6),
      Head(2),
    ),
    (Skip(0, 1), Skip(2, 4)),
  ),
}
