"""Stand-alone networks: a spec as a plain Keras model, without masks or custom objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from nadv2_tf.layers import pad_channels
from nadv2_tf.models.parts import (
  classifier,
  convolution,
  depthwise,
  norm,
  rescale,
  squeeze_excite,
  window_pool,
)
from nadv2_tf.models.parts.activations import activation_layer
from nadv2_tf.models.static_maker import StaticMaker
from nadv2_tf.models.stochastic_depth import branch_rates, drop_branches
from nadv2_tf.models.wiring import wire

if TYPE_CHECKING:
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.blocks import Filters, Window
  from nadv2_tf.types import Tensor


class _StandAloneMaker(StaticMaker):
  """Maker that reads a block's wiring as plain Keras layers."""

  def convolution(self, x: Tensor, filters: Filters) -> Tensor:
    return convolution.stand_alone(x, filters, self.name(filters.field))

  def depthwise(self, x: Tensor, filters: Filters) -> Tensor:
    return depthwise.stand_alone(x, filters, self.name(filters.field))

  def squeeze_excite(
    self,
    x: Tensor,
    units: int,
    skipped: bool,
    activation: str,
    gate: str,
  ) -> Tensor:
    if skipped:
      return x
    return squeeze_excite.stand_alone(x, units, activation, gate, self.name("squeeze"))

  def window_pool(self, x: Tensor, window: Window) -> Tensor:
    return window_pool.stand_alone(x, window, self.name("pool"))

  def activation(self, x: Tensor, activation: str) -> Tensor:
    return activation_layer(x, activation, self.name("activation"))

  def norm(self, x: Tensor, activation: str) -> Tensor:
    return norm.stand_alone(x, activation, self.name("norm"))

  def rescale(self, x: Tensor, scale: tuple[float, ...], offset: tuple[float, ...]) -> Tensor:
    return rescale.stand_alone(x, scale, offset, self.name("rescale"))

  def add(self, shortcut: Tensor, x: Tensor) -> Tensor:
    channels = max(shortcut.shape[-1], x.shape[-1])
    operands = [pad_channels(shortcut, channels), pad_channels(x, channels)]
    return keras.layers.Add(name=self.next_name("add"))(operands)

  def drop_branch(self, x: Tensor, rate: float) -> Tensor:
    return drop_branches(rate, self.name("branch"))(x)

  def upsample(self, x: Tensor, factor: int) -> Tensor:
    # UpSampling2D repeats rows and columns, which TFLite runs as tiles and reshapes; this is one
    # operator with the same values, which GPU delegates and integer kernels have too. And the layer
    # `Resizing` makes all that comes after it believe that the network is being trained, where a
    # caller does not say that it is not.
    size = (x.shape[1] * factor, x.shape[2] * factor)
    return keras.ops.image.resize(x, size, interpolation="nearest", data_format="channels_last")

  def global_pool(self, x: Tensor) -> Tensor:
    return keras.layers.GlobalAveragePooling2D(keepdims=True, name=self.name("pool"))(x)

  def dropout(self, x: Tensor, rate: float) -> Tensor:
    return keras.layers.Dropout(rate, name=self.name("dropout"))(x) if rate else x

  def classifier(self, x: Tensor, classes: int) -> Tensor:
    return classifier.stand_alone(x, classes, self.name("classes"))


def stand_alone(spec: NetworkSpec, stochastic_depth: float = 0.0) -> keras.Model:
  """A plain Keras model of `spec` with fresh weights: images -> outputs.

  Args:
    spec: a `NetworkSpec`.
    stochastic_depth: share of images that skip the last block's residual branch in training, see
      `branch_rates`.

  Returns:
    Model of float images, [batch, height, width, channels]. It is made of Keras's own layers and
    operations only, so a saved file loads without this package.
  """
  images = keras.Input(spec.input_shape, name="images")
  maker = _StandAloneMaker(spec, branch_rates(spec, stochastic_depth))
  outputs = wire(spec, maker, images)
  return keras.Model(images, outputs, name=_model_name(spec.name))


def _model_name(name: str) -> str:
  return "".join(char if char.isalnum() or char in "_-." else "_" for char in name) or "network"
