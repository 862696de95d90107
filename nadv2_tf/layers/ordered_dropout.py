"""Ordered dropout: the last channels of each image are zeroed, each image at its own width.

Source: NetAdaptV2, section 2.3 and Fig. 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from keras import ops

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.types import Tensor


def channel_mask(kept_channels: Tensor, channels: int, dtype: Any = "float32") -> Tensor:
  """1 for the first `kept_channels` of each example, 0 for the rest.

  Args:
    kept_channels: int32 tensor, [batch], each in [0, channels].
    channels: length of the channel axis.
    dtype: of the result.

  Returns:
    [batch, channels].
  """
  index = np.arange(channels, dtype=np.int32)  # a constant of the graph, not four operations
  return ops.cast(index < ops.expand_dims(kept_channels, 1), dtype)


def keep_first_channels(features: Tensor, kept_channels: Tensor) -> Tensor:
  """Zeroes every channel after the first `kept_channels` of each example.

  Args:
    features: float tensor, [batch, height, width, channels].
    kept_channels: int32 tensor, [batch], each in [0, channels].

  Returns:
    Same shape and dtype as `features`. Nothing is rescaled.

  Raises:
    ValueError: if the channel count is unknown when the graph is built.

  Source: NetAdaptV2, section 2.3.
  """
  channels = features.shape[-1]
  if channels is None:
    raise ValueError(
      f"Ordered dropout needs a known channel count, got shape {tuple(features.shape)}."
    )
  mask = channel_mask(kept_channels, channels, features.dtype)
  return features * mask[:, None, None, :]
