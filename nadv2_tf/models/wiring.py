"""Walks a network's blocks and skips with a maker."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nadv2_tf.models.parts.names import layer_name

if TYPE_CHECKING:
  from collections.abc import Mapping
  from typing import Any

  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.blocks import Maker
else:
  Maker = object  # a protocol, which says nothing at run time


class LayerMaker(Maker):
  """What makers of Keras layers share: which block they are in, and what its layers are called.

  Args:
    branch_rates: of stochastic depth, see `models/stochastic_depth.py`.
  """

  def __init__(self, branch_rates: Mapping[int, float] | None = None) -> None:
    self.block_index = 0
    self._given: Counter[str] = Counter()
    self._branch_rates = branch_rates or {}

  def name(self, field: str) -> str:
    return layer_name(self.block_index, field)

  def next_name(self, field: str) -> str:
    """A name for each of several such layers in one block: the second ends in _2."""
    name = self.name(field)
    self._given[name] += 1
    return name if self._given[name] == 1 else f"{name}_{self._given[name]}"

  def residual(self, shortcut: Any, branch: Any) -> Any:
    """The residual add of a block whose branch some images may skip."""
    rate = self._branch_rates.get(self.block_index)
    return self.add(shortcut, self.drop_branch(branch, rate) if rate else branch)

  def drop_branch(self, x: Any, rate: float) -> Any:
    """The branch without a share `rate` of the images, in training."""
    raise NotImplementedError


def wire(network: NetworkSpec, make: LayerMaker, x: Any) -> Any:
  """Output of `network` on `x`, both whatever `make`, a `LayerMaker`, passes along."""
  outputs: list[Any] = []
  for index, block in enumerate(network.blocks):
    make.block_index = index
    x = block.wire(make, x)
    for skip in network.skips:
      if skip.target == index:
        x = make.add(outputs[skip.source], x)
    outputs.append(x)
  return x
