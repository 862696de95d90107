"""AutoAugment's published policy for ImageNet, with Pillow.

Source: Cubuk et al., AutoAugment: Learning Augmentation Strategies from Data, CVPR 2019: the
policy is the appendix's table for ImageNet, the ranges of the magnitudes are those of the table of
operations. A magnitude m stands for the tenth m of its range, as in the authors' released code,
where signed operations draw their sign and what moves in is grey. Keras has no such layer
(RandAugment and AugMix are other policies).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageEnhance, ImageOps

if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import Any

  import numpy as np

GREY = 128

#: every sub-policy: two operations, each with its probability and its magnitude
POLICY = (
  ("posterize 0.4 8", "rotate 0.6 9"),
  ("solarize 0.6 5", "autocontrast 0.6 5"),
  ("equalize 0.8 8", "equalize 0.6 3"),
  ("posterize 0.6 7", "posterize 0.6 6"),
  ("equalize 0.4 7", "solarize 0.2 4"),
  ("equalize 0.4 4", "rotate 0.8 8"),
  ("solarize 0.6 3", "equalize 0.6 7"),
  ("posterize 0.8 5", "equalize 1.0 2"),
  ("rotate 0.2 3", "solarize 0.6 8"),
  ("equalize 0.6 8", "posterize 0.4 6"),
  ("rotate 0.8 8", "color 0.4 0"),
  ("rotate 0.4 9", "equalize 0.6 2"),
  ("equalize 0.0 7", "equalize 0.8 8"),
  ("invert 0.6 4", "equalize 1.0 8"),
  ("color 0.6 4", "contrast 1.0 8"),
  ("rotate 0.8 8", "color 1.0 2"),
  ("color 0.8 8", "solarize 0.8 7"),
  ("sharpness 0.4 7", "invert 0.6 8"),
  ("shear_x 0.6 5", "equalize 1.0 9"),
  ("color 0.4 0", "equalize 0.6 3"),
  ("equalize 0.4 7", "solarize 0.2 4"),
  ("solarize 0.6 5", "autocontrast 0.6 5"),
  ("invert 0.6 4", "equalize 1.0 8"),
  ("color 0.6 4", "contrast 1.0 8"),
  ("equalize 0.8 8", "equalize 0.6 3"),
)


def _signed(value: float, rng: np.random.Generator) -> float:
  return value if rng.random() < 0.5 else -value


def _fill(picture: Image.Image) -> tuple[int, ...]:
  return (GREY,) * len(picture.getbands())


def _rotate(picture: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
  return picture.rotate(_signed(30 * share, rng), fillcolor=_fill(picture))


def _shear_x(picture: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
  matrix = (1, _signed(0.3 * share, rng), 0, 0, 1, 0)
  return picture.transform(picture.size, Image.Transform.AFFINE, matrix, fillcolor=_fill(picture))


def _posterize(picture: Image.Image, share: float, unused_rng: Any) -> Image.Image:
  return ImageOps.posterize(picture, 4 + int(4 * share))  # bits that are kept, 4 to 8


def _solarize(picture: Image.Image, share: float, unused_rng: Any) -> Image.Image:
  return ImageOps.solarize(picture, int(256 * share))  # inverts what is at or above


def _enhanced(
  enhancer: Callable[[Image.Image], Any],
) -> Callable[[Image.Image, float, Any], Image.Image]:
  """0.1 (grey, flat, blurred) to 1.9; 1 leaves a picture as it is."""
  return lambda picture, share, unused_rng: enhancer(picture).enhance(0.1 + 1.8 * share)


#: operation(picture, share of its range in [0, 1], rng)
OPERATIONS: dict[str, Callable[[Image.Image, float, np.random.Generator], Image.Image]] = {
  "shear_x": _shear_x,
  "rotate": _rotate,
  "posterize": _posterize,
  "solarize": _solarize,
  "color": _enhanced(ImageEnhance.Color),
  "contrast": _enhanced(ImageEnhance.Contrast),
  "sharpness": _enhanced(ImageEnhance.Sharpness),
  "autocontrast": lambda picture, share, rng: ImageOps.autocontrast(picture),
  "equalize": lambda picture, share, rng: ImageOps.equalize(picture),
  "invert": lambda picture, share, rng: ImageOps.invert(picture),
}


def autoaugment(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
  """A Pillow picture, "RGB" or "L", after a sub-policy drawn at random.

  Args:
    picture: left as it is.
    rng: NumPy generator.
  """
  for step in POLICY[rng.integers(len(POLICY))]:
    name, probability, magnitude = step.split()
    if rng.random() < float(probability):
      picture = OPERATIONS[name](picture, int(magnitude) / 10, rng)
  return picture
