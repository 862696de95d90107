"""Images and depth maps as the network takes them: centre crop of 4:3, scaled to a square.

Source: FastDepth's preparation of NYU Depth V2 (Wofk et al., 2019): 640x480 scaled to a height of
250, the middle 304x228 of it, scaled to 224x224.
"""

import numpy as np
from PIL import Image

ASPECT = 4 / 3
#: share of the largest box of 4:3 that is kept; the border of NYU's maps is unreliable
KEPT = 228 / 250


def crop_box(width: float, height: float) -> tuple[float, float, float, float]:
  """(left, upper, right, lower) of the part of an image that is kept, in pixels."""
  high = KEPT * min(height, width / ASPECT)
  wide = high * ASPECT
  left, upper = (width - wide) / 2, (height - high) / 2
  return left, upper, left + wide, upper + high


def fit_image(image: Image.Image, size: int) -> np.ndarray:
  """A Pillow image as uint8 [size, size, 3]."""
  box = crop_box(*image.size)
  return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR, box))


def fit_map(metres: np.ndarray, size: int) -> np.ndarray:
  """A depth map, float [height, width], as float [size, size, 1].

  The nearest pixel's depth is taken: a mean over an edge, or over a hole, is the depth of nothing.
  """
  plane = Image.fromarray(metres.astype(np.float32))
  scaled = plane.resize((size, size), Image.Resampling.NEAREST, crop_box(*plane.size))
  return np.asarray(scaled)[:, :, None]
