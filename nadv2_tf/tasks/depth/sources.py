"""Where images with depth come from: `tfds:NAME`, `folder:DIR`, `rooms:COUNT`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.tasks.cut import USUAL
from nadv2_tf.tasks.depth import folder, rooms, tfds  # noqa: F401  (register themselves)
from nadv2_tf.tasks.depth.map_format import DEPTH_SOURCES, MapFormat
from nadv2_tf.tasks.depth.plausible import check_plausible
from nadv2_tf.tasks.sources.registry import Source

if TYPE_CHECKING:
  from nadv2_tf.tasks.cut import Cut
  from nadv2_tf.tasks.depth.map_format import Part

FORMS = "tfds:NAME, folder:DIR or rooms:COUNT"


def load(source: str, image_size: int, map_format: MapFormat, cut: Cut = USUAL) -> Source:
  """Reads a data source.

  Args:
    source: one of `FORMS`.
    image_size: height and width of images and maps, in pixels.
    map_format: a `MapFormat`.
    cut: which part is the test part.

  Returns:
    A `Source`: uint8 images, and metres as labels, float [examples, size, size, 1], 0 where there
    is no depth. Pairs without any depth are left out, and told in its notes.

  Raises:
    ValueError: one line that names what is wrong, if the data cannot be used.
  """
  scheme, _, place = source.partition(":")
  if scheme not in DEPTH_SOURCES or not place:
    raise ValueError(f"--data must be {FORMS} for depth, got {source!r}.")
  parts, notes = DEPTH_SOURCES[scheme](place, image_size, map_format, cut)
  kept = []
  for part in parts:
    part, note = _with_depth(part, f"--data={source}")
    kept.append(part)
    notes += note
  notes += check_plausible(kept, f"--data={source}")
  train, test = (examples for _, examples, _ in kept)
  return Source(train, test, (), tuple(notes))


def _with_depth(part: Part, source: str) -> tuple[Part, list[str]]:
  """The part with the examples that have a depth anywhere, and a note about the others."""
  title, examples, names = part
  has_depth = np.any(examples.labels > 0, axis=(1, 2, 3))
  missing = np.flatnonzero(~has_depth)
  if len(missing) == len(examples):
    raise ValueError(f"{source}: no {title} map has a valid depth within the part that is kept.")
  if not len(missing):
    return part, []
  note = (
    f"{source}: {len(missing)} of {len(examples)} {title} maps have no valid depth and are left "
    f"out, the first is {names[missing[0]]}"
  )
  names = [name for name, good in zip(names, has_depth, strict=True) if good]
  return (title, examples.take(has_depth), names), [note]
