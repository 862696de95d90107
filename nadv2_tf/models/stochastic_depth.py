"""Stochastic depth: in training, some images skip a block's residual branch.

Source: Huang et al., Deep Networks with Stochastic Depth, ECCV 2016, section 3 (the linear rule).
What is kept is scaled up in training, so that inference needs no change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

if TYPE_CHECKING:
  from nadv2_tf.spec import NetworkSpec


def branch_rates(network: NetworkSpec, rate: float) -> dict[int, float]:
  """{index of a block with a residual add: share of images that skip its branch}.

  The share rises linearly with the block's number, up to `rate` in the last. Blocks whose widths
  are all 0 count, so a block has the same share in every sub-network.

  Raises:
    ValueError: for a rate outside [0, 1).
  """
  if not 0 <= rate < 1:
    raise ValueError(f"--stochastic_depth must be at least 0 and below 1, got {rate}.")
  residual = [i for i, block in enumerate(network.blocks) if getattr(block, "residual", False)]
  if not rate:
    return {}
  return {block: rate * number / len(residual) for number, block in enumerate(residual, start=1)}


def drop_branches(rate: float, name: str) -> keras.layers.Dropout:
  """A Keras layer that zeroes the branch of some images; a plain `Dropout` in saved files."""
  return keras.layers.Dropout(rate, noise_shape=(None, 1, 1, 1), name=name)
