"""The classifier: a fixed 1x1 convolution on pooled features, logits out.

On features that were not pooled it is a convolution over all pixels (a Dense layer behind Flatten).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras
from keras import ops

if TYPE_CHECKING:
  from typing import Any

  import numpy as np

  from nadv2_tf.spec.shapes import LayerShape
  from nadv2_tf.types import Tensor


class SuperClassifier(keras.layers.Layer):
  """Classifier of the super-network; dead channels are 0 and add nothing.

  Its kernel is [channels, classes], or [pixels, channels, classes] where there are several pixels.
  """

  def __init__(self, classes: int, **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self.classes = classes

  def build(self, features_shape: tuple[Any, ...]) -> None:
    self.pixels = math.prod(features_shape[1:3])
    shape = (*((self.pixels,) if self.pixels > 1 else ()), features_shape[-1], self.classes)
    self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform")
    self.bias = self.add_weight(name="bias", shape=(self.classes,), initializer="zeros")

  def call(self, features: Tensor) -> Tensor:
    """Logits, [batch, classes], of `features`, [batch, height, width, channels]."""
    return products(features, self.kernel, self.pixels) + self.bias

  def compute_output_spec(self, features: Tensor) -> keras.KerasTensor:
    return keras.KerasTensor((features.shape[0], self.classes), features.dtype)


def products(features: Tensor, kernel: Tensor, pixels: int) -> Tensor:
  """`features`, [batch, height, width, channels], times a kernel of `SuperClassifier`."""
  if pixels == 1:
    return ops.matmul(features[:, 0, 0, :], kernel)
  flat = ops.reshape(features, (ops.shape(features)[0], pixels, -1))
  return ops.einsum("bpc,pck->bk", flat, kernel)


def stand_alone(x: Tensor, classes: int, name: str) -> Tensor:
  """The same in plain Keras, over all pixels of `x` side by side."""
  logits = keras.layers.Conv2D(classes, tuple(x.shape[1:3]), name=name)(x)
  return keras.layers.Flatten(name="logits")(logits)


def sliced_weights(super_layer: SuperClassifier, shape: LayerShape) -> list[np.ndarray]:
  """Arrays of the convolution for a `LayerShape`."""
  kernel = ops.convert_to_numpy(super_layer.kernel)[..., : shape.in_channels, :]
  size = (shape.in_height, shape.in_width, *kernel.shape[-2:])
  return [kernel.reshape(size), ops.convert_to_numpy(super_layer.bias)]
