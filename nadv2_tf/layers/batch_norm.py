"""Batch norm for a batch in which every image is another sub-network.

Statistics are taken per group of images: one group is the paper's form (the mixture of all
sub-networks); with a sub-network per group, each is normalised by its own statistics, as it will
be when it is deployed. The normalisation is returned as a scale and a shift per image, with the
ordered-dropout mask folded in: every activation used here maps 0 to 0, so masking before it is
masking after it, and ordered dropout costs no pass over the features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.types import Tensor

EPSILON = 1e-3
STATISTICS = ("mixture", "live")
INFERENCE = ("moving", "batch")


class MaskedBatchNorm(keras.layers.Layer):
  """Scale and shift per image and channel of batch norm under ordered dropout.

  Args:
    groups: how many equal groups the batch falls into, each with statistics of its own.
    statistics: "mixture" takes every image of a group, "live" only those that keep the channel.
    inference: "moving" normalises by running averages when not training; "batch" by the batch as a
      whole, whose images should all be of one sub-network. The default is "moving" for one group
      and "batch" for several: averages over groups of other sub-networks are those of none.
    momentum: of the running averages.
    synchronized: whether the one group spans all replicas of a tf.distribute strategy in training;
      needs "mixture". Several groups never span replicas.
  """

  def __init__(
    self,
    groups: int = 1,
    statistics: str = "mixture",
    inference: str | None = None,
    momentum: float = 0.99,
    synchronized: bool = False,
    **kwargs: Any,
  ) -> None:
    super().__init__(**kwargs)
    if inference is None:
      inference = "moving" if groups == 1 else "batch"
    if statistics not in STATISTICS or inference not in INFERENCE:
      raise ValueError(
        f"statistics must be one of {STATISTICS} and inference one of {INFERENCE}, got "
        f"{statistics!r} and {inference!r}."
      )
    if synchronized and (groups != 1 or statistics != "mixture"):
      raise ValueError(
        "synchronized statistics need one group and statistics 'mixture', got "
        f"{groups} groups and {statistics!r}."
      )
    self.synchronized = synchronized
    self.groups = groups
    self.statistics = statistics
    self.inference = inference
    self.momentum = momentum

  def build(self, features_shape: tuple[Any, ...], keep_shape: tuple[Any, ...]) -> None:
    channels = (features_shape[-1],)
    self.gamma = self.add_weight(name="gamma", shape=channels, initializer="ones")
    self.beta = self.add_weight(name="beta", shape=channels, initializer="zeros")
    self.moving_mean = self._statistic("moving_mean", channels, "zeros")
    self.moving_variance = self._statistic("moving_variance", channels, "ones")

  def _statistic(self, name: str, shape: tuple[Any, ...], initializer: str) -> Any:
    return self.add_weight(
      name=name, shape=shape, initializer=initializer, trainable=False, aggregation="mean"
    )

  def call(self, features: Tensor, keep: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
    """Scale and shift, both [batch, channels].

    Args:
      features: [batch, height, width, channels], before normalisation.
      keep: [batch, channels], 1 where a channel is kept. (Keras treats an argument `mask` apart.)
      training: use the batch's statistics and move the running averages.
    """
    channels = features.shape[-1]
    if not training and self.inference == "moving":
      scale = self.gamma * ops.rsqrt(self.moving_variance + EPSILON)
      return scale * keep, (self.beta - self.moving_mean * scale) * keep
    by_group = (self.groups if training else 1, -1, channels)
    keep = ops.reshape(keep, by_group)
    mean, variance = self._moments(features, keep, by_group, training and self.synchronized)
    if training:
      self._move(mean, variance)
    scale = self.gamma * ops.rsqrt(variance + EPSILON)
    shift = self.beta - mean * scale
    return ops.reshape(scale * keep, (-1, channels)), ops.reshape(shift * keep, (-1, channels))

  def of_batch(self, features: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shift, [channels], by the statistics of images that are of one network.

    Args:
      features: [batch, height, width, channels], before normalisation; nothing is masked.
    """
    mean, variance = self._moments(features, None, (1, -1, features.shape[-1]), False)
    scale = self.gamma * ops.rsqrt(variance[0, 0] + EPSILON)
    return scale, self.beta - mean[0, 0] * scale

  def normalised(self, features: Tensor, keep: Tensor) -> Tensor:
    """Features normalised by their group's statistics and masked, for training.

    The same as `features` times the scale of `call` plus its shift, with the gradient written out:
    what a framework derives by itself is three times as many operations.

    Args:
      features: float32 [batch, height, width, channels].
      keep: [batch, channels].
    """
    by_group = (self.groups, -1, features.shape[-1])
    together = ops.stop_gradient(ops.reshape(features, by_group))
    mean = ops.mean(together, axis=1, keepdims=True)
    variance = ops.mean(ops.square(together), axis=1, keepdims=True) - ops.square(mean)
    variance = ops.maximum(variance, 0.0)
    self._move(mean, variance)
    # Reshaped, for TensorFlow lets no variable into a function with a gradient of its own.
    gamma, beta = (ops.reshape(weights, (1, 1, -1)) for weights in (self.gamma, self.beta))
    return _normalised(features, keep, gamma, beta, mean, ops.rsqrt(variance + EPSILON))

  @property
  def is_written_out(self) -> bool:
    """Whether `normalised` can be used in training."""
    return self.statistics == "mixture" and not self.synchronized

  def _moments(
    self, features: Tensor, keep: Tensor | None, by_group: tuple[int, ...], synchronized: bool
  ) -> tuple[Tensor, Tensor]:
    """Mean and variance of every group, [groups, 1, channels]; `keep` None: of all images."""
    # Per image first: one pass over the features, then a few numbers per group.
    mean = ops.reshape(ops.mean(features, axis=(1, 2)), by_group)
    square = ops.reshape(ops.mean(ops.square(features), axis=(1, 2)), by_group)
    if self.statistics == "live" and keep is not None:
      # A channel that no image of the group keeps falls back on all of them: it is masked anyway.
      live = ops.any(keep > 0, axis=1, keepdims=True)
      weight = ops.where(live, keep, ops.ones_like(keep))
      weight = weight / ops.sum(weight, axis=1, keepdims=True)
      mean = ops.sum(mean * weight, axis=1, keepdims=True)
      square = ops.sum(square * weight, axis=1, keepdims=True)
    elif synchronized:
      both = ops.concatenate([mean, square], axis=-1)
      both, _ = ops.moments(both, axes=1, keepdims=True, synchronized=True)
      mean, square = ops.split(both, 2, axis=-1)
    else:
      mean = ops.mean(mean, axis=1, keepdims=True)
      square = ops.mean(square, axis=1, keepdims=True)
    return mean, ops.maximum(square - ops.square(mean), 0.0)

  def _move(self, mean: Tensor, variance: Tensor) -> None:
    for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
      value = ops.stop_gradient(ops.mean(value, axis=(0, 1)))
      average.assign(average * self.momentum + value * (1.0 - self.momentum))


def _normalised(
  features: Tensor, keep: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, inverse: Tensor
) -> Tensor:
  """See `MaskedBatchNorm.normalised`.

  Gamma and beta are [1, 1, channels], mean and inverse standard deviation [groups, 1, channels].

  Ioffe and Szegedy, Batch Normalization, 2015, section 3, have the gradient; here it is of groups.
  """
  groups, channels = mean.shape[0], features.shape[-1]
  by_group, by_image = (groups, -1, channels), (-1, 1, 1, channels)

  @ops.custom_gradient
  def normalise(features, keep, gamma, beta, mean, inverse):
    scale = gamma * inverse
    shift = beta - mean * scale
    kept = ops.reshape(keep, by_group)
    by_images = [ops.reshape(value * kept, by_image) for value in (scale, shift)]

    def gradient(*upstreams, upstream=None):
      (given,) = upstreams if upstream is None else (upstream,)
      given = given * ops.reshape(keep, by_image)
      together, given = ops.reshape(features, by_group), ops.reshape(given, by_group)
      sums = ops.sum(given, axis=1, keepdims=True)
      # Of the gradient with the centred, scaled features.
      scaled = inverse * (ops.sum(given * together, axis=1, keepdims=True) - mean * sums)
      count = ops.cast(ops.shape(together)[1], given.dtype)
      # scale * (given - sums / n - (features - mean) * inverse * scaled / n), sorted by features.
      slope = -scale * inverse * scaled / count
      constant = -scale * sums / count - slope * mean
      found = scale * given + slope * together + constant
      zeros = ops.zeros_like
      return (
        ops.reshape(found, ops.shape(features)),
        zeros(keep),
        ops.sum(scaled, axis=0, keepdims=True),
        ops.sum(sums, axis=0, keepdims=True),
        zeros(mean),
        zeros(inverse),
      )

    return features * by_images[0] + by_images[1], gradient

  return normalise(features, keep, gamma, beta, mean, inverse)
