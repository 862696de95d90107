"""Narrow initial networks for 32x32 images, for studies on CIFAR-10.

`mobilenet_v3_cifar` has MobileNetV3's blocks, half as many and wider than `mobilenet_v3_demo`'s: 27
widths, 8 kernel sizes. `mobilenet_v3_cifar_small` has a third of its MACs, 18 widths and 5 kernel
sizes: small enough that two cores train many of its sub-networks alone, to be compared with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.backbones.netadaptv2 import HS, RE
from nadv2_tf.backbones.registry import BACKBONES
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

if TYPE_CHECKING:
  from collections.abc import Iterable

  from nadv2_tf.spec import SearchSpace
  from nadv2_tf.spec.blocks import Block
  from nadv2_tf.spec.shapes import Shape

WIDTH_LEVELS = 8
#: kernel, stride, expansion, projection, squeeze, activation
BLOCKS = (
  (5, 1, 48, 16, None, RE),
  (5, 1, 64, 16, None, RE),
  (5, 2, 64, 32, 16, RE),
  (5, 1, 96, 32, 24, RE),
  (7, 1, 128, 32, None, HS),
  (5, 2, 128, 64, 32, HS),
  (7, 1, 192, 64, 48, HS),
  (7, 1, 256, 64, 64, HS),
)
SMALL_BLOCKS = (
  (5, 1, 32, 16, None, RE),
  (5, 2, 48, 24, 16, RE),
  (5, 1, 64, 24, None, HS),
  (7, 2, 96, 40, 24, HS),
  (5, 1, 128, 40, 32, HS),
)


@BACKBONES.register("mobilenet_v3_cifar")
def cifar_space(input_shape: Shape = (32, 32, 3), classes: int = 10) -> SearchSpace:
  """The search space of the CIFAR-10 studies of speed."""
  return _space("mobilenet_v3_cifar", BLOCKS, 128, input_shape, classes)


@BACKBONES.register("mobilenet_v3_cifar_small")
def small_cifar_space(input_shape: Shape = (32, 32, 3), classes: int = 10) -> SearchSpace:
  """The search space of the CIFAR-10 studies that train many networks."""
  return _space("mobilenet_v3_cifar_small", SMALL_BLOCKS, 64, input_shape, classes)


def _space(
  name: str,
  table: Iterable[tuple[int, int, int, int, int | None, str]],
  features: int,
  input_shape: Shape,
  classes: int,
) -> SearchSpace:
  blocks: list[Block] = [Conv(16, 3, 2, HS, bypass_cap=8)]
  for kernel, stride, expansion, projection, squeeze, activation in table:
    blocks.append(
      InvertedResidual(
        expansion,
        expansion,
        projection,
        kernel,
        stride,
        squeeze,
        activation,
        bypass_cap=projection // 2,
        residual=stride == 1,
      )
    )
  blocks += [
    Conv(features, 1, 1, HS, bypass_cap=features // 4),
    Head(classes, features, HS, bypass_cap=features // 2, dropout=0.1),
  ]
  return space_of(NetworkSpec(name, input_shape, tuple(blocks)), WIDTH_LEVELS)
