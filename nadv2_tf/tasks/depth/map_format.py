"""What depth maps mean, and what every source of them takes: its registry, its room in memory."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.spec.registry import Registry
from nadv2_tf.tasks import images
from nadv2_tf.tasks.examples import Examples

if TYPE_CHECKING:
  from typing import TypeAlias

  from numpy.typing import DTypeLike

  from nadv2_tf.types import AnyPath

  #: of a data set: its title, its examples, what each of them is called
  Part: TypeAlias = tuple[str, Examples, list[str]]

DEPTH_SOURCES = Registry("source of depth")

#: metres; a room is no deeper, and whose every depth is outside has another unit
LARGEST_M, SMALLEST_M = 100.0, 0.1
#: metres of one step of a 16-bit map where --depth_scale is not given: a millimetre
SCALE_OF_16_BITS = 0.001


@dataclasses.dataclass(frozen=True)
class MapFormat:
  """What the values of depth maps mean: metres = value * scale + offset.

  Attributes:
    depth_scale: None for a millimetre a step with 16 bits, and metres in floating point; maps of 8
      bits have no such convention.
    depth_offset: metres.
    depth_invalid: the value that says "no depth"; -1 if none does.
    depth_test: pairs at the end of a folder without `train/` and `test/` that are the test set;
      None for a tenth.
  """

  depth_scale: float | None = None
  depth_offset: float = 0.0
  depth_invalid: int = 0
  depth_test: int | None = None

  def __post_init__(self) -> None:
    if self.depth_scale is not None and not 0 < self.depth_scale < np.inf:
      raise ValueError(f"--depth_scale must be above 0, got {self.depth_scale}.")
    if not np.isfinite(self.depth_offset):
      raise ValueError(f"--depth_offset must be a number of metres, got {self.depth_offset}.")

  def metres(self, values: np.ndarray, place: AnyPath) -> np.ndarray:
    """Depths, float32, 0 where there is none; `values` is an array of the file at `place`.

    Raises:
      ValueError: if 8-bit values have no scale, or all depths of the map are over 100 m.
    """
    scale = self.depth_scale
    if scale is None and values.dtype == np.uint8:
      raise ValueError(
        f"{place} is a depth map of 8 bits; --depth_scale must say how many metres a step is."
      )
    if scale is None:
      scale = SCALE_OF_16_BITS if np.issubdtype(values.dtype, np.integer) else 1.0
    depths = (values.astype(np.float64) * scale + self.depth_offset).astype(np.float32)
    valid = (values != self.depth_invalid) & np.isfinite(depths) & (depths > 0)
    if valid.any() and depths[valid].min() > LARGEST_M:
      raise ValueError(
        f"{place}: all depths are over {LARGEST_M:.0f} m ({depths[valid].min():.4g} to "
        f"{depths[valid].max():.4g}) with metres = value * {scale:g} + {self.depth_offset:g}; "
        "check --depth_scale."
      )
    return np.where(valid, depths, np.float32(0))


SETTINGS = tuple(field.name for field in dataclasses.fields(MapFormat))


def reserve(count: int, image_size: int, source: str, dtype: DTypeLike = np.float32) -> Examples:
  """`Examples` to be filled; all of a data set is kept in memory.

  Raises:
    ValueError: if it needs more than half of this machine's memory, or 8 GiB if that is more.
  """
  bytes_of_one = image_size**2 * (3 + np.dtype(dtype).itemsize)
  limit = max(images.LARGEST_BYTES, _memory() // 2)
  if count * bytes_of_one > limit:
    raise ValueError(
      f"--data={source}: {count} images of {image_size}x{image_size} with their depth need "
      f"{count * bytes_of_one / 2**30:.1f} GiB decoded; at most {limit / 2**30:.1f} GiB are kept "
      "in memory. Choose a smaller --image_size or a part of the data."
    )
  shape = (count, image_size, image_size)
  return Examples(np.empty((*shape, 3), np.uint8), np.empty((*shape, 1), dtype))


def _memory() -> int:
  try:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
  except (ValueError, OSError, AttributeError):  # not on every system
    return 0
