"""FastDepth with additive skips (Wofk et al., 2019), and the network that NetAdaptV2 found.

Source: NetAdaptV2, appendix A.2 and Table 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.backbones.mobilenet_v1 import encoder_blocks
from nadv2_tf.backbones.registry import BACKBONES, NETWORKS
from nadv2_tf.spec import NetworkSpec, Skip, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Upsample

if TYPE_CHECKING:
  from nadv2_tf.spec import SearchSpace
  from nadv2_tf.spec.shapes import Shape

WIDTH_LEVELS = 8

# Bypass cap T, depthwise filters, pointwise filters; kernel 5, each followed by upsampling.
DECODER = (
  (256, 1024, 512),
  (128, 512, 256),
  (64, 256, 128),
  (32, 128, 64),
  (16, 64, 32),
)
# Encoder outputs at 112, 56 and 28 positions, and the upsampled decoder outputs they join.
SKIPS = (Skip(1, 21), Skip(3, 19), Skip(5, 17))

# Rows of Table 10: first convolution, then (depthwise, pointwise) of 13 encoder blocks and
# (depthwise, pointwise, kernel) of 5 decoder blocks.
TABLE_10_STEM = 24
TABLE_10_ENCODER = (
  (20, 48),
  (48, 96),
  (96, 112),
  (112, 256),
  (256, 192),
  (192, 448),
  (448, 448),
  (448, 384),
  (384, 512),
  (512, 384),
  (384, 448),
  (448, 384),
  (384, 768),
)
TABLE_10_DECODER = (
  (768, 384, 5),
  (320, 192, 5),
  (160, 112, 5),
  (112, 48, 3),
  (28, 24, 3),
)


@BACKBONES.register("fastdepth")
def fastdepth_space(input_shape: Shape = (224, 224, 3), classes: int = 1) -> SearchSpace:
  """FastDepth; each skip's encoder and decoder layers share one width.

  `classes` must be 1: the output is a depth map in metres.
  """
  if classes != 1:
    raise ValueError(f"Backbone 'fastdepth' has 1 output, the depth map; got classes={classes}.")
  blocks = list(encoder_blocks())
  for cap, depthwise, pointwise in DECODER:
    blocks += [DepthwiseSeparable(depthwise, pointwise, 5, 1, "relu", cap), Upsample(2)]
  # Not a ReLU, as FastDepth has: where that gives 0 it learns nothing any more, see differences.md.
  blocks.append(Conv(1, 1, 1, "linear", bypass_cap=0))
  network = NetworkSpec("fastdepth", input_shape, tuple(blocks), SKIPS)
  coupled = [((skip.source, "pointwise"), (skip.target - 1, "pointwise")) for skip in SKIPS]
  return space_of(network, WIDTH_LEVELS, coupled)


@NETWORKS.register("netadaptv2_depth_87ms")
def table_10() -> NetworkSpec:
  """Found for 87 ms on a Pixel 1 CPU: RMSE 0.576 m, delta-1 77.9 % (Table 10).

  Its last depthwise layer keeps 28 of 64 filters, which is not on the grid.
  """
  spec = fastdepth_space().largest().with_block(0, filters=TABLE_10_STEM)
  for index, (depthwise, pointwise) in enumerate(TABLE_10_ENCODER, start=1):
    spec = spec.with_block(index, depthwise=depthwise, pointwise=pointwise)
  for index, (depthwise, pointwise, kernel) in enumerate(TABLE_10_DECODER):
    spec = spec.with_block(14 + 2 * index, depthwise=depthwise, pointwise=pointwise, kernel=kernel)
  return NetworkSpec("netadaptv2_depth_87ms", spec.input_shape, spec.blocks, spec.skips)
