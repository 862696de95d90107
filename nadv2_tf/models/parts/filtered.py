"""What convolution and depthwise layers share: mask, norm, activation, bypass; and their cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from nadv2_tf.layers import MaskedBatchNorm, channel_mask, downsample, join_bypass
from nadv2_tf.layers.batch_norm import EPSILON
from nadv2_tf.models.parts.activations import activate, activation_layer
from nadv2_tf.spec import channels as channel_rules

if TYPE_CHECKING:
  from collections.abc import Mapping
  from typing import Any

  import numpy as np

  from nadv2_tf.spec.blocks import Filters
  from nadv2_tf.types import Tensor


def masked_norm(arguments: Mapping[str, Any]) -> MaskedBatchNorm:
  """The batch norm of a layer of the super-network."""
  # Moments of half-precision features are taken in the variables' own precision.
  dtype = keras.config.dtype_policy().variable_dtype
  return MaskedBatchNorm(**arguments, name="norm", dtype=dtype)


class SuperFiltered(keras.layers.Layer):
  """A searched layer of the super-network. Subclasses give the kernel and the convolution.

  Args:
    filters: the layer's `Filters`, at full width.
    width_column: column of `widths` with the kept filters; None if the width is fixed.
    kernel_column: column of `widths` with the kernel size; None if it is fixed.
    norm: keyword arguments of `MaskedBatchNorm`.
  """

  def __init__(
    self,
    filters: Filters,
    width_column: int | None,
    kernel_column: int | None,
    norm: Mapping[str, Any],
    **kwargs: Any,
  ) -> None:
    super().__init__(**kwargs)
    self.filters = filters
    self.width_column = width_column
    self.kernel_column = kernel_column
    self.norm = masked_norm(norm) if filters.batch_norm else None

  def kept_filters(self, live: Tensor, widths: Tensor) -> Tensor:
    """int32 [batch]: how many filters of each image work."""
    if self.width_column is None:
      return ops.full_like(live, self.filters.kept)
    return widths[:, self.width_column]

  def bypass_cap(self) -> int | None:
    return self.filters.bypass_cap

  def live_channels(self, live: Tensor, kept: Tensor) -> Tensor:
    return channel_rules.output_channels(live, self.bypass_cap(), kept, ops.minimum, ops.maximum)

  def call(
    self, features: Tensor, live: Tensor, widths: Tensor, training: bool = False
  ) -> tuple[Tensor, Tensor]:
    """The layer on every image at its own width.

    Args:
      features: [batch, height, width, channels], zero from each image's live width on.
      live: int32 [batch], live channels C.
      widths: int32 [batch, decisions], rows of `SearchSpace.encode`.
      training: see `MaskedBatchNorm`.

    Returns:
      (features, live) of the output, with the same guarantees.
    """
    kept = self.kept_filters(live, widths)
    convolved = self.convolve(features, widths)
    mask = channel_mask(kept, convolved.shape[-1], convolved.dtype)
    if self.norm is None:
      filtered = _scaled(convolved, mask, self.bias * mask)
    else:
      filtered = normalised(self.norm, convolved, mask, training)
    filtered = activate(filtered, self.filters.activation)
    out = join_bypass(filtered, features, mask, self.bypass_cap(), self.filters.stride)
    return out, self.live_channels(live, kept)

  def build_norm_or_bias(self, channels: int) -> None:
    if self.norm is None:
      self.bias = self.add_weight(name="bias", shape=(channels,), initializer="zeros")
    else:
      self.norm.build((None, None, None, channels), (None, channels))

  def compute_output_spec(
    self, features: Tensor, live: Tensor, widths: Tensor, training: bool = False
  ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Shapes by the channel rule, without tracing the layer."""
    height, width, in_channels = features.shape[1:]
    window = (self.filters.stride, self.filters.kernel, self.filters.padding)
    shape = (
      features.shape[0],
      channel_rules.output_size(height, *window),
      channel_rules.output_size(width, *window),
      channel_rules.output_channels(in_channels, self.bypass_cap(), self.full_filters()),
    )
    return keras.KerasTensor(shape, self.compute_dtype), keras.KerasTensor(live.shape, "int32")


def normalised(norm: MaskedBatchNorm, features: Tensor, mask: Tensor, training: bool) -> Tensor:
  """Batch norm of `features`, and the mask, [batch, channels]."""
  if training and norm.is_written_out and features.dtype == norm.dtype:
    return norm.normalised(features, mask)
  scale, shift = norm(features, mask, training=training)
  return _scaled(features, ops.cast(scale, features.dtype), ops.cast(shift, features.dtype))


def _scaled(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
  """`features` times a scale and plus a shift of each image, [batch, channels]."""
  by_image = (-1, 1, 1, features.shape[-1])
  return features * ops.reshape(scale, by_image) + ops.reshape(shift, by_image)


def finish_stand_alone(
  x: Tensor,
  convolved: Tensor | None,
  filters: Filters,
  kept: int,
  bypass_cap: int | None,
  name: str,
) -> Tensor:
  """Batch norm and activation of the filtered channels, then the bypassed ones beside them.

  Args:
    x: the layer's input, a Keras tensor.
    convolved: its kept filters' output, or None if none is kept.
    filters: the layer's `Filters`.
    kept: number of filters in `convolved`.
    bypass_cap: how many channels of `x` may pass, None for all; those from `kept` on go around.
    name: of the layer.
  """
  if convolved is not None:
    if filters.batch_norm:
      convolved = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_norm")(convolved)
    convolved = activation_layer(convolved, filters.activation, f"{name}_activation")
  return channel_rules.join(
    x,
    convolved,
    kept,
    bypass_cap,
    lambda passed: downsample(passed, filters.stride),
    keras.layers.Concatenate(name=f"{name}_bypass"),
  )


def norm_or_bias(
  super_layer: SuperFiltered, kept: int
) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
  """Batch norm's four arrays cut to the kept filters, or the bias.

  Returns:
    (list of arrays for the convolution beside its kernel, list for the batch norm or None).
  """
  if super_layer.norm is None:
    return [ops.convert_to_numpy(super_layer.bias)[:kept]], None
  return [], norm_arrays(super_layer.norm, kept)


def norm_arrays(norm: MaskedBatchNorm, kept: int) -> list[np.ndarray]:
  """Batch norm's four arrays in Keras's order, cut to the first `kept` channels."""
  arrays = (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
  return [ops.convert_to_numpy(array)[:kept] for array in arrays]
