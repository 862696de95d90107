"""How every registered backbone is built small enough for the identities, and others' networks."""

from typing import NamedTuple

import other_networks

from nadv2_tf import backbones
from nadv2_tf import spec as specs


class Case(NamedTuple):
  """Input shape, classes, and the mean of random batch-norm shifts: ReLUs may die below 0."""

  input_shape: tuple[int, int, int]
  classes: int
  shift: float = 0.0


# 32x32 (64x64 where a network halves it often) keeps 20 networks of every backbone within seconds.
CASES = {
  "fastdepth": Case((64, 64, 3), 1, 0.5),
  "mobilenet_v1": Case((32, 32, 3), 7, 0.3),
  "mobilenet_v3_cifar": Case((16, 16, 3), 7),
  "mobilenet_v3_cifar_small": Case((16, 16, 3), 7),
  "mobilenet_v3_demo": Case((32, 32, 1), 10),
  "mobilenet_v3_large": Case((32, 32, 3), 7),
  "netadaptv2_latency": Case((64, 64, 3), 7),
  "netadaptv2_mac": Case((32, 32, 3), 7),
  "single_path": Case((32, 32, 3), 7, 0.3),
}

#: those, and networks that are no backbone of the package
ALL_CASES = {
  **CASES,
  **{name: Case(other_networks.SHAPE, 7, 0.3) for name in other_networks.NETWORKS},
}


def space_of(name):
  """The search space of a backbone at the size of its case, or of another network."""
  if name in other_networks.NETWORKS:
    return specs.space_of(other_networks.NETWORKS[name], levels=4)
  case = CASES[name]
  return backbones.search_space(name, input_shape=case.input_shape, classes=case.classes)
