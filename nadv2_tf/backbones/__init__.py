"""Backbones: tables of blocks, their search spaces, and the published networks."""

from nadv2_tf.backbones.registry import (
  BACKBONES,
  NETWORKS,
  network,
  network_names,
  search_space,
)
from nadv2_tf.spec.registry import load_modules

load_modules(__name__, __path__)  # they register themselves

__all__ = ["BACKBONES", "NETWORKS", "network", "network_names", "search_space"]
