"""The options of all blocks as points in unit cubes: of whole stages first, then inside a stage."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from nadv2_tf.search.choices import put_all

if TYPE_CHECKING:
  from collections.abc import Mapping, Sequence
  from typing import TypeAlias

  from nadv2_tf.search.chain import Picks
  from nadv2_tf.search.choices import BlockChoices
  from nadv2_tf.spec import NetworkSpec, SearchSpace

  #: {what a stage has of it, see `SHAPES`: a share in [0, 1] for each stage}
  Shapes: TypeAlias = Mapping[str, Sequence[float]]

#: `scipy.optimize.shgo` triangulates its cube, which in more dimensions takes seconds
MOST_DIMENSIONS = 5
#: widths of its blocks, how many of its blocks there are, their kernel sizes
SHAPES = ("width", "length", "kernel")


class Stages:
  """Blocks whose outputs have one resolution are a stage; neighbours are joined to five at most.

  Attributes:
    groups: for each stage the numbers of its `BlockChoices`.
  """

  def __init__(self, space: SearchSpace, blocks: Sequence[BlockChoices]) -> None:
    self.space = space
    self.blocks = tuple(blocks)
    self._full = space.encode(space.largest())
    outputs = space.largest().block_outputs()
    same = itertools.groupby(
      range(len(blocks)), key=lambda number: outputs[blocks[number].index][:2]
    )
    self.groups = [tuple(numbers) for _, numbers in same]
    while len(self.groups) > MOST_DIMENSIONS:
      sizes = [len(a) + len(b) for a, b in itertools.pairwise(self.groups)]
      first = sizes.index(min(sizes))
      self.groups[first : first + 2] = [self.groups[first] + self.groups[first + 1]]

  def parts(self) -> list[tuple[int, ...]]:
    """The blocks of every stage, five at most together."""
    return [
      group[start : start + MOST_DIMENSIONS]
      for group in self.groups
      for start in range(0, len(group), MOST_DIMENSIONS)
    ]

  def picks(self, shapes: Shapes) -> Picks:
    """The options of all blocks where stages are of these shapes.

    A stage loses its last blocks first, of those that may be removed.
    """
    found = {}
    for stage, group in enumerate(self.groups):
      removable = [number for number in group if self.blocks[number].choices[0].removed]
      left = round(shapes["length"][stage] * len(removable))
      for number in group:
        is_gone = number in removable[left:]
        width, kernel = shapes["width"][stage], shapes["kernel"][stage]
        found[number] = 0 if is_gone else _option(self.blocks[number], width, kernel)
    return tuple(found[number] for number in range(len(self.blocks)))

  def inside(self, picks: Picks, part: Sequence[int], shares: Sequence[float]) -> Picks:
    """`picks` with the blocks of a part at shares of the way from smallest to largest option."""
    found = list(picks)
    for number, share in zip(part, shares, strict=True):
      found[number] = round(share * (len(self.blocks[number].choices) - 1))
    return tuple(found)

  def network(self, picks: Picks) -> NetworkSpec:
    """The network of one option for each of `blocks`."""
    picked = [block.choices[pick] for block, pick in zip(self.blocks, picks, strict=True)]
    return self.space.decode(put_all(self._full, self.blocks, picked))


def _option(block: BlockChoices, width: float, kernel: float) -> int:
  """The option, none of no filters, with these shares of its levels and kernel sizes."""
  there = [one for one in block.choices if not one.removed]
  levels = sorted({one.level for one in there})
  level = levels[round(width * (len(levels) - 1))]
  kernels = [one for one in there if one.level == level]
  return block.choices.index(kernels[round(kernel * (len(kernels) - 1))])
