"""Channel-level bypass: a removed filter lets its input channel through.

Source: NetAdaptV2, section 2.2, Figs. 3 and 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import ops

if TYPE_CHECKING:
  from nadv2_tf.types import Tensor

BYPASS_POOL = 2


def downsample(features: Tensor, stride: int) -> Tensor:
  """How bypassed channels cross a layer of `stride`: 2x2 average pool, no MACs.

  The paper does not say how; a pool keeps all of the signal (centre taps would drop three of four
  positions) and is one ordinary operator on a phone.
  """
  if stride == 1:
    return features
  return ops.average_pool(features, BYPASS_POOL, strides=stride, padding="same")


def pad_channels(features: Tensor, channels: int) -> Tensor:
  """Appends zero channels up to `channels`."""
  missing = channels - features.shape[-1]
  if missing == 0:
    return features
  return ops.pad(features, ((0, 0), (0, 0), (0, 0), (0, missing)))


def join_bypass(
  filtered: Tensor, features: Tensor, keep_mask: Tensor, bypass_cap: int | None, stride: int
) -> Tensor:
  """Output of a layer with bypass, when filtered channels that are dropped are already 0.

  Args:
    filtered: [batch, h, w, filters], zero from each image's kept width on.
    features: the layer's input, [batch, H, W, channels], zero from the live width on.
    keep_mask: [batch, filters], 1 where a filter is kept.
    bypass_cap: T; None for no cap, 0 for no bypass.
    stride: of the layer.

  Returns:
    [batch, h, w, max(min(channels, T), filters)].
  """
  channels, filters = features.shape[-1], filtered.shape[-1]
  reach = channels if bypass_cap is None else min(channels, bypass_cap)
  if reach == 0:
    return filtered
  dropped = 1.0 - (keep_mask if reach >= filters else keep_mask[:, :reach])
  if reach > filters:
    dropped = ops.pad(dropped, ((0, 0), (0, reach - filters)), constant_values=1.0)
  passed = features if reach == channels else features[..., :reach]
  passed = downsample(passed, stride) * ops.reshape(dropped, (-1, 1, 1, reach))
  return pad_channels(filtered, max(reach, filters)) + pad_channels(passed, max(reach, filters))
