"""Convolution with ordered dropout and bypass: in the super-network, alone, and the cut between."""

import keras
from keras import ops

from nadv2_tf.models.parts import filtered


class SuperConvolution(filtered.SuperFiltered):
  """Convolution of the super-network; all its kernels have one size."""

  def full_filters(self):
    return self.filters.kept

  def build(self, features_shape, live_shape, widths_shape):
    size = self.filters.kernel
    shape = (size, size, features_shape[-1], self.filters.kept)
    self.kernel = self.add_weight(name="kernel", shape=shape, initializer="he_normal")
    if self.norm is None:
      self.bias = self.add_weight(name="bias", shape=shape[-1:], initializer="zeros")
    else:
      self.norm.build((None, None, None, shape[-1]), (None, shape[-1]))

  def convolve(self, features, widths):
    return ops.conv(features, self.kernel, strides=self.filters.stride, padding="same")


def stand_alone(x, filters, name):
  """The same layer in plain Keras; `filters.kept` may be 0."""
  convolved = None
  if filters.kept:
    convolved = keras.layers.Conv2D(
      filters.kept,
      filters.kernel,
      filters.stride,
      padding="same",
      use_bias=not filters.batch_norm,
      kernel_initializer="he_normal",
      name=name,
    )(x)
  in_channels = x.shape[-1]
  cap = in_channels if filters.bypass_cap is None else min(in_channels, filters.bypass_cap)
  return filtered.finish_stand_alone(x, convolved, filters, filters.kept, cap, name)


def sliced_weights(super_layer, shape):
  """(arrays of the Conv2D, arrays of its batch norm or None) for a `LayerShape`."""
  kernel = ops.convert_to_numpy(super_layer.kernel)[:, :, : shape.in_channels, : shape.kept]
  bias, norm = filtered.norm_or_bias(super_layer, shape.kept)
  return [kernel, *bias], norm
