"""Block kinds: small frozen values that say what a block is and how its layers are wired."""

from nadv2_tf.spec.blocks.base import KINDS, Block, Filters, Maker, Padding, Window
from nadv2_tf.spec.blocks.bottlenecks import InvertedResidual, UniversalBottleneck
from nadv2_tf.spec.blocks.fixed import Activation, GlobalPool, Norm, Pool, Rescale, Upsample
from nadv2_tf.spec.blocks.head import Head
from nadv2_tf.spec.blocks.layers import Conv, Depthwise, DepthwiseSeparable
from nadv2_tf.spec.blocks.residual import Residual

__all__ = [
  "KINDS",
  "Activation",
  "Block",
  "Conv",
  "Depthwise",
  "DepthwiseSeparable",
  "Filters",
  "GlobalPool",
  "Head",
  "InvertedResidual",
  "Maker",
  "Norm",
  "Padding",
  "Pool",
  "Rescale",
  "Residual",
  "UniversalBottleneck",
  "Upsample",
  "Window",
]
