"""Whether a network does better than one that says the same of every image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  from nadv2_tf.tasks.task import Task

#: examples whose quality is computed at once: depth maps are large
TOGETHER = 256


def chance_of(task: Task, targets: np.ndarray) -> float:
  """The quality, in [0, 1], of the task's `same_outputs` for all targets, [examples, ...]."""
  same = task.same_outputs(targets)
  parts = [slice(first, first + TOGETHER) for first in range(0, len(targets), TOGETHER)]
  values = [np.asarray(task.quality(targets[part], same[part])) for part in parts]
  return float(np.concatenate(values).mean())


def is_chance(quality: float | None, chance: float | None, images: int) -> bool:
  """Whether a quality is no better than that of the same outputs for every image.

  Of so few images some are right by luck: a quality within two standard errors is not told from it,
  unless all are right.
  """
  if quality is None or chance is None:
    return False
  return quality < 1 and quality <= chance + 2 * (chance * (1 - chance) / images) ** 0.5


def told(quality: float | None, chance: float | None, images: int, name: str) -> list[str]:
  """A sentence for the user about a network at chance; `name` is what the quality is called."""
  if chance is None or not is_chance(quality, chance, images):
    return []
  return [
    f"this network is at chance: one that says the same of every image has {name} {chance:.2%} "
    "here. Is it trained, for pixels of this range, for classes in this order?"
  ]
