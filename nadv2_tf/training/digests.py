"""Numbers that other weights, and what else scores depend on, hardly share."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  from typing import Any

  import keras

  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.stream import StreamedExamples


def digest_of(
  model: keras.Model, holdout: Examples, calibration: Examples | StreamedExamples | str | None
) -> dict[str, Any]:
  """{"weights", "holdout", "calibration": numbers that others hardly have}.

  Args:
    model: the super-network.
    holdout: `Examples`.
    calibration: `Examples`, or what stands for them.
  """
  told: Any = calibration
  if calibration is not None and not isinstance(calibration, str):
    told = calibration.digest()
  return {
    "weights": weights_checksum(model),
    "holdout": holdout.digest(),
    "calibration": told,
  }


def weights_checksum(model: keras.Model) -> int:
  """A number that other weights hardly have."""
  checksum = 0
  for array in model.get_weights():
    checksum = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data, checksum)
  return checksum
