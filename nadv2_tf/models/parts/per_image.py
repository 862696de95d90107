"""What the super-network does for every image by its own row of widths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from nadv2_tf.layers import pad_channels

if TYPE_CHECKING:
  from collections.abc import Sequence
  from typing import Any

  from nadv2_tf.types import Tensor


class AllRemoved(keras.layers.Layer):
  """bool [batch]: the images whose listed columns of `widths` are all 0."""

  def __init__(self, columns: Sequence[int], **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self.columns = columns

  def call(self, widths: Tensor) -> Tensor:
    removed = widths[:, self.columns[0]] == 0
    for column in self.columns[1:]:
      removed = ops.logical_and(removed, widths[:, column] == 0)
    return removed

  def compute_output_spec(self, widths: Tensor) -> keras.KerasTensor:
    return keras.KerasTensor((widths.shape[0],), "bool")


class Choose(keras.layers.Layer):
  """Per image one of two values, the narrower padded with zero channels."""

  def call(
    self,
    condition: Tensor,
    true_features: Tensor,
    true_live: Tensor,
    false_features: Tensor,
    false_live: Tensor,
  ) -> tuple[Tensor, Tensor]:
    channels = max(true_features.shape[-1], false_features.shape[-1])
    features = ops.where(
      condition[:, None, None, None],
      pad_channels(true_features, channels),
      pad_channels(false_features, channels),
    )
    return features, ops.where(condition, true_live, false_live)


class PaddedAdd(keras.layers.Layer):
  """Residual or skip add; the narrower operand is padded with zero channels."""

  def call(
    self, shortcut: Tensor, shortcut_live: Tensor, features: Tensor, live: Tensor
  ) -> tuple[Tensor, Tensor]:
    channels = max(shortcut.shape[-1], features.shape[-1])
    total = pad_channels(shortcut, channels) + pad_channels(features, channels)
    return total, ops.maximum(shortcut_live, live)


class InputLive(keras.layers.Layer):
  """int32 [batch]: every image starts with all its channels live."""

  def call(self, images: Tensor, widths: Tensor) -> Tensor:
    return ops.full_like(widths[:, 0], images.shape[-1])

  def compute_output_spec(self, images: Tensor, widths: Tensor) -> keras.KerasTensor:
    return keras.KerasTensor((widths.shape[0],), "int32")
