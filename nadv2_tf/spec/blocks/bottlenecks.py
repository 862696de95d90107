"""Inverted residuals: MobileNetV3's, and those of EfficientNet, MnasNet and MobileNetV4."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.spec import checks
from nadv2_tf.spec.blocks.base import KINDS, Block, Filters, depthwise_filters

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.spec.blocks.base import Maker, Padding


@KINDS.register("inverted_residual")
@dataclasses.dataclass(frozen=True)
class InvertedResidual(Block):
  """MobileNetV3's block: expansion, depthwise, squeeze-and-excite, projection, residual add.

  `expansion` None: the block has no expansion layer. `squeeze` None: no squeeze-and-excite;
  its width is not searched. The residual add pads the narrower operand with zeros.
  A stride-1 block with a residual whose widths are all 0 is the identity. One without a residual
  keeps to the general rule there (its first min(C, T) channels pass), because the identity would
  widen what follows: removing filters would then raise the MACs.
  """

  expansion: int | None
  depthwise: int
  projection: int
  kernel: int = 3
  stride: int = 1
  squeeze: int | None = None
  activation: str = "relu"
  bypass_cap: int | None = 0
  residual: bool = True

  kind = "inverted_residual"
  width_fields = ("expansion", "depthwise", "projection")

  def __post_init__(self) -> None:
    checks.optional_width("expansion", self.expansion)
    checks.width("depthwise", self.depthwise)
    checks.width("projection", self.projection)
    checks.kernel("kernel", self.kernel)
    checks.stride("stride", self.stride)
    checks.optional_width("squeeze", self.squeeze, low=1)
    checks.one_of("activation", self.activation, checks.ACTIVATIONS)
    checks.optional_width("bypass_cap", self.bypass_cap)
    checks.boolean("residual", self.residual)
    if self.residual and self.stride != 1:
      raise ValueError("residual must be False in a block of stride 2, got True.")

  def wire(self, make: Maker, x: Any) -> Any:
    removed = make.all_removed(tuple(self.widths()))
    if not self.residual:
      return self._branch(make, x, removed)
    return make.choose(removed, lambda: x, lambda: make.residual(x, self._branch(make, x, removed)))

  def _branch(self, make: Maker, x: Any, removed: Any) -> Any:
    if self.expansion is not None:
      x = make.convolution(
        x,
        Filters(
          "expansion", self.expansion, activation=self.activation, bypass_cap=self.bypass_cap
        ),
      )
    x = make.depthwise(
      x, depthwise_filters("depthwise", self.depthwise, self.kernel, self.stride, self.activation)
    )
    if self.squeeze is not None:
      x = make.squeeze_excite(x, self.squeeze, removed, "relu", "hard_sigmoid")
    return make.convolution(x, Filters("projection", self.projection, bypass_cap=self.bypass_cap))


@KINDS.register("universal_bottleneck")
@dataclasses.dataclass(frozen=True)
class UniversalBottleneck(Block):
  """The bottlenecks of EfficientNet, MnasNet and MobileNetV4: depthwise layers before and after.

  A depthwise layer in front (`start`), the expansion, a depthwise layer, squeeze-and-excite, the
  projection, the residual add; each but the projection may be None. What holds for
  `InvertedResidual` holds here: padded adds, and the identity where all widths are 0.

  Source: Qin et al., MobileNetV4, 2024, section 3 (universal inverted bottleneck); Tan and Le,
  EfficientNet, 2019 (swish in the squeeze-and-excite, a sigmoid as its gate).
  """

  projection: int
  start: int | None = None
  expansion: int | None = None
  depthwise: int | None = None
  start_kernel: int = 3
  kernel: int = 3
  start_stride: int = 1
  stride: int = 1
  squeeze: int | None = None
  squeeze_activation: str = "relu"
  gate: str = "hard_sigmoid"
  activation: str = "relu"
  start_activation: str = "linear"
  bypass_cap: int | None = 0
  residual: bool = True
  start_padding: Padding | None = None
  padding: Padding | None = None

  kind = "universal_bottleneck"
  width_fields = ("start", "expansion", "depthwise", "projection")

  def __post_init__(self) -> None:
    for name in ("start_padding", "padding"):
      object.__setattr__(self, name, checks.padding(name, getattr(self, name)))
    checks.width("projection", self.projection)
    for name in ("start", "expansion", "depthwise", "bypass_cap"):
      checks.optional_width(name, getattr(self, name))
    for name in ("start_kernel", "kernel"):
      checks.kernel(name, getattr(self, name))
    for name in ("start_stride", "stride"):
      checks.stride(name, getattr(self, name))
    checks.optional_width("squeeze", self.squeeze, low=1)
    for name in ("squeeze_activation", "activation", "start_activation"):
      checks.one_of(name, getattr(self, name), checks.ACTIVATIONS)
    checks.one_of("gate", self.gate, checks.GATES)
    checks.boolean("residual", self.residual)
    if self.residual and (self.stride, self.start_stride) != (1, 1):
      raise ValueError("residual must be False in a block of stride 2, got True.")
    for layer, name in (("start", "start_padding"), ("depthwise", "padding")):
      if getattr(self, layer) is None and getattr(self, name) is not None:
        raise ValueError(f"{name} must be None where {layer} is, got {getattr(self, name)}.")
    if self.depthwise is None and self.stride != 1:
      raise ValueError("stride must be 1 where depthwise is None, got 2.")
    if self.start is None and self.start_stride != 1:
      raise ValueError("start_stride must be 1 where start is None, got 2.")

  def wire(self, make: Maker, x: Any) -> Any:
    removed = make.all_removed(tuple(self.widths()))
    if not self.residual:
      return self._branch(make, x, removed)
    return make.choose(removed, lambda: x, lambda: make.residual(x, self._branch(make, x, removed)))

  def _branch(self, make: Maker, x: Any, removed: Any) -> Any:
    if self.start is not None:
      x = make.depthwise(
        x,
        depthwise_filters(
          "start",
          self.start,
          self.start_kernel,
          self.start_stride,
          self.start_activation,
          self.start_padding,
        ),
      )
    if self.expansion is not None:
      x = make.convolution(
        x,
        Filters(
          "expansion", self.expansion, activation=self.activation, bypass_cap=self.bypass_cap
        ),
      )
    if self.depthwise is not None:
      x = make.depthwise(
        x,
        depthwise_filters(
          "depthwise", self.depthwise, self.kernel, self.stride, self.activation, self.padding
        ),
      )
    if self.squeeze is not None:
      x = make.squeeze_excite(x, self.squeeze, removed, self.squeeze_activation, self.gate)
    return make.convolution(x, Filters("projection", self.projection, bypass_cap=self.bypass_cap))
