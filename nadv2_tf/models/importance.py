"""How much a trained network makes of its channels, which are cut in that order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

if TYPE_CHECKING:
  from collections.abc import Callable, Mapping, Sequence
  from typing import TypeAlias

  #: of several batches: {path of a variable: its values times the loss's gradient}
  Slopes: TypeAlias = Sequence[Mapping[str, np.ndarray]]


class Channels:
  """Channels that must keep one common order.

  Attributes:
    axes: pairs (variable, axis) that run over them.
    producers: triples (kernel, live inputs, kept filters) of the convolutions they come out of.
    norms_of_filters: the batch norm of each of these convolutions, None where there is none.
    gates: of each layer that scales them, pairs (variable, axis) of what it scales them with.
    readers: pairs (kernel, norms) of the convolutions that read them, as [..., channels, outputs],
      and the batch norms that they came through.
    is_fixed: the order is given: the images' or the network's outputs'.
  """

  def __init__(self, is_fixed: bool = False) -> None:
    self.axes: list[tuple[Any, int]] = []
    self.producers: list[tuple[Any, int, int]] = []
    self.norms_of_filters: list[Any] = []
    self.gates: list[list[tuple[Any, int]]] = []
    self.readers: list[tuple[Any, list[Any]]] = []
    self.is_fixed = is_fixed
    #: batch norms that gave the channels their present scale
    self.norms: list[Any] = []
    self._joined_to: Channels | None = None

  def all(self) -> Channels:
    """What stands for these channels and those that they were joined with."""
    return self if self._joined_to is None else self._joined_to.all()

  def join(self, other: Channels) -> Channels:
    one, other = self.all(), other.all()
    if one is not other:
      one.axes += other.axes
      one.producers += other.producers
      one.norms_of_filters += other.norms_of_filters
      one.gates += other.gates
      one.readers += other.readers
      one.norms += other.norms
      one.is_fixed |= other.is_fixed
      other._joined_to = one
    return one

  def count(self) -> int:
    return max(kernel.shape[-1] for kernel, _, _ in self.producers)

  def order(self, norms: np.ndarray) -> np.ndarray:
    """Old positions in their new order: the largest of `norms` first.

    Where producers have different widths, positions stay among those that the same producers have.
    """
    widths = {0}
    for kernel, _, kept in self.producers:
      widths |= {kept, kernel.shape[-1]}
    ends = sorted(widths)
    parts = [
      low + np.argsort(-norms[low:high], kind="stable")
      for low, high in zip(ends, ends[1:], strict=False)
    ]
    return np.concatenate(parts)


def norms_of_filters(channels: Channels) -> np.ndarray:
  """Of each channel: the sum of the L2 norms of the filters that it comes out of, as far as used.

  Source: NetAdapt, Yang et al., ECCV 2018, section 3.3.
  """
  return np.sum(_filters(channels), axis=0)


def _filters(channels: Channels) -> list[np.ndarray]:
  """Of each producer: the L2 norms of its filters, 0 where it has none."""
  found = []
  for kernel, live, kept in channels.producers:
    norms = np.zeros(channels.count())
    filters = ops.convert_to_numpy(kernel)[:, :, :live, :kept]
    norms[:kept] = np.sqrt(np.sum(np.square(filters, dtype=np.float64), axis=(0, 1, 2)))
    found.append(norms)
  return found


def _by_filters(channels: Channels, slopes: Slopes) -> np.ndarray:
  return norms_of_filters(channels)


def _by_scaled_filters(channels: Channels, slopes: Slopes) -> np.ndarray:
  """The norms of the filters, each times |gamma| of the batch norm behind it."""
  total = np.zeros(channels.count())
  for norms, norm in zip(_filters(channels), channels.norms_of_filters, strict=True):
    scale = np.ones(len(norms))
    if norm is not None:
      gamma = np.abs(ops.convert_to_numpy(norm.gamma))
      scale[: len(gamma)] = gamma
    total += norms * scale
  return total


def _by_readers(channels: Channels, slopes: Slopes) -> np.ndarray:
  """The L2 norms of the weights that read a channel, times |gamma| + |beta| of its last norms."""
  total = np.zeros(channels.count())
  for kernel, scales in channels.readers:
    rows = _rows(kernel)
    size = np.zeros(len(rows)) if scales else np.ones(len(rows))  # without a norm: alike
    for norm in scales:
      own = sum(np.abs(ops.convert_to_numpy(part)) for part in (norm.gamma, norm.beta))
      size[: len(own)] += own[: len(size)]
    total[: len(rows)] += rows * size
  return total


def _by_unscaled_readers(channels: Channels, slopes: Slopes) -> np.ndarray:
  """The L2 norms of the weights that read a channel."""
  total = np.zeros(channels.count())
  for kernel, _ in channels.readers:
    rows = _rows(kernel)
    total[: len(rows)] += rows
  return total


def _rows(kernel: Any) -> np.ndarray:
  """Of each input channel: the L2 norm of the weights of [..., channels, outputs] that read it."""
  weights = np.square(ops.convert_to_numpy(kernel), dtype=np.float64)
  return np.sqrt(np.sum(weights, axis=(*range(weights.ndim - 2), -1)))


def _by_taylor(channels: Channels, slopes: Slopes) -> np.ndarray:
  """How much the loss would change, to first order, if what scales a channel were 0.

  Mean over the batches of `slopes`, sum over the layers that scale it.

  Source: Molchanov et al., Importance Estimation for Neural Network Pruning, CVPR 2019, equation 8
  and its form for batch norms; absolute values in place of squares.
  """
  if not slopes:
    raise ValueError("The first-order Taylor importance needs gradients of some images.")
  total = np.zeros(channels.count())
  for batch in slopes:
    for gate in channels.gates:
      change = np.zeros(len(total))
      for variable, axis in gate:
        values = np.moveaxis(np.asarray(batch[variable.path], np.float64), axis, -1)
        summed = values.reshape(-1, values.shape[-1]).sum(axis=0)
        change[: len(summed)] += summed
      total += np.abs(change)
  return total / len(slopes)


#: {name: function (channels, slopes) -> [channels], the larger the more it matters}
IMPORTANCES: dict[str, Callable[[Channels, Slopes], np.ndarray]] = {
  "readers": _by_readers,
  "unscaled_readers": _by_unscaled_readers,
  "filters": _by_filters,
  "scaled_filters": _by_scaled_filters,
  "taylor": _by_taylor,
}
DEFAULT = "unscaled_readers"
