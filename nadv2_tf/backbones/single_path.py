"""`single_path`: the MBConv search space of Single-Path NAS, for which phone tables are published.

Source: Stamoulis et al. 2019, "Single-Path NAS: Designing Hardware-Efficient ConvNets in less than
4 Hours", Fig. 2. Twenty of 22 MBConv blocks choose a 3x3 or 5x5 kernel and an expansion of 3 or 6;
the first and the last block, all output widths and the depth are fixed. No bypass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.backbones.registry import BACKBONES
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual
from nadv2_tf.spec.space import Decision, SearchSpace

if TYPE_CHECKING:
  from nadv2_tf.spec.blocks import Block
  from nadv2_tf.spec.shapes import Shape

STEM, LAST = 32, 1280
FIRST, FINAL = 16, 320
#: output channels and stride of the first block, of each searched stage
STAGES = ((24, 2), (40, 2), (80, 2), (96, 1), (192, 2))
BLOCKS_PER_STAGE = 4
EXPANSIONS = (3, 6)
KERNELS = (3, 5)


@BACKBONES.register("single_path")
def single_path_space(input_shape: Shape = (224, 224, 3), classes: int = 1000) -> SearchSpace:
  """The search space, 40 decisions of two choices each."""
  blocks: list[Block] = [Conv(STEM, 3, 2), InvertedResidual(None, STEM, FIRST, residual=False)]
  decisions = []
  channels = FIRST
  for outputs, stride in STAGES:
    for index in range(BLOCKS_PER_STAGE):
      widths = tuple(expansion * channels for expansion in EXPANSIONS)
      place = (len(blocks),)
      decisions.append(Decision("width", "expansion", place, widths))
      decisions.append(Decision("kernel", "kernel", place, KERNELS))
      blocks.append(_block(channels, outputs, KERNELS[-1], stride if index == 0 else 1))
      channels = outputs
  blocks.append(_block(channels, FINAL, KERNELS[0], 1))
  blocks += [Conv(LAST), Head(classes, dropout=0.2)]
  network = NetworkSpec("single_path", input_shape, tuple(blocks))
  return SearchSpace(network, tuple(decisions))


def _block(inputs: int, outputs: int, kernel: int, stride: int) -> InvertedResidual:
  # The depthwise layer follows the expansion: filters without a live channel do not exist.
  wide = EXPANSIONS[-1] * inputs
  residual = stride == 1 and inputs == outputs
  return InvertedResidual(wide, wide, outputs, kernel, stride, residual=residual)
