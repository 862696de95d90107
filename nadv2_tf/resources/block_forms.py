"""The fastest form of a block's layers, of those that compute the same (`spec/forms.py`)."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, NamedTuple

from nadv2_tf.spec.forms import widened, with_filters
from nadv2_tf.spec.sums import total

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence

  from nadv2_tf.spec.shapes import LayerShape

BYTES_OF_FLOAT32 = 4


class BlockForm(NamedTuple):
  """A block in one form: its layers, their time, and kilobytes that added filters have."""

  layers: tuple[LayerShape, ...]
  milliseconds: float
  added_kb: float


class BlockForms:
  """Function of a block's layers to their `BlockForm`.

  Args:
    milliseconds: of a layer as it is.
    has: whether the time of a layer is known.
    is_free: whether other forms are looked at.
  """

  def __init__(
    self,
    milliseconds: Callable[[LayerShape], float],
    has: Callable[[LayerShape], bool],
    is_free: bool,
  ) -> None:
    self._milliseconds = milliseconds
    self._has = has
    self._is_free = is_free

  def __call__(self, layers: Sequence[LayerShape]) -> BlockForm:
    found = list(layers)
    if self._is_free:
      for place, layer in enumerate(layers):
        found[place : place + 1] = self._quickest([layer], [with_filters(layer)])
      for place, (before, add) in enumerate(itertools.pairwise(layers)):
        wide, width = widened(before, add), add.out_channels
        if wide is not None:
          plain = dataclasses.replace(add, in_channels=width, kept=width)
          pair = slice(place, place + 2)
          found[pair] = self._quickest(found[pair], [wide, plain])
    added = sum(one.parameters() for one in found) - sum(one.parameters() for one in layers)
    milliseconds = total(map(self._milliseconds, found))
    return BlockForm(tuple(found), milliseconds, added * BYTES_OF_FLOAT32 / 1024)

  def _quickest(
    self, layers: list[LayerShape], others: Sequence[LayerShape | None]
  ) -> list[LayerShape]:
    """`layers`, or what computes the same if it is there, its time is known, and that is less."""
    real = [layer for layer in others if layer is not None]
    if len(real) < len(others) or not all(map(self._has, real)):
      return layers
    costs = [total(map(self._milliseconds, form)) for form in (layers, real)]
    return real if costs[1] < costs[0] else layers
