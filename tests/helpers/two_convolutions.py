"""A small space whose networks cost what their filters do, for the rounds of a search."""

from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head

# Two convolutions of 1 to 32 and 0 to 32 filters.
SPACE = space_of(NetworkSpec("two", (4, 4, 1), (Conv(32, 3, 2), Conv(32, 3), Head(2))), 32)


class Table:
  """Predicts 0.01 ms a filter."""

  unit, is_exact = "ms", True

  def measure(self, spec):
    return 0.01 * sum(block.filters for block in spec.blocks[:2])


class Quality:
  """The first layer's filters are worth more; notes what it is asked."""

  def __init__(self):
    self.asked = []

  def accuracy(self, specs):
    self.asked += map(SPACE.encode, specs)
    return [(2 * spec.blocks[0].filters + spec.blocks[1].filters) / 97 for spec in specs]


def slower_by(share, constant=0.0):
  """A device on which networks take longer than predicted."""

  def milliseconds(content):
    return (1 + share) * Table().measure(NetworkSpec.from_json(content.decode())) + constant

  return milliseconds
