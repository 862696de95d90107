"""Walks a network's blocks and skips with a maker."""

from nadv2_tf.models.parts.names import layer_name


class LayerMaker:
  """What makers of Keras layers share: which block they are in, and what its layers are called."""

  def __init__(self):
    self.block_index = 0

  def name(self, field):
    return layer_name(self.block_index, field)


def wire(network, make, x):
  """Output of `network` on `x`, both whatever `make`, a `LayerMaker`, passes along."""
  outputs = []
  for index, block in enumerate(network.blocks):
    make.block_index = index
    x = block.wire(make, x)
    for skip in network.skips:
      if skip.target == index:
        x = make.add(outputs[skip.source], x)
    outputs.append(x)
  return x
