"""Whether a given network and what it was read as are the same on the user's own images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf import reading
from nadv2_tf.tasks import images as pictures

if TYPE_CHECKING:
  import keras

  from nadv2_tf.reading import ReadNetwork
  from nadv2_tf.tasks.examples import Datasets

#: the user's images on which model and spec must agree
IMAGES = 16


def gap(
  model: keras.Model, read: ReadNetwork, datasets: Datasets, input_range: tuple[float, float]
) -> float:
  """The largest difference of outputs on the user's images, of the size of what was read.

  Raises:
    ValueError: see `reading.check_same`.
  """
  return reading.check_same(model, read, _images(datasets, read.spec.input_shape, input_range))


def at_another_size(
  model: keras.Model, read: ReadNetwork, datasets: Datasets, input_range: tuple[float, float]
) -> str:
  """What the comparison at another size than the model's own gave, for the user.

  Raises:
    ValueError: if the model can be built at that size, and gives other outputs.
  """
  shape = read.spec.input_shape
  size = f"{shape[0]}x{shape[1]}"
  try:
    resized = reading.at_size(model, shape)
  except ValueError as error:
    return (
      f"that was compared at the model's own size alone; Keras cannot build it at {size}: {error}"
    )
  found = gap(resized, read, datasets, input_range)
  return f"as a spec it gives the same outputs at {size} too, to {found:.1g} of their spread"


def _images(
  datasets: Datasets, shape: tuple[int, ...], input_range: tuple[float, float]
) -> np.ndarray:
  """Images of the user's at a size and of a range."""
  images = datasets.train.take(slice(IMAGES)).images
  height, width = shape[:2]
  if images.shape[1:3] != (height, width):
    images = pictures.resize(images, max(height, width))[:, :height, :width]
  low, high = input_range
  return (low + images.astype(np.float64) / 255.0 * (high - low)).astype(np.float32)
