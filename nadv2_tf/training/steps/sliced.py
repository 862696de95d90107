"""One sub-network run with its own narrower weights, cut out of the shared ones inside the graph.

The masked super-network computes every channel and zeroes most of them. Here a row of `widths`, a
tensor, says how much of the shared weights each layer slices out: the sub-network costs what it
will cost when it is deployed, gradients flow into the shared weights, and one trace serves every
sub-network. Needs sizes that are tensors, so TensorFlow; elsewhere the masked form does the same.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import tensorflow as tf

from nadv2_tf.layers.channel_bypass import BYPASS_POOL
from nadv2_tf.models.parts.activations import activate
from nadv2_tf.models.parts.classifier import products
from nadv2_tf.models.wiring import LayerMaker, wire
from nadv2_tf.spec import channels as channel_rules
from nadv2_tf.training.steps.sliced_norms import OwnStatistics, first, first_of

if TYPE_CHECKING:
  from collections.abc import Callable

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.spec.blocks import Filters, Padding, Window
  from nadv2_tf.training.steps.sliced_norms import Statistics
  from nadv2_tf.types import Tensor

# Every new shape of a convolution is compiled once by oneDNN and kept; of 1024, its default, the
# widths of a super-network drive each other out, and a step takes half as long again. 30000
# take some 50 MiB. oneDNN reads this at its first convolution.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "30000")


#: what squeeze-and-excite ends with, in fewer operations than Keras's own
GATES = {
  "hard_sigmoid": lambda x: tf.nn.relu6(x + 3.0) * (1.0 / 6.0),
  "sigmoid": tf.nn.sigmoid,
}
POOLS = {"max": tf.nn.max_pool2d, "average": tf.nn.avg_pool2d}


class _Value(NamedTuple):
  """Features, [batch, height, width, live], and how many channels that is, a tensor."""

  features: Any
  live: Any


class _SlicedMaker(LayerMaker):
  """Maker whose values are exactly as wide as the sub-network is."""

  def __init__(
    self,
    super_model: SuperNetwork,
    row: Tensor,
    normalise: Statistics,
    training: bool,
    dropout_seed: Tensor | None,
  ) -> None:
    super().__init__(super_model.branch_rates if training else None)
    self._model = super_model
    self._columns = super_model.space.columns
    self._row = row
    self._normalise = normalise
    self._training = training
    self._dropout_seed = dropout_seed

  def _layer(self, field: str) -> Any:
    return self._model.get_layer(self.name(field))

  def _width(self, filters: Filters) -> Tensor:
    column = self._columns(self.block_index).get(filters.field)
    return tf.constant(filters.kept) if column is None else self._row[column]

  def convolution(self, x: _Value, filters: Filters) -> _Value:
    layer, kept = self._layer(filters.field), self._width(filters)
    kernel = first(layer.kernel, None, None, x.live, _at_least_one(kept))

    features, padding = _zero_padded(x.features, filters.padding)

    def convolve(scale: Tensor) -> Tensor:
      return tf.nn.conv2d(features, kernel * scale, filters.stride, padding)

    return self._finished(x, convolve, layer, filters, kept, filters.bypass_cap)

  def depthwise(self, x: _Value, filters: Filters) -> _Value:
    layer = self._layer(filters.field)
    kept = channel_rules.depthwise_kept(x.live, self._width(filters), tf.minimum)
    computed = _at_least_one(kept)
    kernel = tf.convert_to_tensor(layer.kernel)
    size = self._model.space.kernel_column(self.block_index, filters.field)
    if size is not None:
      margin = (filters.kernel - self._row[size]) // 2
      kernel = kernel[margin : filters.kernel - margin, margin : filters.kernel - margin]
    kernel = first(kernel, None, None, computed, None)
    features = first(x.features, None, None, None, computed)
    features, padding = _zero_padded(features, filters.padding)

    def convolve(scale: Tensor) -> Tensor:
      factor = tf.reshape(scale, (-1, 1))
      strides = (1, filters.stride, filters.stride, 1)
      return tf.nn.depthwise_conv2d(features, kernel * factor, strides, padding)

    return self._finished(x, convolve, layer, filters, kept, layer.bypass_cap())

  def _finished(self, x, convolve, layer, filters, kept, cap):
    """Norm and activation of what is convolved, and beside it the channels of `x` that pass."""
    computed = _at_least_one(kept)
    if layer.norm is None:
      y = tf.nn.bias_add(convolve(1.0), first_of(layer.bias, computed))
    else:
      y = self._normalise(convolve, layer.norm, computed)
    y = first(activate(y, filters.activation), None, None, None, kept)
    if cap == 0:
      return _Value(y, kept)
    out = tf.maximum(x.live if cap is None else tf.minimum(x.live, cap), kept)
    # Pooled before it is cut: an empty slice has no pool, and so no gradient.
    passed = _downsampled(x.features, filters.stride)
    passed = first(passed, None, None, None, out, skipped=kept)
    return _Value(tf.concat([y, passed], axis=-1), out)

  def squeeze_excite(
    self,
    x: _Value,
    units: int,
    skipped: Tensor | None,
    activation: str,
    gate: str,
  ) -> _Value:
    layer = self._layer("squeeze")
    reduce = first(layer.reduce.kernel, x.live, None)
    expand = first(layer.expand.kernel, None, x.live)
    bias = first_of(layer.expand.bias, x.live)

    def gated() -> Tensor:
      y = tf.reduce_mean(x.features, (1, 2)) @ reduce + layer.reduce.bias
      y = GATES[gate](activate(y, activation) @ expand + bias)
      return x.features * tf.reshape(y, (tf.shape(y)[0], 1, 1, -1))

    features = gated() if skipped is None else tf.cond(skipped, lambda: x.features, gated)
    return _Value(features, x.live)

  def add(self, shortcut: _Value, x: _Value) -> _Value:
    live = tf.maximum(shortcut.live, x.live)
    return _Value(_padded(shortcut, live) + _padded(x, live), live)

  def upsample(self, x: _Value, factor: int) -> _Value:
    return _Value(tf.repeat(tf.repeat(x.features, factor, 1), factor, 2), x.live)

  def global_pool(self, x: _Value) -> _Value:
    return _Value(tf.reduce_mean(x.features, (1, 2), keepdims=True), x.live)

  def window_pool(self, x: _Value, window: Window) -> _Value:
    features, padding = _zero_padded(x.features, window.padding)
    return _Value(POOLS[window.form](features, window.size, window.stride, padding), x.live)

  def activation(self, x: _Value, activation: str) -> _Value:
    return _Value(activate(x.features, activation), x.live)

  def norm(self, x: _Value, activation: str) -> _Value:
    def scaled(scale: Tensor) -> Tensor:
      return x.features * scale

    features = self._normalise(scaled, self._layer("norm").norm, x.live)
    return _Value(activate(features, activation), x.live)

  def rescale(self, x: _Value, scale: tuple[float, ...], offset: tuple[float, ...]) -> _Value:
    dtype = x.features.dtype
    return _Value(x.features * tf.constant(scale, dtype) + tf.constant(offset, dtype), x.live)

  def dropout(self, x: _Value, rate: float) -> _Value:
    return self._dropped(x, rate) if rate and self._training else x

  def drop_branch(self, x: _Value, rate: float) -> _Value:
    return self._dropped(x, rate, (tf.shape(x.features)[0], 1, 1, 1))

  def _dropped(self, x: _Value, rate: float, noise_shape: Any = None) -> _Value:
    if self._dropout_seed is None:
      return _Value(tf.nn.dropout(x.features, rate, noise_shape), x.live)
    seed = self._dropout_seed + tf.constant([self.block_index, 0])
    dropout = tf.nn.experimental.stateless_dropout
    return _Value(dropout(x.features, rate, seed, noise_shape=noise_shape), x.live)

  def classifier(self, x: _Value, classes: int) -> _Value:
    layer = self._layer("classes")
    kernel = first(layer.kernel, *[None] * (len(layer.kernel.shape) - 2), x.live, None)
    return _Value(products(x.features, kernel, layer.pixels) + layer.bias, tf.constant(classes))

  def all_removed(self, fields: tuple[str, ...]) -> Tensor | None:
    columns = self._columns(self.block_index)
    if not all(field in columns for field in fields):
      return None
    return tf.add_n([self._row[columns[field]] for field in fields]) == 0

  def choose(
    self,
    condition: Tensor | None,
    if_true: Callable[[], _Value],
    if_false: Callable[[], _Value],
  ) -> _Value:
    if condition is None:
      return if_false()
    # Both are there before one is taken: statistics made inside a tf.cond could not leave it. What
    # is thrown away is a block whose every layer has one filter.
    true, false = if_true(), if_false()
    features = tf.cond(condition, lambda: true.features, lambda: false.features)
    return _Value(features, tf.where(condition, true.live, false.live))


def _zero_padded(features: Tensor, padding: Padding | None) -> tuple[Tensor, str]:
  """Features with what zeros there are before a layer, and how TensorFlow is to pad them."""
  if padding is None:
    return features, "SAME"
  if padding != (0, 0):
    features = tf.pad(features, ((0, 0), padding, padding, (0, 0)))
  return features, "VALID"


def _downsampled(features: Tensor, stride: int) -> Tensor:
  if stride == 1:
    return features
  return tf.nn.avg_pool2d(features, BYPASS_POOL, stride, "SAME")


def _padded(value: _Value, channels: Tensor) -> Tensor:
  missing = channels - value.live
  return tf.pad(value.features, ((0, 0), (0, 0), (0, 0), (0, missing)))


def _at_least_one(count: Tensor) -> Tensor:
  """A convolution without filters is an error in TensorFlow; the one too many is cut off again."""
  return tf.maximum(count, 1)


def run_sliced(
  super_model: SuperNetwork,
  images: Tensor,
  row: Tensor,
  normalise: Statistics | None = None,
  training: bool = False,
  dropout_seed: Tensor | None = None,
) -> Tensor:
  """Outputs of one sub-network of the super-network.

  Args:
    super_model: a `SuperNetwork`, built.
    images: float [batch, height, width, channels].
    row: int32 [decisions], `space.encode(spec)`; may be a tensor.
    normalise: `OwnStatistics` (the default) or `GivenStatistics`.
    training: whether dropout and stochastic depth are on.
    dropout_seed: int32 [2], may be a tensor: what dropout zeroes is a function of it; None draws.
  """
  normalise = normalise or OwnStatistics()
  maker = _SlicedMaker(super_model, row, normalise, training, dropout_seed)
  value = _Value(tf.convert_to_tensor(images), tf.constant(images.shape[-1]))
  return wire(super_model.space.largest(), maker, value).features
