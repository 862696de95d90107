"""Tells a training that has collapsed: a network that answers every image alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from keras import ops

if TYPE_CHECKING:
  from collections.abc import Mapping
  from typing import Any

  import keras

  from nadv2_tf.spec import SearchSpace

#: steps whose mean quality is compared, at most an epoch
WINDOW = 100
#: a window below this share of the best one so far is suspicious
SUSPICIOUS = 0.9
#: images that are looked at
IMAGES = 16


class CollapseWatch:
  """Compares the mean quality of every window of steps with the best so far.

  A training has collapsed if a window's mean falls below 0.9 of the best one's, and
  `answers_alike` then holds. Quality may well fall (where ordered dropout sets in, it does), so
  only both together count.

  Args:
    window: steps.
  """

  def __init__(self, window: int) -> None:
    self._window = max(window, 1)
    self._values: list[float] = []
    self._best = 0.0

  def is_suspicious(self, quality: float) -> bool:
    """Takes the quality of one step; True at the end of a window that fell far."""
    self._values.append(quality)
    if len(self._values) < self._window:
      return False
    mean, self._values = float(np.mean(self._values)), []
    if mean < SUSPICIOUS * self._best:
      return True
    self._best = max(self._best, mean)
    return False

  def to_json(self) -> dict[str, Any]:
    return {"values": self._values, "best": self._best}

  def from_json(self, value: Mapping[str, Any]) -> None:
    self._values, self._best = list(value["values"]), value["best"]


def answers_alike(model: keras.Model, images: np.ndarray, space: SearchSpace | None = None) -> bool:
  """Whether the network (of a super-network: the full one) gives all images the same outputs.

  Args:
    model: Keras model of images, or of [images, widths].
    images: network inputs, [batch, height, width, channels].
    space: the `SearchSpace` of a super-network.

  Returns:
    True if no output differs between images by more than 1e-6 of the largest output.
  """
  inputs: Any
  inputs = images = images[:IMAGES]
  if space is not None:
    inputs = [images, np.tile(np.array(space.encode(space.largest()), np.int32), (len(images), 1))]
  outputs = ops.convert_to_numpy(ops.cast(model(inputs, training=False), "float32"))
  return bool(np.ptp(outputs, axis=0).max() <= 1e-6 * np.abs(outputs).max())
