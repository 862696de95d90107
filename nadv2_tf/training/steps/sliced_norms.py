"""Batch norm of a sub-network that is cut out inside the graph, and how tensors are cut there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from nadv2_tf.layers.batch_norm import EPSILON
from nadv2_tf.training.fused_norms import batch_norm

if TYPE_CHECKING:
  from collections.abc import Callable, Iterable
  from typing import TypeAlias

  from nadv2_tf.layers.batch_norm import MaskedBatchNorm
  from nadv2_tf.types import Tensor

  #: function of what the kernel is multiplied with, 1.0 or [channels]
  Convolve: TypeAlias = Callable[[Tensor], Tensor]
  Statistics: TypeAlias = Callable[[Convolve, MaskedBatchNorm, Tensor], Tensor]


class OwnStatistics:
  """Batch norm by the statistics of the images themselves; gradients flow through them.

  Attributes:
    collected: (scale, shift) of every batch norm, in the order in which they run.
  """

  def __init__(self) -> None:
    self.collected: list[tuple[Tensor, Tensor]] = []

  def __call__(self, convolve: Convolve, norm: MaskedBatchNorm, channels: Tensor) -> Tensor:
    gamma, beta = first_of(norm.gamma, channels), first_of(norm.beta, channels)
    normalised, mean, variance = batch_norm(convolve(1.0), gamma, beta, EPSILON)
    scale = gamma * tf.math.rsqrt(variance + EPSILON)
    self.collected.append((scale, beta - mean * scale))
    return normalised


class GivenStatistics:
  """Batch norm by the scales and shifts that `OwnStatistics` collected on other images."""

  def __init__(self, collected: Iterable[tuple[Tensor, Tensor]]) -> None:
    self._collected = iter(collected)

  def __call__(self, convolve: Convolve, norm: MaskedBatchNorm, channels: Tensor) -> Tensor:
    return folded(convolve, *next(self._collected))


class MovingStatistics:
  """Batch norm by the running averages of training, for measuring what they are worth."""

  def __call__(self, convolve: Convolve, norm: MaskedBatchNorm, channels: Tensor) -> Tensor:
    scale = first_of(norm.gamma, channels)
    scale = scale * tf.math.rsqrt(first_of(norm.moving_variance, channels) + EPSILON)
    mean = first_of(norm.moving_mean, channels)
    return folded(convolve, scale, first_of(norm.beta, channels) - mean * scale)


def first_of(variable: Tensor, channels: Tensor) -> Tensor:
  return first(variable, channels)


def first(tensor: Tensor, *ends: Tensor | None, skipped: Tensor = 0) -> Tensor:
  """`tensor` up to `ends` along its axes, None for all; of the last axis `skipped` are left out.

  Brackets say the same, but each of them becomes a dozen operations that pack numbers: a third of
  a scoring's graph.
  """
  axes = len(ends)
  begins = [0] * (axes - 1) + [skipped]
  return tf.strided_slice(
    tf.convert_to_tensor(tensor),
    np.zeros(axes, np.int32) if isinstance(skipped, int) else tf.stack(begins),
    tf.stack([0 if end is None else end for end in ends]),
    np.ones(axes, np.int32),
    end_mask=sum(1 << axis for axis, end in enumerate(ends) if end is None),
  )


def folded(convolve: Convolve, scale: Tensor, shift: Tensor) -> Tensor:
  """Scale in the kernel, as at deployment: no pass over the features beside the convolution."""
  return tf.nn.bias_add(convolve(scale), shift)
