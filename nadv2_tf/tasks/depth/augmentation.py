"""Changes images and their depth maps alike, at random.

Source: the training of FastDepth (Wofk et al., 2019), after Ma and Karaman (2018).
"""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, Literal

import numpy as np
from PIL import Image

from nadv2_tf.tasks.depth.maps import ASPECT
from nadv2_tf.tasks.examples import Examples

#: an image is enlarged by up to this factor; what is twice as large is half as far
LARGEST_SCALE = 1.5
LARGEST_ANGLE = 5.0  # degrees
#: brightness, contrast and saturation change by up to this share
JITTER = 0.4
#: what turns in from outside the image: near 0 as a network input, and no depth
OUTSIDE = (127, 127, 127)


@dataclasses.dataclass(frozen=True)
class DepthAugmentation:
  """`augment`, as `Examples.training_batches` takes it."""

  mirror: bool = True

  is_by_picture: ClassVar[Literal[False]] = False

  def examples(self, examples: Examples, rng: np.random.Generator) -> Examples:
    return augment(examples, rng, self.mirror)


def augment(examples: Examples, rng: np.random.Generator, mirror: bool = True) -> Examples:
  """Enlarged, turned, mirrored half of the time, in other colours.

  Args:
    examples: `Examples` with depth maps as labels.
    rng: NumPy generator.
    mirror: False mirrors none.

  Returns:
    `Examples` of the same shapes; depths are divided by the scale.
  """
  count, height, width = examples.images.shape[:3]
  scales = rng.uniform(1.0, LARGEST_SCALE, (count,))
  angles = np.radians(rng.uniform(-LARGEST_ANGLE, LARGEST_ANGLE, (count,)))
  mirrored = (rng.random((count,)) < 0.5) & mirror
  images, maps = np.empty_like(examples.images), np.empty_like(examples.labels)
  for index in range(count):
    move = inverse_map(height, width, scales[index], angles[index], bool(mirrored[index]))
    images[index], maps[index] = _moved(examples.images[index], examples.labels[index], move)
  maps /= scales.astype(maps.dtype)[:, None, None, None]
  return Examples(jitter(images, rng), maps)


def inverse_map(
  height: int, width: int, scale: float, angle: float, mirrored: bool
) -> tuple[float, float, float, float, float, float]:
  """The affine map from output to input pixels: (a, b, c, d, e, f), x = a X + b Y + c, and so on.

  The turn is one in the scene: pixels of the squares that 4:3 images become are wider than high.

  Args:
    height, width: of the image.
    scale: how much larger things become.
    angle: radians, counter-clockwise as seen.
    mirrored: left becomes right.
  """
  wide = ASPECT * height / width  # width of a pixel over its height, in the scene
  cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
  flip = -1.0 if mirrored else 1.0
  a, b, d, e = cos * flip, -sin / wide, sin * wide * flip, cos
  x, y = width / 2, height / 2
  return a, b, x - a * x - b * y, d, e, y - d * x - e * y


def _moved(
  image: np.ndarray, depth: np.ndarray, move: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
  size = image.shape[1::-1]
  kind = Image.Transform.AFFINE
  moved = Image.fromarray(image).transform(
    size, kind, move, Image.Resampling.BILINEAR, fillcolor=OUTSIDE
  )
  # Nearest: a mean of two depths, or of a depth and none, is the depth of nothing.
  plane = Image.fromarray(depth[:, :, 0].astype(np.float32))
  turned = plane.transform(size, kind, move, Image.Resampling.NEAREST, fillcolor=0)
  return np.asarray(moved), np.asarray(turned)[:, :, None]


def jitter(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
  """Brightness, contrast and saturation of each uint8 image times factors of its own."""
  factors = rng.uniform(1 - JITTER, 1 + JITTER, (3, len(images), 1, 1, 1)).astype(np.float32)
  brightness, contrast, saturation = factors
  pixels = images.astype(np.float32) * brightness
  grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
  mean = grey.mean(axis=(1, 2), keepdims=True)[..., None]
  pixels = mean + (pixels - mean) * contrast
  grey = mean + (grey[..., None] - mean) * contrast
  pixels = grey + (pixels - grey) * saturation
  return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
