"""A plan as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.pipeline.plan.estimate import DONE, total

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.pipeline.plan.estimate import Stage


def lines(stages: Sequence[Stage]) -> list[str]:
  """The stages as lines: seconds and what they are made of; the sum last."""
  rows = [
    (stage.name, DONE if stage.made_of == DONE else duration(stage.seconds), stage.made_of)
    for stage in stages
  ]
  rows.append(("all", duration(total(stages)), ""))
  first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
  return [
    f"{name:{first}s}  {time:>{second}s}  {'' if made_of == DONE else made_of}".rstrip()
    for name, time, made_of in rows
  ]


def duration(seconds: float) -> str:
  """Seconds up to ten minutes, then minutes, from three hours on hours."""
  if seconds < 600:
    return f"{seconds:.0f} s"
  return f"{seconds / 60:.0f} min" if seconds < 3 * 3600 else f"{seconds / 3600:,.1f} h"
