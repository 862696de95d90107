"""Depthwise layer: filter i convolves channel i, channels without a filter pass.

Its kernel is a superkernel. M above the live channels C counts as C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from nadv2_tf.layers import centre_mask
from nadv2_tf.models.parts import filtered
from nadv2_tf.models.parts.padding import keras_padding, pad, pad_layer
from nadv2_tf.spec import channels as channel_rules

if TYPE_CHECKING:
  from typing import Any

  import numpy as np

  from nadv2_tf.spec.blocks import Filters
  from nadv2_tf.spec.shapes import LayerShape
  from nadv2_tf.types import Tensor


class SuperDepthwise(filtered.SuperFiltered):
  """Depthwise layer of the super-network. One kernel size serves the whole batch."""

  def bypass_cap(self) -> int | None:
    return self._cap

  def full_filters(self) -> int:
    return self._full

  def kept_filters(self, live: Tensor, widths: Tensor) -> Tensor:
    kept = super().kept_filters(live, widths)
    return channel_rules.depthwise_kept(live, kept, ops.minimum)

  def build(
    self,
    features_shape: tuple[Any, ...],
    live_shape: tuple[Any, ...],
    widths_shape: tuple[Any, ...],
  ) -> None:
    size, channels = self.filters.kernel, features_shape[-1]
    # A wider expansion bypass can bring more channels than filters, and fewer leave filters idle.
    self._full = channel_rules.depthwise_kept(channels, self.filters.kept)
    # With a filter for every channel, whatever is chosen, nothing goes around it; nor could it if
    # its padding makes an output of another size (see `space_of`).
    self._cap = 0 if self.width_column is None and self._full == channels else None
    shape = (size, size, self._full, 1)
    self.kernel = self.add_weight(name="kernel", shape=shape, initializer="he_normal")
    self.build_norm_or_bias(self._full)

  def convolve(self, features: Tensor, widths: Tensor) -> Tensor:
    mask = None
    if self.kernel_column is not None:
      size = widths[0, self.kernel_column]
      mask = centre_mask(self.filters.kernel, size, self.kernel.dtype)
    return self.filter(features, mask)

  def filter(self, features: Tensor, mask: Tensor | None) -> Tensor:
    """What all filters give, their kernels times `mask`, [kernel, kernel, 1, 1], None for 1."""
    kernel = self.kernel if mask is None else self.kernel * mask
    if self._full < features.shape[-1]:
      features = features[..., : self._full]
    padding = self.filters.padding
    return ops.depthwise_conv(
      pad(features, padding), kernel, strides=self.filters.stride, padding=keras_padding(padding)
    )


def stand_alone(x: Tensor, filters: Filters, name: str) -> Tensor:
  """The same layer in plain Keras; `filters.kept` may be 0 or above the channels of `x`."""
  in_channels = x.shape[-1]
  kept = channel_rules.depthwise_kept(in_channels, filters.kept)
  convolved = None
  if kept:
    convolved = keras.layers.DepthwiseConv2D(
      filters.kernel,
      filters.stride,
      padding=keras_padding(filters.padding),
      use_bias=not filters.batch_norm,
      depthwise_initializer="he_normal",
      name=name,
    )(pad_layer(x if kept == in_channels else x[..., :kept], filters.padding, name))
  return filtered.finish_stand_alone(x, convolved, filters, kept, None, name)


def sliced_weights(
  super_layer: SuperDepthwise, shape: LayerShape
) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
  """(arrays of the DepthwiseConv2D, arrays of its batch norm or None) for a `LayerShape`."""
  centre = channel_rules.kernel_centre(super_layer.filters.kernel, shape.kernel)
  kernel = ops.convert_to_numpy(super_layer.kernel)[centre, centre, : shape.kept]
  bias, norm = filtered.norm_or_bias(super_layer, shape.kept)
  return [kernel, *bias], norm
