"""Ordered dropout, channel bypass, superkernel and batch norm, in `keras.ops` only."""

from nadv2_tf.layers.batch_norm import MaskedBatchNorm
from nadv2_tf.layers.channel_bypass import downsample, join_bypass, pad_channels
from nadv2_tf.layers.ordered_dropout import channel_mask, keep_first_channels
from nadv2_tf.layers.superkernel import centre_mask

__all__ = [
  "MaskedBatchNorm",
  "centre_mask",
  "channel_mask",
  "downsample",
  "join_bypass",
  "keep_first_channels",
  "pad_channels",
]
