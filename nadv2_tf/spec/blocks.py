"""Block kinds: small frozen values that say what a block is and how its layers are wired.

A block's wiring is written once, in `wire`. Whoever needs to know it passes a *maker*: shape
counting (`spec/shapes.py`), the super-network and the stand-alone network (`models/`) and others
(docs/decisions/0001) are readings of the same few lines, so they cannot drift apart.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from nadv2_tf.spec import checks
from nadv2_tf.spec.registry import Registry

if TYPE_CHECKING:
  from collections.abc import Callable

KINDS = Registry("block kind")


@dataclasses.dataclass(frozen=True)
class Filters:
  """One searched layer: a convolution with what follows and surrounds it.

  `field` is the block's field that holds the width, `kept` its value M, `bypass_cap` T.
  """

  field: str
  kept: int
  kernel: int = 1
  stride: int = 1
  activation: str = "linear"
  bypass_cap: int | None = 0
  batch_norm: bool = True


class Maker(Protocol):
  """What `wire` may ask for. Values `x` are whatever the maker passes along the network."""

  def convolution(self, x: Any, filters: Filters) -> Any: ...
  def depthwise(self, x: Any, filters: Filters) -> Any: ...
  def squeeze_excite(self, x: Any, units: int, skipped: Any) -> Any: ...
  def add(self, shortcut: Any, x: Any) -> Any: ...
  def residual(self, shortcut: Any, branch: Any) -> Any: ...
  def upsample(self, x: Any, factor: int) -> Any: ...
  def global_pool(self, x: Any) -> Any: ...
  def dropout(self, x: Any, rate: float) -> Any: ...
  def classifier(self, x: Any, classes: int) -> Any: ...
  def all_removed(self, fields: tuple[str, ...]) -> Any: ...
  def choose(
    self, condition: Any, if_true: Callable[[], Any], if_false: Callable[[], Any]
  ) -> Any: ...


class Block:
  """Base of all block kinds. Widths are absolute channel counts; 0 removes a layer."""

  kind: ClassVar[str]
  #: fields that are searched widths, in the order in which the layers run
  width_fields: ClassVar[tuple[str, ...]] = ()

  if TYPE_CHECKING:

    def __getattr__(self, name: str) -> Any:
      """The fields that a kind has besides."""

  def widths(self) -> dict[str, int]:
    """The searched widths that this block has: {field: filters}."""
    return {
      field: getattr(self, field) for field in self.width_fields if getattr(self, field) is not None
    }

  def wire(self, make: Maker, x: Any) -> Any:
    raise NotImplementedError


@KINDS.register("conv")
@dataclasses.dataclass(frozen=True)
class Conv(Block):
  """Convolution, batch norm, activation, with a bypass of at most `bypass_cap` channels."""

  filters: int
  kernel: int = 1
  stride: int = 1
  activation: str = "relu"
  bypass_cap: int | None = 0

  kind = "conv"
  width_fields = ("filters",)

  def __post_init__(self) -> None:
    checks.width("filters", self.filters)
    checks.kernel("kernel", self.kernel)
    checks.stride("stride", self.stride)
    checks.one_of("activation", self.activation, checks.ACTIVATIONS)
    checks.optional_width("bypass_cap", self.bypass_cap)

  def wire(self, make: Maker, x: Any) -> Any:
    return make.convolution(
      x,
      Filters("filters", self.filters, self.kernel, self.stride, self.activation, self.bypass_cap),
    )


@KINDS.register("depthwise_separable")
@dataclasses.dataclass(frozen=True)
class DepthwiseSeparable(Block):
  """A depthwise layer and a pointwise layer (MobileNetV1, FastDepth's decoder)."""

  depthwise: int
  pointwise: int
  kernel: int = 3
  stride: int = 1
  activation: str = "relu"
  bypass_cap: int | None = 0

  kind = "depthwise_separable"
  width_fields = ("depthwise", "pointwise")

  def __post_init__(self) -> None:
    checks.width("depthwise", self.depthwise)
    checks.width("pointwise", self.pointwise)
    checks.kernel("kernel", self.kernel)
    checks.stride("stride", self.stride)
    checks.one_of("activation", self.activation, checks.ACTIVATIONS)
    checks.optional_width("bypass_cap", self.bypass_cap)

  def wire(self, make: Maker, x: Any) -> Any:
    x = make.depthwise(
      x, Filters("depthwise", self.depthwise, self.kernel, self.stride, self.activation, None)
    )
    return make.convolution(
      x,
      Filters("pointwise", self.pointwise, activation=self.activation, bypass_cap=self.bypass_cap),
    )


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
      x, Filters("depthwise", self.depthwise, self.kernel, self.stride, self.activation, None)
    )
    if self.squeeze is not None:
      x = make.squeeze_excite(x, self.squeeze, skipped=removed)
    return make.convolution(x, Filters("projection", self.projection, bypass_cap=self.bypass_cap))


@KINDS.register("upsample")
@dataclasses.dataclass(frozen=True)
class Upsample(Block):
  """Nearest-neighbour upsampling (FastDepth's decoder)."""

  factor: int = 2

  kind = "upsample"

  def __post_init__(self) -> None:
    checks.integer("factor", self.factor, 2, 8)

  def wire(self, make: Maker, x: Any) -> Any:
    return make.upsample(x, self.factor)


@KINDS.register("head")
@dataclasses.dataclass(frozen=True)
class Head(Block):
  """Global average pool, an optional 1x1 layer without batch norm, dropout, the classifier.

  Outputs logits. `hidden` None: no 1x1 layer.
  """

  classes: int
  hidden: int | None = None
  activation: str = "hard_swish"
  bypass_cap: int | None = 0
  dropout: float = 0.0

  kind = "head"
  width_fields = ("hidden",)

  def __post_init__(self) -> None:
    checks.width("classes", self.classes, low=2)
    checks.optional_width("hidden", self.hidden)
    checks.one_of("activation", self.activation, checks.ACTIVATIONS)
    checks.optional_width("bypass_cap", self.bypass_cap)
    checks.fraction("dropout", self.dropout)

  def wire(self, make: Maker, x: Any) -> Any:
    x = make.global_pool(x)
    if self.hidden is not None:
      x = make.convolution(
        x,
        Filters(
          "hidden",
          self.hidden,
          activation=self.activation,
          bypass_cap=self.bypass_cap,
          batch_norm=False,
        ),
      )
    return make.classifier(make.dropout(x, self.dropout), self.classes)
