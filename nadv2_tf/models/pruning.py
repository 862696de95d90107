"""Orders a super-network's filters by what they matter, so that cutting the last ones off prunes.

A sub-network is a prefix of every layer. What a layer computes does not depend on the order of its
channels, as long as all that reads or adds to them is ordered alike; so pruning is: order, then cut
prefixes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from keras import ops

from nadv2_tf.models.importance import DEFAULT, IMPORTANCES, Channels, norms_of_filters
from nadv2_tf.models.wiring import LayerMaker, wire

if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import Any, TypeAlias

  from nadv2_tf.models.importance import Slopes
  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.blocks import Filters, Window

  _Value: TypeAlias = "Channels | _Scaled"


class _Scaled(NamedTuple):
  """Channels behind a depthwise layer, whose norm scales them for those that read them there."""

  channels: Channels
  norms: list[Any]

  def all(self) -> Channels:
    return self.channels.all()


class _TyingMaker(LayerMaker):
  """Maker whose values are `Channels`."""

  def __init__(self, super_model: SuperNetwork, spec: NetworkSpec, refuses_bypass: bool) -> None:
    super().__init__()
    self._refuses_bypass = refuses_bypass
    self._model = super_model
    self._shapes = {
      (index, shape.field): shape for index, layers in enumerate(spec.layers()) for shape in layers
    }
    self.made: list[Channels] = []
    #: what comes out of each layer: {(block index, field): channels}
    self.outputs: dict[tuple[int, str], Channels] = {}

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

  def convolution(self, x: _Value, filters: Filters) -> Channels:
    layer, shape = self._layer(filters.field), self._shapes[self.block_index, filters.field]
    passes = filters.bypass_cap != 0 if self._refuses_bypass else shape.bypassed > 0
    norms, x, out = list(x.norms), x.all(), Channels()
    out.is_fixed = self._meets_bypass(x, filters.field, passes)
    x.axes.append((layer.kernel, 2))
    x.readers.append((layer.kernel, norms))
    out.axes += [(layer.kernel, 3), *_vectors(layer)]
    out.producers.append((layer.kernel, shape.in_channels, shape.kept))
    out.norms_of_filters.append(layer.norm)
    out.gates.append(_gate(layer, 3))
    out.norms += [layer.norm] if layer.norm is not None else []
    self.made.append(out)
    self.outputs[self.block_index, filters.field] = out
    return out

  def depthwise(self, x: _Value, filters: Filters) -> _Scaled:
    layer, shape = self._layer(filters.field), self._shapes[self.block_index, filters.field]
    searched = filters.field in self._model.space.columns(self.block_index)
    self._meets_bypass(x, filters.field, shape.bypassed > 0 or (searched and self._refuses_bypass))
    x.all().axes += [(layer.kernel, 2), *_vectors(layer)]
    x.all().gates.append(_gate(layer, 2))
    self.outputs[self.block_index, filters.field] = x.all()
    return _Scaled(x.all(), list(x.norms) if layer.norm is None else [layer.norm])

  def norm(self, x: _Value, activation: str) -> _Scaled:
    layer = self._layer("norm")
    x.all().axes += _vectors(layer)
    x.all().gates.append(_gate(layer, 0))
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

  def add(self, shortcut: _Value, x: _Value) -> Channels:
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

  def classifier(self, x: _Value, classes: int) -> Channels:
    layer = self._layer("classes")
    x.all().axes.append((layer.kernel, len(layer.kernel.shape) - 2))
    x.all().readers.append((layer.kernel, list(x.norms)))
    return Channels(is_fixed=True)

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


def _gate(layer: Any, axis: int) -> list[tuple[Any, int]]:
  """(variable, axis) of what scales a layer's outputs: the batch norm, where there is one."""
  if layer.norm is None:
    return [(layer.kernel, axis), (layer.bias, 0)]
  return [(layer.norm.gamma, 0), (layer.norm.beta, 0)]


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
  _order(super_model, _TyingMaker(super_model, spec, True), norms_of_filters)


def order_by_importance(super_model: SuperNetwork, by: str = DEFAULT, slopes: Slopes = ()) -> None:
  """Orders the channels of every layer by how much the full network makes of them; it stays as is.

  In the full network nothing passes a bypass, so any order of its channels leaves it what it is;
  channels that do pass one there keep their places. Layers that are added up share one order.

  Args:
    super_model: a `SuperNetwork` with the weights of a trained full network; changed in place.
    by: one of `IMPORTANCES`.
    slopes: for "taylor", see there.
  """
  maker = _TyingMaker(super_model, super_model.space.largest(), False)
  _order(super_model, maker, lambda channels: IMPORTANCES[by](channels, slopes))


def channel_importance(
  super_model: SuperNetwork, by: str = DEFAULT, slopes: Slopes = ()
) -> dict[tuple[int, str], np.ndarray]:
  """How much the full network makes of each channel, as `order_by_importance` sees it.

  Args: as there.

  Returns:
    {(block index, field): [channels], float64} of every searched width; layers that are added up,
    and a depthwise layer and the one before it, have the same channels.
  """
  maker = _TyingMaker(super_model, super_model.space.largest(), False)
  wire(super_model.space.largest(), maker, Channels(is_fixed=True))
  places = {
    (index, decision.field)
    for decision in super_model.space.decisions
    if decision.kind == "width"
    for index in decision.blocks
  }
  return {place: IMPORTANCES[by](maker.outputs[place].all(), slopes) for place in sorted(places)}


def _order(
  super_model: SuperNetwork, maker: _TyingMaker, importance: Callable[[Channels], np.ndarray]
) -> None:
  images = Channels(is_fixed=True)
  outputs = wire(super_model.space.largest(), maker, images)
  outputs.all().is_fixed = True
  free = {id(group): group for group in (made.all() for made in maker.made) if not group.is_fixed}
  # All orders are found before anything moves.
  for group, order in [(group, group.order(importance(group))) for group in free.values()]:
    for variable, axis in group.axes:
      values = ops.convert_to_numpy(variable)
      variable.assign(np.take(values, order[: values.shape[axis]], axis))
