"""Where images with depth come from: `tfds:NAME`, `folder:DIR`, `rooms:COUNT`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.tasks.depth import folder, rooms, tfds  # noqa: F401  (register themselves)
from nadv2_tf.tasks.depth.map_format import DEPTH_SOURCES, SMALLEST_M, MapFormat
from nadv2_tf.tasks.sources.registry import Source

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.tasks.examples import Examples

FORMS = "tfds:NAME, folder:DIR or rooms:COUNT"


def load(source: str, image_size: int, map_format: MapFormat) -> Source:
  """Reads a data source.

  Args:
    source: one of `FORMS`.
    image_size: height and width of images and maps, in pixels.
    map_format: a `MapFormat`.

  Returns:
    A `Source`: uint8 images, and metres as labels, float [examples, size, size, 1], 0 where there
    is no depth. Pairs without any depth are left out, and told in its notes.

  Raises:
    ValueError: one line that names what is wrong, if the data cannot be used.
  """
  scheme, _, place = source.partition(":")
  if scheme not in DEPTH_SOURCES or not place:
    raise ValueError(f"--data must be {FORMS} for depth, got {source!r}.")
  parts = DEPTH_SOURCES[scheme](place, image_size, map_format)
  notes, kept = [], []
  for title, examples, names in parts:
    examples, note = _with_depth(examples, names, f"--data={source}", title)
    kept.append(examples)
    notes += note
  _check_near(kept, source)
  train, test = kept
  return Source(train, test, (), tuple(notes))


def _with_depth(
  examples: Examples, names: Sequence[str], source: str, title: str
) -> tuple[Examples, list[str]]:
  """The examples that have a depth anywhere, and a note about the others."""
  has_depth = np.any(examples.labels > 0, axis=(1, 2, 3))
  missing = np.flatnonzero(~has_depth)
  if len(missing) == len(examples):
    raise ValueError(f"{source}: no {title} map has a valid depth within the part that is kept.")
  if not len(missing):
    return examples, []
  note = (
    f"{source}: {len(missing)} of {len(examples)} {title} maps have no valid depth and are left "
    f"out, the first is {names[missing[0]]}"
  )
  return examples.take(has_depth), [note]


def _check_near(parts: Sequence[Examples], source: str) -> None:
  largest = max(float(examples.labels.max()) for examples in parts)
  if largest < SMALLEST_M:
    raise ValueError(
      f"--data={source}: all depths are below {SMALLEST_M} m (at most {largest:.4g}); check "
      "--depth_scale."
    )
