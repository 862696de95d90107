"""What happens to training pictures at random, a function of a generator's draws alone."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from nadv2_tf.options.training import AUGMENTATIONS
from nadv2_tf.tasks.autoaugment import autoaugment
from nadv2_tf.tasks.images import as_array, square

if TYPE_CHECKING:
  from nadv2_tf.tasks.examples import Examples

#: share of the picture's area, and width over height, that an Inception crop has
AREA = (0.08, 1.0)
ASPECT = (3 / 4, 4 / 3)
ATTEMPTS = 10


@dataclasses.dataclass(frozen=True)
class Augmentation:
  """How training pictures are augmented.

  Attributes:
    kind: "shift" mirrors half of the pictures and moves them by up to `shift` pixels; "inception"
      cuts a rectangle of random size and aspect, scales it to the network's input and mirrors
      half; "autoaugment" applies a sub-policy of AutoAugment after that.
    shift: in pixels; 0 only mirrors.
    mirror: False for pictures that mean something else mirrored: digits, text, signs.

  Source: Szegedy et al., Going Deeper with Convolutions, CVPR 2015, section 6 (the crop).

  Raises:
    ValueError: for another kind.
  """

  kind: str = "shift"
  shift: int = 1
  mirror: bool = True

  def __post_init__(self) -> None:
    if self.kind not in AUGMENTATIONS:
      raise ValueError(
        f"--augmentation must be one of {', '.join(AUGMENTATIONS)}, got {self.kind!r}."
      )

  @property
  def is_by_picture(self) -> bool:
    """Whether `picture` draws; else all that is random happens in `batch`."""
    return self.kind != "shift"

  def picture(self, picture: Image.Image, size: int, rng: np.random.Generator) -> np.ndarray:
    """A whole Pillow picture as uint8 [size, size, channels]."""
    if not self.is_by_picture:
      return square(picture, size)
    box = crop_box(*picture.size, rng)
    picture = picture.resize((size, size), Image.Resampling.BILINEAR, box)
    if rng.random() < 0.5 and self.mirror:
      picture = ImageOps.mirror(picture)
    return as_array(autoaugment(picture, rng) if self.kind == "autoaugment" else picture)

  def batch(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8 [batch, height, width, channels] that `picture` made, augmented."""
    return images if self.is_by_picture else flip_and_shift(images, rng, self.shift, self.mirror)

  def examples(self, examples: Examples, rng: np.random.Generator) -> Examples:
    """`Examples` whose images `picture` made, augmented."""
    return dataclasses.replace(examples, images=self.batch(examples.images, rng))


def crop_box(width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
  """(left, top, right, bottom) of an Inception crop; the largest centred one if none fits."""
  for _ in range(ATTEMPTS):
    area = rng.uniform(*AREA) * width * height
    aspect = math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
    across, down = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
    if 0 < across <= width and 0 < down <= height:
      left, top = int(rng.integers(width - across + 1)), int(rng.integers(height - down + 1))
      return left, top, left + across, top + down
  across = min(width, max(round(height * ASPECT[1]), 1))
  down = min(height, max(round(width / ASPECT[0]), 1))
  left, top = (width - across) // 2, (height - down) // 2
  return left, top, left + across, top + down


def flip_and_shift(
  images: np.ndarray, rng: np.random.Generator, shift: int, mirror: bool = True
) -> np.ndarray:
  """Augments uint8 images: mirrored half of the time, moved by up to `shift` pixels.

  Args:
    images: [batch, height, width, channels].
    rng: NumPy generator.
    shift: largest move along each axis; what moves in is zero.
    mirror: False mirrors none; what else is drawn stays the same.
  """
  count, height, width, _ = images.shape
  is_mirrored = rng.random((count, 1, 1, 1)) < 0.5
  if mirror:
    images = np.where(is_mirrored, images[:, :, ::-1], images)
  if not shift:
    return images
  padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
  windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
  rows, columns = rng.integers(0, 2 * shift + 1, (2, count))
  return windows[np.arange(count), rows, columns].transpose(0, 2, 3, 1)
