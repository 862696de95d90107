"""Whether depths can be those of one camera in one unit: looked at for each part and each map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.tasks.depth.map_format import LARGEST_M, SMALLEST_M

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.tasks.depth.map_format import Part
  from nadv2_tf.tasks.examples import Examples

#: rows and columns of a map that its median is taken of
LOOKED_AT = 32
#: training rooms and test streets differ by less; millimetres and centimetres by 10
PART_FACTOR = 8.0
#: a close-up among rooms is not that close
MAP_FACTOR = 20.0


def check_plausible(parts: Sequence[Part], source: str) -> list[str]:
  """Notes on parts and maps that seem to have another unit than the others.

  Args:
    parts: of a data set; every map has a depth.
    source: how errors begin.

  Raises:
    ValueError: naming the part whose depths are none of a room.
  """
  notes, medians = [], {}
  for title, examples, names in parts:
    of_maps = medians_m(examples)
    median = medians[title] = float(np.nanmedian(of_maps))
    _check_part(examples, median, title, source)
    factors = np.fmax(of_maps / median, median / of_maps)
    odd = np.flatnonzero(factors > MAP_FACTOR)
    if len(odd):
      notes.append(
        f"{source}: the median depth of {len(odd)} of {len(names)} {title} maps is more than "
        f"{MAP_FACTOR:g} times from that of all, {median:.3g} m; the first is {names[odd[0]]}, "
        f"{of_maps[odd[0]]:.3g} m. Are all in one unit?"
      )
  low, high = sorted(medians, key=lambda title: medians[title])
  if medians[high] > PART_FACTOR * medians[low]:
    notes.append(
      f"{source}: the median depth is {medians[low]:.3g} m in the {low} maps, and "
      f"{medians[high]:.3g} m in the {high} maps. Are both in one unit?"
    )
  return notes


def medians_m(examples: Examples) -> np.ndarray:
  """The median depth of each map, metres, of a grid of its pixels; NaN where none has a depth."""
  step = max(examples.labels.shape[1] // LOOKED_AT, 1)
  grids = examples.labels[:, ::step, ::step, 0]
  return np.array([np.median(grid[grid > 0]) if (grid > 0).any() else np.nan for grid in grids])


def _check_part(examples: Examples, median: float, title: str, source: str) -> None:
  largest = float(examples.labels.max())
  if largest < SMALLEST_M:
    raise ValueError(
      f"{source}: all depths are below {SMALLEST_M} m (at most {largest:.4g}) in the {title} maps; "
      "check --depth_scale."
    )
  if median > LARGEST_M:
    raise ValueError(
      f"{source}: half of the depths are over {LARGEST_M:.0f} m (their median is {median:.4g}) in "
      f"the {title} maps; check --depth_scale, and --depth_invalid for what has no depth."
    )
