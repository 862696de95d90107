"""Images of two classes that a tiny network learns in a few steps."""

import numpy as np

from nadv2_tf.tasks.examples import Examples


def bright_halves(count):
  """So many images, 8x8, of two classes: a bright left or right half in noise."""
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 2, count)
  images = rng.integers(0, 100, (count, 8, 8, 1))
  for image, label in zip(images, labels, strict=True):
    image[:, 4 * label : 4 * label + 4] += 120
  return Examples(images.astype(np.uint8), labels.astype(np.int64))
