"""Small networks whose layers the TFLite converter fuses, or may not, beside `other_networks`."""

from other_networks import NETWORKS

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
  Upsample,
)

#: odd and even sizes, so that padding is here that of SAME and there is not
SHAPE = (17, 20, 3)

READ_NETWORKS = {
  **NETWORKS,
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
