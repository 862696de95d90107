"""A plain Keras network that trains with TensorFlow's fused batch norm, on the same variables.

Keras 3 takes moments and normalises in a dozen passes over the features, forward and back; one
operator does the same in two. The network that is kept stays one of Keras's own layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import tensorflow as tf

if TYPE_CHECKING:
  from nadv2_tf.types import Tensor


class FusedBatchNorm(keras.layers.Layer):
  """Runs a `keras.layers.BatchNormalization` of images in training with one operator.

  Args:
    norm: the layer, built. Its variables, momentum and epsilon are read whenever this is traced.
  """

  def __init__(self, norm: keras.layers.BatchNormalization) -> None:
    super().__init__(name=norm.name, dtype=norm.dtype_policy)
    self.norm = norm

  def call(self, features: Tensor, training: bool = False, mask: Tensor | None = None) -> Tensor:
    norm = self.norm  # `mask` is Keras's word for it; images have none
    # Inference has nothing to gain, and what spans replicas takes its moments across them.
    if not training or norm.synchronized:
      return norm(features, training=training)
    normalised, mean, variance = batch_norm(
      tf.cast(features, tf.float32),
      tf.convert_to_tensor(norm.gamma),
      tf.convert_to_tensor(norm.beta),
      norm.epsilon,
    )
    for average, value in ((norm.moving_mean, mean), (norm.moving_variance, variance)):
      average.assign(average * norm.momentum + value * (1.0 - norm.momentum))
    return tf.cast(normalised, self.compute_dtype)

  def compute_output_spec(
    self, features: Tensor, training: bool = False, mask: Tensor | None = None
  ) -> keras.KerasTensor:
    return keras.KerasTensor(features.shape, self.compute_dtype)


def batch_norm(
  features: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
  """(normalised features, mean, biased variance) by the batch's own statistics.

  Args:
    features: float32 [batch, height, width, channels].
    gamma, beta: float32 [channels].
    epsilon: beside the variance.
  """
  normalised, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
    x=features,
    scale=gamma,
    offset=beta,
    mean=tf.zeros([0]),
    variance=tf.zeros([0]),
    epsilon=epsilon,
    is_training=True,
  )
  # The operator normalises by the biased variance, and returns the unbiased one. What has a single
  # value for each channel has no unbiased one: the operator then divides by 1.
  count = tf.cast(tf.size(features) // tf.size(gamma), features.dtype)
  return normalised, mean, variance * (count - 1.0) / count


def with_fused_norms(model: keras.Model) -> keras.Model:
  """`model` as it is trained: the same layers and variables, its batch norms fused.

  Args:
    model: a Keras model; one without batch norms of Keras's own, such as a super-network, is
      returned as it is.
  """
  if not any(_can_be_fused(layer) for layer in model.layers):
    return model

  def fused(layer: keras.layers.Layer) -> keras.layers.Layer:
    return FusedBatchNorm(layer) if _can_be_fused(layer) else layer

  return keras.models.clone_model(model, clone_function=fused)


def _can_be_fused(layer: keras.layers.Layer) -> bool:
  return (
    isinstance(layer, keras.layers.BatchNormalization)
    and layer.trainable  # a frozen one keeps its statistics
    and layer.axis in (-1, 3)
    and layer.gamma is not None
    and layer.beta is not None
    and not layer.renorm
    and len(layer.input.shape) == 4
  )
