"""Blocks of one searched layer."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.spec import checks
from nadv2_tf.spec.blocks.base import KINDS, Block, Filters, depthwise_filters, later

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.spec.blocks.base import Maker, Padding


@KINDS.register("conv")
@dataclasses.dataclass(frozen=True)
class Conv(Block):
  """Convolution, batch norm (or a bias instead), activation, with a bypass of `bypass_cap`."""

  filters: int
  kernel: int = 1
  stride: int = 1
  activation: str = "relu"
  bypass_cap: int | None = 0
  batch_norm: bool = later(True)
  padding: Padding | None = later(None)

  kind = "conv"
  width_fields = ("filters",)

  def __post_init__(self) -> None:
    checks.width("filters", self.filters)
    object.__setattr__(self, "padding", checks.padding("padding", self.padding))
    checks.kernel("kernel", self.kernel, any_size=self.padding is not None)
    checks.boolean("batch_norm", self.batch_norm)
    checks.stride("stride", self.stride)
    checks.one_of("activation", self.activation, checks.ACTIVATIONS)
    checks.optional_width("bypass_cap", self.bypass_cap)

  def wire(self, make: Maker, x: Any) -> Any:
    return make.convolution(
      x,
      Filters(
        "filters",
        self.filters,
        self.kernel,
        self.stride,
        self.activation,
        self.bypass_cap,
        self.batch_norm,
        self.padding,
      ),
    )


@KINDS.register("depthwise")
@dataclasses.dataclass(frozen=True)
class Depthwise(Block):
  """A depthwise layer by itself; channels without a filter pass."""

  depthwise: int
  kernel: int = 3
  stride: int = 1
  activation: str = "relu"
  batch_norm: bool = True
  padding: Padding | None = None

  kind = "depthwise"
  width_fields = ("depthwise",)

  def __post_init__(self) -> None:
    checks.width("depthwise", self.depthwise)
    object.__setattr__(self, "padding", checks.padding("padding", self.padding))
    checks.kernel("kernel", self.kernel)
    checks.stride("stride", self.stride)
    checks.one_of("activation", self.activation, checks.ACTIVATIONS)
    checks.boolean("batch_norm", self.batch_norm)

  def wire(self, make: Maker, x: Any) -> Any:
    return make.depthwise(
      x,
      depthwise_filters(
        "depthwise",
        self.depthwise,
        self.kernel,
        self.stride,
        self.activation,
        self.padding,
        self.batch_norm,
      ),
    )


@KINDS.register("depthwise_separable")
@dataclasses.dataclass(frozen=True)
class DepthwiseSeparable(Block):
  """A depthwise layer and a pointwise layer (MobileNetV1, FastDepth's decoder).

  `depthwise_activation` None: that of the pointwise layer. Without `depthwise_norm` and with a
  linear one it is Keras's SeparableConv2D, followed by batch norm and activation.
  """

  depthwise: int
  pointwise: int
  kernel: int = 3
  stride: int = 1
  activation: str = "relu"
  bypass_cap: int | None = 0
  depthwise_activation: str | None = later(None)
  depthwise_norm: bool = later(True)
  batch_norm: bool = later(True)
  padding: Padding | None = later(None)

  kind = "depthwise_separable"
  width_fields = ("depthwise", "pointwise")

  def __post_init__(self) -> None:
    object.__setattr__(self, "padding", checks.padding("padding", self.padding))
    checks.one_of("depthwise_activation", self.depthwise_activation, (None, *checks.ACTIVATIONS))
    checks.boolean("depthwise_norm", self.depthwise_norm)
    checks.boolean("batch_norm", self.batch_norm)
    checks.width("depthwise", self.depthwise)
    checks.width("pointwise", self.pointwise)
    checks.kernel("kernel", self.kernel)
    checks.stride("stride", self.stride)
    checks.one_of("activation", self.activation, checks.ACTIVATIONS)
    checks.optional_width("bypass_cap", self.bypass_cap)

  def wire(self, make: Maker, x: Any) -> Any:
    between = self.activation if self.depthwise_activation is None else self.depthwise_activation
    x = make.depthwise(
      x,
      depthwise_filters(
        "depthwise",
        self.depthwise,
        self.kernel,
        self.stride,
        between,
        self.padding,
        self.depthwise_norm,
      ),
    )
    return make.convolution(
      x,
      Filters(
        "pointwise",
        self.pointwise,
        activation=self.activation,
        bypass_cap=self.bypass_cap,
        batch_norm=self.batch_norm,
      ),
    )
