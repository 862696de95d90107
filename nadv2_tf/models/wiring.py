"""Walks a network's blocks and skips with a maker."""

from nadv2_tf.models.parts.names import layer_name


class LayerMaker:
  """What makers of Keras layers share: which block they are in, and what its layers are called.

  Args:
    branch_rates: of stochastic depth, see `models/stochastic_depth.py`.
  """

  def __init__(self, branch_rates=None):
    self.block_index = 0
    self._branch_rates = branch_rates or {}

  def name(self, field):
    return layer_name(self.block_index, field)

  def residual(self, shortcut, branch):
    """The residual add of a block whose branch some images may skip."""
    rate = self._branch_rates.get(self.block_index)
    return self.add(shortcut, self.drop_branch(branch, rate) if rate else branch)

  def drop_branch(self, x, rate):
    """The branch without a share `rate` of the images, in training."""
    raise NotImplementedError


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
