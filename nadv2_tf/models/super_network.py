"""The super-network: every sub-network of a search space in one Keras model with shared weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from nadv2_tf.models.parts import (
  classifier,
  convolution,
  depthwise,
  norm,
  per_image,
  rescale,
  squeeze_excite,
  window_pool,
)
from nadv2_tf.models.parts.activations import activation_layer
from nadv2_tf.models.stochastic_depth import branch_rates, drop_branches
from nadv2_tf.models.wiring import LayerMaker, wire

if TYPE_CHECKING:
  from collections.abc import Callable, Mapping, Sequence

  from nadv2_tf.models.parts.filtered import SuperFiltered
  from nadv2_tf.spec import SearchSpace
  from nadv2_tf.spec.blocks import Filters, Window
  from nadv2_tf.types import Tensor


class _Value(NamedTuple):
  """What the maker passes along: features, and how many channels of each image are live."""

  features: Tensor
  live: Tensor


class _SuperMaker(LayerMaker):
  """Maker that reads a block's wiring as layers of the super-network."""

  def __init__(
    self,
    space: SearchSpace,
    widths: Tensor,
    norm_arguments: Mapping[str, Any],
    branch_rates: Mapping[int, float],
  ) -> None:
    super().__init__(branch_rates)
    self._space = space
    self._widths = widths
    self._norm = norm_arguments

  def _filtered(
    self,
    layer_type: type[SuperFiltered],
    x: _Value,
    filters: Filters,
    kernel_column: int | None = None,
  ) -> _Value:
    layer = layer_type(
      filters,
      width_column=self._space.columns(self.block_index).get(filters.field),
      kernel_column=kernel_column,
      norm=self._norm,
      name=self.name(filters.field),
    )
    return _Value(*layer(x.features, x.live, self._widths))

  def convolution(self, x: _Value, filters: Filters) -> _Value:
    return self._filtered(convolution.SuperConvolution, x, filters)

  def depthwise(self, x: _Value, filters: Filters) -> _Value:
    column = self._space.kernel_column(self.block_index, filters.field)
    return self._filtered(depthwise.SuperDepthwise, x, filters, column)

  def squeeze_excite(
    self,
    x: _Value,
    units: int,
    skipped: Tensor | None,
    activation: str,
    gate: str,
  ) -> _Value:
    name = self.name("squeeze")
    layer = squeeze_excite.SuperSqueezeExcite(units, activation, gate, name=name)
    features = layer(x.features) if skipped is None else layer(x.features, skipped)
    return _Value(features, x.live)

  def add(self, shortcut: _Value, x: _Value) -> _Value:
    layer = per_image.PaddedAdd(name=self.next_name("add"))
    return _Value(*layer(shortcut.features, shortcut.live, x.features, x.live))

  def drop_branch(self, x: _Value, rate: float) -> _Value:
    return _Value(drop_branches(rate, self.name("branch"))(x.features), x.live)

  def upsample(self, x: _Value, factor: int) -> _Value:
    layer = keras.layers.UpSampling2D(factor, name=self.name("upsample"))
    return _Value(layer(x.features), x.live)

  def global_pool(self, x: _Value) -> _Value:
    layer = keras.layers.GlobalAveragePooling2D(keepdims=True, name=self.name("pool"))
    return _Value(layer(x.features), x.live)

  def window_pool(self, x: _Value, window: Window) -> _Value:
    return _Value(window_pool.stand_alone(x.features, window, self.name("pool")), x.live)

  def activation(self, x: _Value, activation: str) -> _Value:
    return _Value(activation_layer(x.features, activation, self.name("activation")), x.live)

  def norm(self, x: _Value, activation: str) -> _Value:
    layer = norm.SuperNorm(activation, self._norm, name=self.name("norm"))
    return _Value(layer(x.features, x.live), x.live)

  def rescale(self, x: _Value, scale: tuple[float, ...], offset: tuple[float, ...]) -> _Value:
    return _Value(rescale.stand_alone(x.features, scale, offset, self.name("rescale")), x.live)

  def dropout(self, x: _Value, rate: float) -> _Value:
    if not rate:
      return x
    return _Value(keras.layers.Dropout(rate, name=self.name("dropout"))(x.features), x.live)

  def classifier(self, x: _Value, classes: int) -> _Value:
    layer = classifier.SuperClassifier(classes, name=self.name("classes"))
    return _Value(layer(x.features), x.live)

  def all_removed(self, fields: tuple[str, ...]) -> Tensor | None:
    columns = self._space.columns(self.block_index)
    if not all(field in columns for field in fields):
      return None
    layer = per_image.AllRemoved([columns[field] for field in fields], name=self.name("removed"))
    return layer(self._widths)

  def choose(
    self, condition: Tensor | None, if_true: Callable[[], _Value], if_false: Callable[[], _Value]
  ) -> _Value:
    if condition is None:
      return if_false()
    true, false = if_true(), if_false()
    layer = per_image.Choose(name=self.name("choose"))
    return _Value(*layer(condition, true.features, true.live, false.features, false.live))


class SuperNetwork(keras.Model):
  """The Keras model that `super_network` returns; called with values, it checks `widths`.

  Inside a traced function there are no values to check: whoever feeds it calls `check_widths`.
  """

  def __init__(
    self,
    inputs: Sequence[Tensor],
    outputs: Tensor,
    space: SearchSpace,
    name: str,
    branch_rates: Mapping[int, float],
  ) -> None:
    super().__init__(inputs=inputs, outputs=outputs, name=name)
    self.space = space
    self.branch_rates = branch_rates

  def call(
    self, inputs: Sequence[Tensor], training: bool | None = None, mask: Any = None
  ) -> Tensor:
    values = _values(inputs[1])
    if values is not None:
      check_widths(self.space, values)
    return super().call(inputs, training=training, mask=mask)


def _values(widths: Any) -> np.ndarray | None:
  """`widths` as a NumPy array, or None if it is symbolic."""
  if isinstance(widths, keras.KerasTensor):
    return None
  try:
    return np.asarray(widths)
  except Exception:  # every backend raises an error of its own for a tensor without values
    return None


def super_network(
  space: SearchSpace,
  groups: int = 1,
  statistics: str = "mixture",
  inference: str | None = None,
  momentum: float = 0.99,
  synchronized: bool = False,
  stochastic_depth: float = 0.0,
) -> SuperNetwork:
  """The super-network of a search space: a Keras model, [images, widths] -> outputs.

  Image i of a batch runs through the sub-network of row i of `widths`; the active sub-networks
  are an input, so the model has no hidden state and one trace serves all of them.

  Args:
    space: a `SearchSpace`.
    groups: batch-norm statistics are taken over this many equal groups of rows. 1 is the paper's
      form, statistics of the mixture of all sub-networks in the batch.
    statistics: "mixture" or "live" (only the images that keep a channel); see `MaskedBatchNorm`.
    inference: what normalises when not training: "moving" averages, or the "batch" itself, for
      running one sub-network by its own statistics. The default is "moving" for one group and
      "batch" for several.
    momentum: of the moving averages.
    synchronized: with one group, whether its statistics are taken over all replicas.
    stochastic_depth: share of images that skip the last block's residual branch in training, see
      `branch_rates`.

  Returns:
    Model of inputs images, float [batch, height, width, channels], and widths, int32
    [batch, decisions], rows of `space.encode(spec)`. The kernel columns of a batch must be equal
    in all rows (others are refused): one kernel serves the batch.

  Source: NetAdaptV2, sections 2.1 to 2.3.
  """
  network = space.largest()
  images = keras.Input(network.input_shape, name="images")
  widths = keras.Input((len(space),), dtype="int32", name="widths")
  norm_arguments = {
    "groups": groups,
    "statistics": statistics,
    "inference": inference,
    "momentum": momentum,
    "synchronized": synchronized,
  }
  value = _Value(images, per_image.InputLive(name="live_inputs")(images, widths))
  rates = branch_rates(network, stochastic_depth)
  outputs = wire(network, _SuperMaker(space, widths, norm_arguments, rates), value)
  return SuperNetwork(
    inputs=[images, widths],
    outputs=outputs.features,
    space=space,
    name=f"super_{network.name}",
    branch_rates=rates,
  )


def check_widths(space: SearchSpace, widths: np.ndarray) -> None:
  """Raises ValueError unless `widths` is a batch that the super-network can run.

  Args:
    space: the `SearchSpace`.
    widths: integer array, [batch, decisions].
  """
  if widths.ndim != 2 or widths.shape[1] != len(space):
    raise ValueError(f"widths must have the shape [batch, {len(space)}], got {list(widths.shape)}.")
  for column, decision in enumerate(space.decisions):
    values = widths[:, column]
    if values.min() < 0 or values.max() > decision.choices[-1]:
      raise ValueError(
        f"widths: {decision.name} must lie in [0, {decision.choices[-1]}], got "
        f"{values.min()} to {values.max()}."
      )
    if decision.kind == "kernel" and values.min() != values.max():
      raise ValueError(
        f"widths: {decision.name} must be equal in all rows of a batch (one kernel serves "
        f"them all), got {sorted(set(values.tolist()))}."
      )
