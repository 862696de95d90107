"""Convolution with ordered dropout and bypass: in the super-network, alone, and the cut between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from nadv2_tf.models.parts import filtered
from nadv2_tf.models.parts.padding import keras_padding, pad, pad_layer

if TYPE_CHECKING:
  from typing import Any

  import numpy as np

  from nadv2_tf.spec.blocks import Filters
  from nadv2_tf.spec.shapes import LayerShape
  from nadv2_tf.types import Tensor


class SuperConvolution(filtered.SuperFiltered):
  """Convolution of the super-network; all its kernels have one size."""

  def full_filters(self) -> int:
    return self.filters.kept

  def build(
    self,
    features_shape: tuple[Any, ...],
    live_shape: tuple[Any, ...],
    widths_shape: tuple[Any, ...],
  ) -> None:
    size = self.filters.kernel
    shape = (size, size, features_shape[-1], self.filters.kept)
    self.kernel = self.add_weight(name="kernel", shape=shape, initializer="he_normal")
    self.build_norm_or_bias(shape[-1])

  def convolve(self, features: Tensor, widths: Tensor) -> Tensor:
    padding = self.filters.padding
    return ops.conv(
      pad(features, padding),
      self.kernel,
      strides=self.filters.stride,
      padding=keras_padding(padding),
    )


def stand_alone(x: Tensor, filters: Filters, name: str) -> Tensor:
  """The same layer in plain Keras; `filters.kept` may be 0."""
  convolved = None
  if filters.kept:
    convolved = keras.layers.Conv2D(
      filters.kept,
      filters.kernel,
      filters.stride,
      padding=keras_padding(filters.padding),
      use_bias=not filters.batch_norm,
      kernel_initializer="he_normal",
      name=name,
    )(pad_layer(x, filters.padding, name))
  return filtered.finish_stand_alone(x, convolved, filters, filters.kept, filters.bypass_cap, name)


def sliced_weights(
  super_layer: SuperConvolution, shape: LayerShape
) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
  """(arrays of the Conv2D, arrays of its batch norm or None) for a `LayerShape`."""
  kernel = ops.convert_to_numpy(super_layer.kernel)[:, :, : shape.in_channels, : shape.kept]
  bias, norm = filtered.norm_or_bias(super_layer, shape.kept)
  return [kernel, *bias], norm
