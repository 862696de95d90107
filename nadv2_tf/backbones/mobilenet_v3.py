"""MobileNetV3-Large 1.0 (Howard et al., Searching for MobileNetV3, 2019, Table 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.backbones.registry import BACKBONES
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

if TYPE_CHECKING:
  from nadv2_tf.spec import SearchSpace
  from nadv2_tf.spec.blocks import Block
  from nadv2_tf.spec.shapes import Shape

RE, HS = "relu", "hard_swish"
WIDTH_LEVELS = 8

# Bypass cap T (NetAdaptV2's rule: one per resolution), kernel, stride, expansion, projection,
# squeeze, activation.
BLOCKS = (
  (8, 3, 1, None, 16, None, RE),
  (16, 3, 2, 64, 24, None, RE),
  (16, 3, 1, 72, 24, None, RE),
  (32, 5, 2, 72, 40, 24, RE),
  (32, 5, 1, 120, 40, 32, RE),
  (32, 5, 1, 120, 40, 32, RE),
  (64, 3, 2, 240, 80, None, HS),
  (64, 3, 1, 200, 80, None, HS),
  (64, 3, 1, 184, 80, None, HS),
  (64, 3, 1, 184, 80, None, HS),
  (64, 3, 1, 480, 112, 120, HS),
  (64, 3, 1, 672, 112, 168, HS),
  (128, 5, 2, 672, 160, 168, HS),
  (128, 5, 1, 960, 160, 240, HS),
  (128, 5, 1, 960, 160, 240, HS),
)


@BACKBONES.register("mobilenet_v3_large")
def large_space(input_shape: Shape = (224, 224, 3), classes: int = 1000) -> SearchSpace:
  """MobileNetV3-Large as a largest network; residuals where the plain network has them."""
  channels = 16
  blocks: list[Block] = [Conv(channels, 3, 2, HS, bypass_cap=8)]
  for cap, kernel, stride, expansion, projection, squeeze, activation in BLOCKS:
    residual = stride == 1 and channels == projection
    depthwise = channels if expansion is None else expansion
    blocks.append(
      InvertedResidual(
        expansion, depthwise, projection, kernel, stride, squeeze, activation, cap, residual
      )
    )
    channels = projection
  blocks.append(Conv(960, 1, 1, HS, bypass_cap=128))
  blocks.append(Head(classes, 1280, HS, bypass_cap=1024, dropout=0.2))
  network = NetworkSpec("mobilenet_v3_large", input_shape, tuple(blocks))
  return space_of(network, WIDTH_LEVELS)
