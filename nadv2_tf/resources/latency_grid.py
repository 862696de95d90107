"""Measured milliseconds of one shape of a layer, interpolated over its channel counts."""

from __future__ import annotations

import bisect
import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.resources.pieces import TWO_CHANNEL_COUNTS

if TYPE_CHECKING:
  from collections.abc import Mapping

  from nadv2_tf.resources.pieces import Piece


class Grid:
  """Milliseconds of one shape over a full grid of in_channels x kept, bilinear in between."""

  def __init__(self, shape: Piece, points: Mapping[tuple[int, int], float]) -> None:
    self.inputs = sorted({inputs for inputs, _ in points})
    self.kept = sorted({kept for _, kept in points})
    self.tied = shape.kind not in TWO_CHANNEL_COUNTS
    self._points = points
    self._shape = shape
    if not self.tied:
      for inputs in self.inputs:
        for kept in self.kept:
          if (inputs, kept) not in points:
            raise ValueError(
              f"The grid of {describe(shape)} lacks in_channels={inputs}, kept={kept}."
            )

  def milliseconds(self, inputs: int, kept: int) -> float:
    if self.tied:
      low, high, share = self._between(self.inputs, inputs)
      return self._mix(self._points[low, low], self._points[high, high], share)
    low_in, high_in, share_in = self._between(self.inputs, inputs)
    low, high, share = self._between(self.kept, kept)
    return self._mix(
      self._mix(self._points[low_in, low], self._points[low_in, high], share),
      self._mix(self._points[high_in, low], self._points[high_in, high], share),
      share_in,
    )

  def _between(self, axis: list[int], value: int) -> tuple[int, int, float]:
    if value > axis[-1]:
      raise ValueError(
        f"The table has {describe(self._shape)} up to {axis[-1]} channels, asked for {value}."
      )
    place = max(bisect.bisect_left(axis, value), 1) if len(axis) > 1 else 0
    low, high = axis[max(place - 1, 0)], axis[place]
    # Below the smallest measured width a layer costs what the smallest costs.
    share = 0.0 if high == low else max((value - low) / (high - low), 0.0)
    return low, high, share

  @staticmethod
  def _mix(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def describe(piece: Piece) -> str:
  """The piece in words, for errors."""
  fields = dataclasses.asdict(piece)
  return ", ".join(f"{name}={value}" for name, value in fields.items() if value not in (0, ""))
