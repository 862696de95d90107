"""Backbones: tables of blocks, their search spaces, and the published networks."""

from nadv2_tf.backbones import (  # noqa: F401  (they register themselves)
  cifar,
  demo,
  fastdepth,
  mobilenet_v1,
  mobilenet_v3,
  netadaptv2,
  single_path,
)
from nadv2_tf.backbones.registry import (
  BACKBONES,
  NETWORKS,
  network,
  network_names,
  search_space,
)

__all__ = ["BACKBONES", "NETWORKS", "network", "network_names", "search_space"]
