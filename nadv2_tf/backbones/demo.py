"""`mobilenet_v3_demo`: the latency-guided initial network, narrower, for 32x32 images.

Same blocks, kinds and decisions (54 widths, 17 kernel sizes) as `netadaptv2_latency`, a quarter of
its widths and bypass caps, and stride 1 instead of 2 in block 9, so that the last blocks still see
2x2 positions of a 32x32 image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.backbones.netadaptv2 import HS, LATENCY_BLOCKS
from nadv2_tf.backbones.registry import BACKBONES
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

if TYPE_CHECKING:
  from nadv2_tf.spec import SearchSpace
  from nadv2_tf.spec.blocks import Block
  from nadv2_tf.spec.shapes import Shape

NARROWER = 4
NARROWEST = 8
BLOCK_WITHOUT_STRIDE = 9
WIDTH_LEVELS = 8


def _narrow(width: int) -> int:
  return max(width // NARROWER, NARROWEST)


@BACKBONES.register("mobilenet_v3_demo")
def demo_space(input_shape: Shape = (32, 32, 1), classes: int = 10) -> SearchSpace:
  """The demo's search space."""
  blocks: list[Block] = [Conv(NARROWEST, 3, 2, HS, bypass_cap=4)]
  for number, row in enumerate(LATENCY_BLOCKS, start=2):
    cap, kernel, stride, expansion, projection, squeeze, activation = row
    if number == BLOCK_WITHOUT_STRIDE:
      stride = 1
    blocks.append(
      InvertedResidual(
        _narrow(expansion),
        _narrow(expansion),
        _narrow(projection),
        kernel,
        stride,
        squeeze and _narrow(squeeze),
        activation,
        max(cap // NARROWER, NARROWEST // 2),
        residual=stride == 1,
      )
    )
  blocks.append(Conv(_narrow(1024), 1, 1, HS, bypass_cap=32))
  blocks.append(Head(classes, _narrow(1024), HS, bypass_cap=128, dropout=0.1))
  return space_of(NetworkSpec("mobilenet_v3_demo", input_shape, tuple(blocks)), WIDTH_LEVELS)
