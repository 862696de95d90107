"""NetAdaptV2's ImageNet networks: two initial ones, and the two that the paper found.

Source: appendices A.1 and B, Tables 8 and 9. Where text and tables differ (bypass caps, kernel
sizes), the tables are followed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.backbones.registry import BACKBONES, NETWORKS
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

if TYPE_CHECKING:
  from collections.abc import Iterable

  from nadv2_tf.spec import SearchSpace
  from nadv2_tf.spec.blocks import Block
  from nadv2_tf.spec.shapes import Shape

RE, HS = "relu", "hard_swish"
WIDTH_LEVELS = {"netadaptv2_latency": 8, "netadaptv2_mac": 10}
IMAGENET = (224, 224, 3)

# T, kernel, stride, expansion, projection, squeeze, activation; depthwise = expansion.
# Table-implied initial network of the latency-guided search (blocks 2 to 18).
LATENCY_BLOCKS = (
  (8, 5, 1, 16, 16, None, RE),
  (16, 5, 2, 64, 32, 16, RE),
  (16, 5, 1, 128, 32, None, RE),
  (32, 7, 2, 128, 64, 32, RE),
  (32, 7, 1, 128, 64, 32, RE),
  (32, 7, 1, 128, 64, 32, RE),
  (32, 7, 1, 128, 64, 32, RE),
  (64, 5, 2, 256, 128, 64, HS),
  (64, 5, 1, 256, 128, None, HS),
  (64, 5, 1, 256, 128, 64, HS),
  (64, 5, 1, 256, 128, 64, HS),
  (64, 5, 1, 1024, 128, 256, HS),
  (64, 5, 1, 1024, 128, 256, HS),
  (64, 5, 1, 1024, 128, 256, HS),
  (128, 7, 2, 1024, 256, 256, HS),
  (128, 7, 1, 1024, 256, 256, HS),
  (128, 7, 1, 1024, 256, 256, HS),
)

# Same, MAC-guided (blocks 2 to 19): 1.25 times as wide in multiples of 8, block 2 without
# expansion (None; its depthwise layer has 24 filters), one more block at 7x7.
MAC_BLOCKS = (
  (8, 5, 1, None, 24, None, RE),
  (16, 5, 2, 80, 40, 24, RE),
  (16, 5, 1, 160, 40, None, RE),
  (32, 7, 2, 160, 80, 40, RE),
  (32, 7, 1, 160, 80, 40, RE),
  (32, 7, 1, 160, 80, 40, RE),
  (32, 7, 1, 160, 80, 40, RE),
  (64, 5, 2, 320, 160, 80, HS),
  (64, 5, 1, 320, 160, None, HS),
  (64, 5, 1, 320, 160, 80, HS),
  (64, 5, 1, 320, 160, 80, HS),
  (64, 5, 1, 1280, 160, 320, HS),
  (64, 5, 1, 1280, 160, 320, HS),
  (64, 5, 1, 1280, 160, 320, HS),
  (128, 7, 2, 1280, 320, 320, HS),
  (128, 7, 1, 1280, 320, 320, HS),
  (128, 7, 1, 1280, 320, 320, HS),
  (128, 7, 1, 1280, 320, 320, HS),
)

# Kernel, expansion, depthwise, projection. REMOVED: all three widths are 0.
REMOVED = (3, 0, 0, 0)
TABLE_8 = (
  (3, 8, 8, 16),
  (5, 48, 48, 20),
  (3, 48, 48, 32),
  (7, 80, 80, 32),
  (3, 112, 80, 40),
  (3, 64, 32, 16),
  (3, 96, 96, 8),
  (5, 192, 192, 128),
  (5, 224, 192, 128),
  (3, 128, 32, 48),
  REMOVED,
  (3, 512, 256, 80),
  (3, 256, 256, 112),
  (5, 512, 512, 64),
  (7, 640, 640, 224),
  (7, 640, 384, 224),
  (5, 896, 512, 224),
)
TABLE_9 = (
  (3, None, 24, 24),
  (5, 64, 48, 32),
  (3, 128, 64, 32),
  (5, 96, 96, 48),
  (3, 128, 80, 56),
  REMOVED,
  REMOVED,
  (5, 224, 224, 96),
  (3, 224, 96, 96),
  (3, 256, 256, 96),
  REMOVED,
  (5, 640, 640, 144),
  (3, 640, 512, 144),
  REMOVED,
  (5, 768, 640, 192),
  (5, 768, 256, 192),
  (7, 896, 768, 192),
  (7, 1152, 1152, 192),
)


def initial_network(
  name: str,
  rows: Iterable[tuple[int, int, int, int | None, int, int | None, str]],
  stem: int,
  last: int,
  hidden: int,
  input_shape: Shape,
  classes: int,
) -> NetworkSpec:
  """The initial network of a table of rows, all stride-1 blocks with residuals."""
  blocks: list[Block] = [Conv(stem, 3, 2, HS, bypass_cap=8)]
  for cap, kernel, stride, expansion, projection, squeeze, activation in rows:
    depthwise = stem if expansion is None else expansion
    blocks.append(
      InvertedResidual(
        expansion,
        depthwise,
        projection,
        kernel,
        stride,
        squeeze,
        activation,
        cap,
        residual=stride == 1,
      )
    )
  blocks.append(Conv(last, 1, 1, HS, bypass_cap=128))
  blocks.append(Head(classes, hidden, HS, bypass_cap=1024, dropout=0.2))
  return NetworkSpec(name, input_shape, tuple(blocks))


@BACKBONES.register("netadaptv2_latency")
def latency_space(input_shape: Shape = IMAGENET, classes: int = 1000) -> SearchSpace:
  """Initial network of the latency-guided search: 54 widths, 17 kernel sizes."""
  name = "netadaptv2_latency"
  network = initial_network(name, LATENCY_BLOCKS, 16, 1024, 2048, input_shape, classes)
  return space_of(network, WIDTH_LEVELS[name])


@BACKBONES.register("netadaptv2_mac")
def mac_space(input_shape: Shape = IMAGENET, classes: int = 1000) -> SearchSpace:
  """Initial network of the MAC-guided search: 1.25 times as wide, one more block."""
  name = "netadaptv2_mac"
  network = initial_network(name, MAC_BLOCKS, 24, 1280, 2560, input_shape, classes)
  return space_of(network, WIDTH_LEVELS[name])


def _found(
  name: str,
  space: SearchSpace,
  rows: Iterable[tuple[int, int | None, int, int]],
  stem: int,
  last: int,
  hidden: int,
) -> NetworkSpec:
  spec = space.largest().with_block(0, filters=stem).with_block(-2, filters=last)
  spec = spec.with_block(-1, hidden=hidden)
  for index, (kernel, expansion, depthwise, projection) in enumerate(rows, start=1):
    spec = spec.with_block(
      index, kernel=kernel, expansion=expansion, depthwise=depthwise, projection=projection
    )
  return NetworkSpec(name, spec.input_shape, spec.blocks)


@NETWORKS.register("netadaptv2_51ms")
def table_8() -> NetworkSpec:
  """Found for 51 ms on a Pixel 1 CPU: 77.0 % top-1, 225M MACs (Table 8)."""
  return _found("netadaptv2_51ms", latency_space(), TABLE_8, stem=16, last=1024, hidden=1792)


@NETWORKS.register("netadaptv2_314m")
def table_9() -> NetworkSpec:
  """Found for 314M MACs: 78.5 % top-1 (Table 9)."""
  return _found("netadaptv2_314m", mac_space(), TABLE_9, stem=24, last=1152, hidden=2048)
