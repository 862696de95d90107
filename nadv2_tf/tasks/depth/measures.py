"""How far predicted depths are from measured ones.

Each measure is taken over the valid pixels of one image, and then averaged over the images, as
FastDepth's evaluation does, whose code NetAdaptV2's figures come from. `RMSE of all pixels` is that
of Eigen et al. (2014), who take the pixels of all images together; it is never the smaller one for
images of equally many valid pixels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  from collections.abc import Iterable

#: predictions below this many metres count as this much; the logarithm of 0 is no measure
SMALLEST_M = 1e-3
#: a pixel is right within this factor, within its square, within its cube
FACTOR = 1.25

RMSE, RMSE_OF_ALL = "RMSE (m)", "RMSE of all pixels (m)"
DELTAS = ("delta1", "delta2", "delta3")
REL, LOG10 = "REL", "log10"


@dataclasses.dataclass(frozen=True)
class DepthEvaluation:
  """Measures of a network; `accuracy` is delta1.

  Attributes:
    examples: images with at least one valid pixel; others do not count.
    accuracy: share of pixels within a factor of 1.25, in [0, 1].
    measures: {title: value}, see `image_measures`.
  """

  examples: int
  accuracy: float
  measures: dict[str, float]


def image_measures(truth: np.ndarray, prediction: np.ndarray) -> dict[str, np.ndarray]:
  """The measures of each image.

  Args:
    truth: metres, [images, height, width, 1]; 0 where there is no depth.
    prediction: metres, of the same shape.

  Returns:
    {title: float64 [images]}, NaN for an image without depth; and the mean squared error and the
    number of valid pixels of each image.
  """
  if truth.shape != prediction.shape:
    raise ValueError(
      f"Depth maps of {list(truth.shape)} cannot be compared with outputs of "
      f"{list(prediction.shape)}."
    )
  rows = [_of_one(*pair) for pair in zip(truth, prediction, strict=True)]
  titles = (RMSE, *DELTAS, REL, LOG10, "squared error", "pixels")
  return dict(zip(titles, np.array(rows, np.float64).reshape(-1, len(titles)).T, strict=True))


def _of_one(truth, prediction):
  valid = truth > 0
  if not valid.any():
    return [np.nan] * 7 + [0]
  true = truth[valid].astype(np.float64)
  # np.maximum passes NaN on, and NaN is within no factor.
  predicted = np.maximum(prediction[valid].astype(np.float64), SMALLEST_M)
  difference = predicted - true
  factor = np.maximum(predicted / true, true / predicted)
  squared = np.mean(difference**2)
  return [
    np.sqrt(squared),
    *(np.mean(factor < FACTOR**power) for power in (1, 2, 3)),
    np.mean(np.abs(difference) / true),
    np.mean(np.abs(np.log10(predicted) - np.log10(true))),
    squared,
    len(true),
  ]


def evaluate_maps(batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> DepthEvaluation:
  """`DepthEvaluation` of pairs (predictions, truth), batch by batch.

  Raises:
    ValueError: if no image has a valid pixel.
  """
  parts = [image_measures(truth, prediction) for prediction, truth in batches]
  merged = {title: np.concatenate([part[title] for part in parts]) for title in parts[0]}
  pixels, squared = merged.pop("pixels"), merged.pop("squared error")
  counted = pixels > 0
  if not counted.any():
    raise ValueError("No depth map has a valid pixel; there is nothing to measure with.")
  measures = {title: float(values[counted].mean()) for title, values in merged.items()}
  pooled = np.average(squared[counted], weights=pixels[counted])
  measures[RMSE_OF_ALL] = float(np.sqrt(pooled))
  return DepthEvaluation(int(counted.sum()), measures[DELTAS[0]], measures)
