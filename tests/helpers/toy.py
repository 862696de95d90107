"""A search space so small that searches over it take no time."""

from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head, InvertedResidual

SPACE = space_of(
  NetworkSpec(
    "toy",
    (8, 8, 1),
    (
      Conv(8, 3, 2),
      InvertedResidual(16, 16, 8, 5, squeeze=4, bypass_cap=4),
      DepthwiseSeparable(8, 16, 3, 2, bypass_cap=4),
      Head(4, hidden=16),
    ),
  ),
  levels=4,
)
