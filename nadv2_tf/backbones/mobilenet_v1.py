"""MobileNetV1 1.0 (Howard et al., MobileNets, 2017, Table 1), with NetAdaptV2's bypass caps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.backbones.registry import BACKBONES
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head

if TYPE_CHECKING:
  from nadv2_tf.spec import SearchSpace
  from nadv2_tf.spec.blocks import Block
  from nadv2_tf.spec.shapes import Shape

WIDTH_LEVELS = 8
STEM = Conv(32, 3, 2, "relu", bypass_cap=16)

# Bypass cap T, stride, depthwise filters, pointwise filters. The paper gives no T for its
# MobileNetV1 study; these are those of FastDepth, whose encoder this is (Table 10).
ENCODER = (
  (16, 1, 32, 64),
  (32, 2, 64, 128),
  (32, 1, 128, 128),
  (64, 2, 128, 256),
  (64, 1, 256, 256),
  (128, 2, 256, 512),
  (128, 1, 512, 512),
  (128, 1, 512, 512),
  (128, 1, 512, 512),
  (128, 1, 512, 512),
  (128, 1, 512, 512),
  (256, 2, 512, 1024),
  (256, 1, 1024, 1024),
)


def encoder_blocks() -> tuple[Block, ...]:
  """The first convolution and the 13 depthwise-separable blocks."""
  return (
    STEM,
    *(
      DepthwiseSeparable(depthwise, pointwise, 3, stride, "relu", cap)
      for cap, stride, depthwise, pointwise in ENCODER
    ),
  )


@BACKBONES.register("mobilenet_v1")
def mobilenet_v1_space(input_shape: Shape = (224, 224, 3), classes: int = 1000) -> SearchSpace:
  """MobileNetV1 with its 27 searched layers."""
  blocks = (*encoder_blocks(), Head(classes, dropout=0.001))
  return space_of(NetworkSpec("mobilenet_v1", input_shape, blocks), WIDTH_LEVELS)
