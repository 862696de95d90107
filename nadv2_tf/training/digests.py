"""Numbers that other weights, and what else scores depend on, hardly share."""

import zlib

import numpy as np


def digest_of(model, holdout, calibration):
  """{"weights", "holdout", "calibration": numbers that others hardly have}.

  Args:
    model: the super-network.
    holdout: `Examples`.
    calibration: `Examples`, or what stands for them.
  """
  return {
    "weights": weights_checksum(model),
    "holdout": holdout.digest(),
    "calibration": calibration.digest() if hasattr(calibration, "digest") else calibration,
  }


def weights_checksum(model):
  """A number that other weights hardly have."""
  checksum = 0
  for array in model.get_weights():
    checksum = zlib.crc32(np.ascontiguousarray(array), checksum)
  return checksum
