"""The super-network with every option of every decision at once, each by its share.

A width is then a mask of the channels that is as much as is expected of each, a kernel size the
kernel that is expected, and a block is left out by the share of its widths that are 0. With one
option of each decision, a share of 1, it is the masked super-network of that sub-network. It is
differentiable in the shares, and that is what it is for.

Source: masks of channels in place of copies of layers, Wan et al., FBNetV2, CVPR 2020, section 3;
kernels inside of larger ones by Stamoulis et al., Single-Path NAS, 2019. What goes around a layer
is NetAdaptV2's (section 2.2), by the share in which its filter is not there.
"""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
from keras import ops

from nadv2_tf.layers import centre_mask, downsample, pad_channels
from nadv2_tf.models.parts import rescale, window_pool
from nadv2_tf.models.parts.activations import activate
from nadv2_tf.models.parts.classifier import products
from nadv2_tf.models.wiring import LayerMaker, wire

if TYPE_CHECKING:
  from collections.abc import Callable

  from nadv2_tf.models.parts.filtered import SuperFiltered
  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.spec.blocks import Filters, Window
  from nadv2_tf.types import Tensor


class _Value(NamedTuple):
  """What the maker passes along.

  Attributes:
    features: [batch, height, width, channels], as much of each channel as is expected.
    live: [channels], the share in which a channel is there.
    whole: like `features`, what a channel is where it is there. What looks at one channel alone, a
      depthwise layer or a norm, works on this, for a norm would make up for a channel's share.
  """

  features: Tensor
  live: Tensor
  whole: Tensor


def _value(features: Tensor, live: Tensor, absent: Tensor) -> _Value:
  """A `_Value`; `absent` is what the channels would be that are not there at all."""
  is_there = live > 0
  share = ops.where(is_there, live, ops.ones_like(live))
  return _Value(features, live, ops.where(is_there, features / share, absent))


class _RelaxedMaker(LayerMaker):
  """Maker that reads a block's wiring with shares of all options."""

  def __init__(self, super_model: SuperNetwork, shares: Tensor) -> None:
    super().__init__()
    self._model = super_model
    self._space = super_model.space
    self._shares = shares

  def _layer(self, field: str) -> Any:
    return self._model.get_layer(self.name(field))

  def _shares_of(self, column: int) -> Tensor:
    """[options]."""
    return self._shares[column, : len(self._space.decisions[column].choices)]

  def _kept(self, filters: Filters) -> Tensor:
    """[filters]: the share in which each filter is there."""
    column = self._space.columns(self.block_index).get(filters.field)
    if column is None:
      return ops.ones((filters.kept,), self._shares.dtype)
    choices = np.array(self._space.decisions[column].choices)
    masks = np.arange(filters.kept)[None] < choices[:, None]
    return ops.matmul(self._shares_of(column), ops.cast(masks, self._shares.dtype))

  def _kernel_mask(self, filters: Filters) -> Tensor | None:
    """[kernel, kernel, 1, 1]: the share of each tap; None if the size is fixed."""
    column = self._space.kernel_column(self.block_index, filters.field)
    if column is None:
      return None
    sizes = self._space.decisions[column].choices
    masks = [centre_mask(filters.kernel, size, self._shares.dtype) for size in sizes]
    return ops.einsum("n,nhwio->hwio", self._shares_of(column), ops.stack(masks))

  def convolution(self, x: _Value, filters: Filters) -> _Value:
    layer, kept = self._layer(filters.field), self._kept(filters)
    filtered = _finished(layer, layer.convolve(x.features, None))
    channels, count = x.features.shape[-1], filtered.shape[-1]
    reach = channels if filters.bypass_cap is None else min(channels, filters.bypass_cap)
    if reach == 0:
      return _Value(filtered * kept, kept, filtered)
    passed = downsample(x.features[..., :reach], filters.stride)
    absent = filtered
    if reach > count:  # no filter stands for these
      more = downsample(x.whole[..., count:reach], filters.stride)
      absent = ops.concatenate([filtered, more], axis=-1)
    widest = max(reach, count)
    kept, live = _padded(kept, widest), _padded(x.live[:reach], widest)
    features = pad_channels(filtered, widest) * kept + pad_channels(passed, widest) * (1 - kept)
    return _value(features, kept + (1 - kept) * live, absent)

  def depthwise(self, x: _Value, filters: Filters) -> _Value:
    layer, channels = self._layer(filters.field), x.features.shape[-1]
    filtered = _finished(layer, layer.filter(x.whole, self._kernel_mask(filters)))
    if layer.bypass_cap() == 0:
      return _Value(filtered * x.live, x.live, filtered)
    kept = _padded(self._kept(filters)[: layer.full_filters()], channels)
    passed = downsample(x.whole, filters.stride)
    whole = pad_channels(filtered, channels) * kept + passed * (1 - kept)
    return _Value(whole * x.live, x.live, whole)

  def squeeze_excite(
    self,
    x: _Value,
    units: int,
    skipped: Tensor | None,
    activation: str,
    gate: str,
  ) -> _Value:
    layer = self._layer("squeeze")
    # By its weights, as in sliced execution: the layer would compute in its own precision.
    gates = ops.matmul(ops.mean(x.features, axis=(1, 2)), layer.reduce.kernel) + layer.reduce.bias
    gates = ops.matmul(activate(gates, activation), layer.expand.kernel) + layer.expand.bias
    gates = keras.activations.get(gate)(gates)
    if skipped is not None:
      gates = skipped + (1 - skipped) * gates
    gates = gates[:, None, None, :]
    return _Value(x.features * gates, x.live, x.whole * gates)

  def add(self, shortcut: _Value, x: _Value) -> _Value:
    channels = max(shortcut.features.shape[-1], x.features.shape[-1])
    one, other = (_Value(*_to(value, channels)) for value in (shortcut, x))
    live = one.live + other.live - one.live * other.live
    return _value(one.features + other.features, live, one.whole + other.whole)

  def upsample(self, x: _Value, factor: int) -> _Value:
    return _each(x, lambda y: ops.repeat(ops.repeat(y, factor, axis=1), factor, axis=2))

  def global_pool(self, x: _Value) -> _Value:
    return _each(x, lambda y: ops.mean(y, axis=(1, 2), keepdims=True))

  def window_pool(self, x: _Value, window: Window) -> _Value:
    return _each(x, lambda y: window_pool.stand_alone(y, window, self.next_name("pool")))

  def activation(self, x: _Value, activation: str) -> _Value:
    return _there(activate(x.whole, activation), x.live)

  def norm(self, x: _Value, activation: str) -> _Value:
    normalised = _normalised(self._layer("norm").norm, x.whole)
    return _there(activate(normalised, activation), x.live)

  def rescale(self, x: _Value, scale: tuple[float, ...], offset: tuple[float, ...]) -> _Value:
    return _there(rescale.stand_alone(x.whole, scale, offset, self.name("rescale")), x.live)

  def dropout(self, x: _Value, rate: float) -> _Value:
    return x

  def classifier(self, x: _Value, classes: int) -> _Value:
    layer = self._layer("classes")
    logits = products(x.features, layer.kernel, layer.pixels) + layer.bias
    return _Value(logits, ops.ones((classes,), self._shares.dtype), logits)

  def all_removed(self, fields: tuple[str, ...]) -> Tensor | None:
    """The share in which all these widths are 0; None if they cannot be."""
    columns = self._space.columns(self.block_index)
    chosen = [columns.get(field) for field in fields]
    decisions = [self._space.decisions[column] for column in chosen if column is not None]
    if len(decisions) < len(fields) or any(one.choices[0] for one in decisions):
      return None
    return functools.reduce(operator.mul, [self._shares[column, 0] for column in chosen])

  def choose(
    self, condition: Tensor | None, if_true: Callable[[], _Value], if_false: Callable[[], _Value]
  ) -> _Value:
    if condition is None:
      return if_false()
    true, false = if_true(), if_false()
    channels = max(true.features.shape[-1], false.features.shape[-1])
    one, other = (_Value(*_to(value, channels)) for value in (true, false))
    features = condition * one.features + (1 - condition) * other.features
    return _value(features, condition * one.live + (1 - condition) * other.live, other.whole)


def _finished(layer: SuperFiltered, convolved: Tensor) -> Tensor:
  """Norm or bias, and activation, of what every filter of a layer gives."""
  if layer.norm is None:
    return activate(convolved + layer.bias, layer.filters.activation)
  return activate(_normalised(layer.norm, convolved), layer.filters.activation)


def _normalised(norm: Any, features: Tensor) -> Tensor:
  scale, shift = norm.of_batch(features)
  return features * scale + shift


def _there(whole: Tensor, live: Tensor) -> _Value:
  return _Value(whole * live, live, whole)


def _each(x: _Value, function: Callable[[Tensor], Tensor]) -> _Value:
  """What is done to features pixel by pixel, and to none differently for being less of it."""
  return _Value(function(x.features), x.live, function(x.whole))


def _padded(channels: Tensor, count: int) -> Tensor:
  """[channels] with zeros up to `count`."""
  missing = count - channels.shape[0]
  return ops.pad(channels, ((0, missing),)) if missing else channels


def _to(value: _Value, channels: int) -> tuple[Tensor, Tensor, Tensor]:
  """A `_Value` with channels that are not there up to `channels`."""
  return (
    pad_channels(value.features, channels),
    _padded(value.live, channels),
    pad_channels(value.whole, channels),
  )


def run_relaxed(super_model: SuperNetwork, images: Tensor, shares: Tensor) -> Tensor:
  """Outputs of the super-network with shares of all options, normalised by the batch itself.

  Args:
    super_model: a `SuperNetwork`, built.
    images: float [batch, height, width, channels].
    shares: [decisions, most options], of each value of each decision of the space in the order of
      its choices; each row adds up to 1, and is 0 where a decision has no such option.

  Returns:
    What the sub-network gives whose values have shares of 1, with the statistics of the batch.
    Between sub-networks all that is linear in one layer's shares is what is expected; that widths
    of different layers go together is not seen.
  """
  images = ops.convert_to_tensor(images)
  live = ops.ones((images.shape[-1],), shares.dtype)
  maker = _RelaxedMaker(super_model, shares)
  return wire(super_model.space.largest(), maker, _Value(images, live, images)).features
