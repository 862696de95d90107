"""Orders a super-network's filters by what they matter, so that cutting the last ones off prunes.

A sub-network is a prefix of every layer. What a layer computes does not depend on the order of its
channels, as long as all that reads or adds to them is ordered alike; so pruning is: order, then cut
prefixes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from keras import ops

from nadv2_tf.models.wiring import LayerMaker, wire

if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import Any, TypeAlias

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.blocks import Filters, Window

  _Value: TypeAlias = "_Channels | _Scaled"


class _Channels:
  """Channels that must keep one common order.

  Attributes:
    axes: pairs (variable, axis) that run over them.
    producers: triples (kernel, live inputs, kept filters) of the convolutions they come out of.
    readers: pairs (kernel, norms) of the convolutions that read them, as [..., channels, outputs],
      and the batch norms that they came through.
    is_fixed: the order is given: the images' or the network's outputs'.
  """

  def __init__(self, is_fixed: bool = False) -> None:
    self.axes: list[tuple[Any, int]] = []
    self.producers: list[tuple[Any, int, int]] = []
    self.readers: list[tuple[Any, list[Any]]] = []
    self.is_fixed = is_fixed
    #: batch norms that gave the channels their present scale
    self.norms: list[Any] = []
    self._joined_to: _Channels | None = None

  def all(self) -> _Channels:
    """What stands for these channels and those that they were joined with."""
    return self if self._joined_to is None else self._joined_to.all()

  def join(self, other: _Channels) -> _Channels:
    one, other = self.all(), other.all()
    if one is not other:
      one.axes += other.axes
      one.producers += other.producers
      one.readers += other.readers
      one.norms += other.norms
      one.is_fixed |= other.is_fixed
      other._joined_to = one
    return one

  def norms_of_producers(self) -> np.ndarray:
    """Of each channel: the sum of the L2 norms of the filters that it comes out of."""
    norms = np.zeros(max(kernel.shape[-1] for kernel, _, _ in self.producers))
    for kernel, live, kept in self.producers:
      filters = ops.convert_to_numpy(kernel)[:, :, :live, :kept]
      norms[:kept] += np.sqrt(np.sum(np.square(filters, dtype=np.float64), axis=(0, 1, 2)))
    return norms

  def norms_of_readers(self) -> np.ndarray:
    """Of each channel: the L2 norms of the weights that read it, times how large it is."""
    norms = np.zeros(max(kernel.shape[-1] for kernel, _, _ in self.producers))
    for kernel, scales in self.readers:
      rows = ops.convert_to_numpy(kernel)
      rows = np.sqrt(np.sum(np.square(rows, dtype=np.float64), axis=(*range(rows.ndim - 2), -1)))
      size = np.zeros(len(rows)) if scales else np.ones(len(rows))  # without a norm: alike
      for norm in scales:
        own = sum(np.abs(ops.convert_to_numpy(part)) for part in (norm.gamma, norm.beta))
        size[: len(own)] += own[: len(size)]
      norms[: len(rows)] += rows * size
    return norms

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


class _Scaled(NamedTuple):
  """Channels behind a depthwise layer, whose norm scales them for those that read them there."""

  channels: _Channels
  norms: list[Any]

  def all(self) -> _Channels:
    return self.channels.all()


class _TyingMaker(LayerMaker):
  """Maker whose values are `_Channels`."""

  def __init__(self, super_model: SuperNetwork, spec: NetworkSpec, refuses_bypass: bool) -> None:
    super().__init__()
    self._refuses_bypass = refuses_bypass
    self._model = super_model
    self._shapes = {
      (index, shape.field): shape for index, layers in enumerate(spec.layers()) for shape in layers
    }
    self.made: list[_Channels] = []
    #: what comes out of each layer: {(block index, field): channels}
    self.outputs: dict[tuple[int, str], _Channels] = {}

  def _layer(self, field: str) -> Any:
    return self._model.get_layer(self.name(field))

  def _meets_bypass(self, x: _Value, field: str, passes: bool) -> bool:
    """Whether channels pass a layer without a filter, so that none of `x` can move."""
    if passes and self._refuses_bypass:
      raise ValueError(
        f"Filters of {self._model.name!r} cannot be ordered: layer {self.name(field)} lets "
        "channels pass without a filter. Take a space without channel-level bypass."
      )
    x.all().is_fixed |= passes
    return passes

  def convolution(self, x: _Value, filters: Filters) -> _Channels:
    layer, shape = self._layer(filters.field), self._shapes[self.block_index, filters.field]
    passes = filters.bypass_cap != 0 if self._refuses_bypass else shape.bypassed > 0
    norms, x, out = list(x.norms), x.all(), _Channels()
    out.is_fixed = self._meets_bypass(x, filters.field, passes)
    x.axes.append((layer.kernel, 2))
    x.readers.append((layer.kernel, norms))
    out.axes += [(layer.kernel, 3), *_vectors(layer)]
    out.producers.append((layer.kernel, shape.in_channels, shape.kept))
    out.norms += [layer.norm] if layer.norm is not None else []
    self.made.append(out)
    self.outputs[self.block_index, filters.field] = out
    return out

  def depthwise(self, x: _Value, filters: Filters) -> _Scaled:
    layer, shape = self._layer(filters.field), self._shapes[self.block_index, filters.field]
    searched = filters.field in self._model.space.columns(self.block_index)
    self._meets_bypass(x, filters.field, shape.bypassed > 0 or (searched and self._refuses_bypass))
    x.all().axes += [(layer.kernel, 2), *_vectors(layer)]
    self.outputs[self.block_index, filters.field] = x.all()
    return _Scaled(x.all(), list(x.norms) if layer.norm is None else [layer.norm])

  def norm(self, x: _Value, activation: str) -> _Scaled:
    layer = self._layer("norm")
    x.all().axes += _vectors(layer)
    return _Scaled(x.all(), [layer.norm])

  def squeeze_excite(
    self,
    x: _Value,
    units: int,
    skipped: None,
    activation: str,
    gate: str,
  ) -> _Value:
    layer = self._layer("squeeze")
    x.all().axes += [(layer.reduce.kernel, 0), (layer.expand.kernel, 1), (layer.expand.bias, 0)]
    return x

  def add(self, shortcut: _Value, x: _Value) -> _Channels:
    return shortcut.all().join(x.all())

  def upsample(self, x: _Value, factor: int) -> _Value:
    return x

  def global_pool(self, x: _Value) -> _Value:
    return x

  def window_pool(self, x: _Value, window: Window) -> _Value:
    return x

  def activation(self, x: _Value, activation: str) -> _Value:
    return x

  def rescale(self, x: _Value, scale: tuple[float, ...], offset: tuple[float, ...]) -> _Value:
    return x  # of images, whose order is given

  def dropout(self, x: _Value, rate: float) -> _Value:
    return x

  def classifier(self, x: _Value, classes: int) -> _Channels:
    layer = self._layer("classes")
    x.all().axes.append((layer.kernel, len(layer.kernel.shape) - 2))
    x.all().readers.append((layer.kernel, list(x.norms)))
    return _Channels(is_fixed=True)

  def all_removed(self, fields: tuple[str, ...]) -> None:
    return None

  def choose(
    self, condition: None, if_true: Callable[[], _Value], if_false: Callable[[], _Value]
  ) -> _Value:
    return if_false()


def _vectors(layer: Any) -> list[tuple[Any, int]]:
  """(variable, axis) of a layer's bias or batch norm."""
  if layer.norm is None:
    return [(layer.bias, 0)]
  norm = layer.norm
  return [(array, 0) for array in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)]


def order_by_norm(super_model: SuperNetwork, spec: NetworkSpec) -> None:
  """Orders the filters of every layer by L2 norm, the largest first; changes no output of `spec`.

  Depthwise filters, batch norms and squeeze-and-excite follow the channels they belong to. Layers
  that are added up, by residuals or skips, share one order, by the sum of their norms.

  Args:
    super_model: a `SuperNetwork` of a space without channel-level bypass; changed in place.
    spec: the sub-network whose weights are looked at: filters that it has cut off come after all
      others, and weights on channels that it has cut off do not count.

  Differs from NetAdaptV1, which was shown on networks without residuals: where layers that are
  added up have different widths, a filter that all of them have stays before one that only the
  wider ones have, whatever their norms.

  Raises:
    ValueError: naming the layer, if channels pass it without a filter.

  Source: NetAdapt, Yang et al., ECCV 2018, section 3.3 (which filters to keep).
  """
  _order(super_model, _TyingMaker(super_model, spec, True), _Channels.norms_of_producers)


def order_by_importance(super_model: SuperNetwork) -> None:
  """Orders the channels of every layer by how much the full network makes of them; it stays as is.

  A channel matters as much as the weights that read it are large (their L2 norm), times how large
  it is itself: |gamma| + |beta| of the batch norms that it came through last. Layers that are added
  up share one order.

  In the full network nothing passes a bypass, so any order of its channels leaves it what it is;
  channels that do pass one there keep their places.

  Args:
    super_model: a `SuperNetwork` with the weights of a trained full network; changed in place.
  """
  maker = _TyingMaker(super_model, super_model.space.largest(), False)
  _order(super_model, maker, _Channels.norms_of_readers)


def channel_importance(super_model: SuperNetwork) -> dict[tuple[int, str], np.ndarray]:
  """How much the full network makes of each channel, as `order_by_importance` sees it.

  Args:
    super_model: a `SuperNetwork` with the weights of a trained full network.

  Returns:
    {(block index, field): [channels], float64} of every searched width; layers that are added up,
    and a depthwise layer and the one before it, have the same channels.
  """
  maker = _TyingMaker(super_model, super_model.space.largest(), False)
  wire(super_model.space.largest(), maker, _Channels(is_fixed=True))
  places = {
    (index, decision.field)
    for decision in super_model.space.decisions
    if decision.kind == "width"
    for index in decision.blocks
  }
  return {place: maker.outputs[place].all().norms_of_readers() for place in sorted(places)}


def _order(
  super_model: SuperNetwork, maker: _TyingMaker, importance: Callable[[_Channels], np.ndarray]
) -> None:
  images = _Channels(is_fixed=True)
  outputs = wire(super_model.space.largest(), maker, images)
  outputs.all().is_fixed = True
  free = {id(group): group for group in (made.all() for made in maker.made) if not group.is_fixed}
  # All orders are found before anything moves.
  for group, order in [(group, group.order(importance(group))) for group in free.values()]:
    for variable, axis in group.axes:
      values = ops.convert_to_numpy(variable)
      variable.assign(np.take(values, order[: values.shape[axis]], axis))
