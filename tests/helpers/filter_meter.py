"""A network of one searched layer, and a meter that counts its filters."""

from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head

WIDE = space_of(NetworkSpec("wide", (4, 4, 1), (Conv(64, 3, 2), Head(2))), 64)


class Filters:
  """Predicts 0.01 ms a filter; the device above agrees."""

  unit, is_exact = "ms", True

  def measure(self, spec):
    return 0.01 * spec.blocks[0].filters
