"""NN-Degree: how many connections a neuron has on average, told by the spec of a network alone."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

from nadv2_tf.spec.sums import total

if TYPE_CHECKING:
  from nadv2_tf.spec import NetworkSpec


@dataclasses.dataclass(frozen=True)
class Cell:
  """The layers of a network that work at one resolution, one after the other.

  Attributes:
    width: channels that leave a layer, on average.
    num_layers: convolutions and depthwise layers that have a filter.
    skipped: channels that go around layers: those that a bypass takes around the filters of its
      layer, and those that additions add.
  """

  width: float
  num_layers: int
  skipped: int

  @property
  def degree(self) -> float:
    """What each neuron is connected to: the layer before it, and its share of the skips."""
    return self.width + self.skipped / (self.width * self.num_layers)


def cells(spec: NetworkSpec) -> tuple[Cell, ...]:
  """The `Cell`s of a network; a block belongs to the resolution of its output."""
  found = []
  walked = zip(spec.layers(), spec.block_outputs(), strict=True)
  for _, blocks in itertools.groupby(walked, key=lambda block: block[1][:2]):
    inside = [layer for layers, _ in blocks for layer in layers]
    filtered = [one for one in inside if one.kind in ("conv", "depthwise") and one.kept]
    if filtered:
      added = sum(one.kept for one in inside if one.kind == "add")
      skipped = added + sum(one.bypassed for one in filtered)
      width = total(one.out_channels for one in filtered) / len(filtered)
      found.append(Cell(width, len(filtered), skipped))
  return tuple(found)


def nn_degree(spec: NetworkSpec) -> float:
  """The sum of the degrees of all cells.

  Source: FLASH, Li et al., ACM TECS 2021: g = sum over cells of w + SC / (w d), with the width w,
  the layers d and the skipped channels SC of a cell. The paper could not be read for it; what a
  cell is here, that an addition's channels count as skipped and that channels which a bypass takes
  around a layer do, was decided here.
  """
  return total(cell.degree for cell in cells(spec))
