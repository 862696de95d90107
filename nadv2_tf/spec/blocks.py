"""Block kinds: small frozen values that say what a block is and how its layers are wired.

A block's wiring is written once, in `wire`. Whoever needs to know it passes a *maker*: shape
counting (`spec/shapes.py`), the super-network and the stand-alone network (`models/`) and others
(docs/decisions/0001) are readings of the same few lines, so they cannot drift apart.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from nadv2_tf.spec import checks
from nadv2_tf.spec.registry import Registry

if TYPE_CHECKING:
  from collections.abc import Callable

KINDS = Registry("block kind")

#: zeros (before, after) along height, and as many along width
Padding: TypeAlias = tuple[int, int]


def later(default: Any) -> Any:
  """A field that specs written before it was there do not have: its default is not written."""
  return dataclasses.field(default=default, metadata={"later": True})


@dataclasses.dataclass(frozen=True)
class Filters:
  """One searched layer: a convolution with what follows and surrounds it.

  `field` is the block's field that holds the width, `kept` its value M, `bypass_cap` T. `padding`
  are the zeros (before, after) along height and width, None for SAME padding. Where it makes an
  output of another size than SAME padding does, no channel can go around the layer.
  """

  field: str
  kept: int
  kernel: int = 1
  stride: int = 1
  activation: str = "linear"
  bypass_cap: int | None = 0
  batch_norm: bool = True
  padding: Padding | None = None


@dataclasses.dataclass(frozen=True)
class Window:
  """A pool over a window: `form` "max" or "average", `size` and `stride` in pixels."""

  form: str
  size: int
  stride: int
  padding: Padding | None = None


class Maker(Protocol):
  """What `wire` may ask for. Values `x` are whatever the maker passes along the network."""

  def convolution(self, x: Any, filters: Filters) -> Any: ...
  def depthwise(self, x: Any, filters: Filters) -> Any: ...
  def squeeze_excite(
    self,
    x: Any,
    units: int,
    skipped: Any,
    activation: str = "relu",
    gate: str = "hard_sigmoid",
  ) -> Any: ...
  def add(self, shortcut: Any, x: Any) -> Any: ...
  def residual(self, shortcut: Any, branch: Any) -> Any: ...
  def upsample(self, x: Any, factor: int) -> Any: ...
  def global_pool(self, x: Any) -> Any: ...
  def window_pool(self, x: Any, window: Window) -> Any: ...
  def activation(self, x: Any, activation: str) -> Any: ...
  def norm(self, x: Any, activation: str) -> Any: ...
  def rescale(self, x: Any, scale: tuple[float, ...], offset: tuple[float, ...]) -> Any: ...
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
      Filters(
        "depthwise",
        self.depthwise,
        self.kernel,
        self.stride,
        self.activation,
        None,
        self.batch_norm,
        self.padding,
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
      Filters(
        "depthwise",
        self.depthwise,
        self.kernel,
        self.stride,
        between,
        None,
        self.depthwise_norm,
        self.padding,
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
        Filters(
          "start",
          self.start,
          self.start_kernel,
          self.start_stride,
          self.start_activation,
          None,
          padding=self.start_padding,
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
        Filters(
          "depthwise",
          self.depthwise,
          self.kernel,
          self.stride,
          self.activation,
          None,
          padding=self.padding,
        ),
      )
    if self.squeeze is not None:
      x = make.squeeze_excite(x, self.squeeze, removed, self.squeeze_activation, self.gate)
    return make.convolution(x, Filters("projection", self.projection, bypass_cap=self.bypass_cap))


@KINDS.register("residual")
@dataclasses.dataclass(frozen=True)
class Residual(Block):
  """ResNet's block: two or three convolutions, a shortcut, and an activation after their sum.

  `third` None: the basic block; else the bottleneck. `shortcut` None: the block's input itself, and
  a block whose widths are all 0 is the identity; else the filters of a 1x1 convolution.

  Source: He et al., Deep residual learning, 2015, Fig. 5 and section 3.3 (option B).
  """

  first: int
  second: int
  third: int | None = None
  shortcut: int | None = None
  first_kernel: int = 3
  second_kernel: int = 3
  third_kernel: int = 1
  first_stride: int = 1
  second_stride: int = 1
  activation: str = "relu"
  bypass_cap: int | None = 0
  first_padding: Padding | None = None
  second_padding: Padding | None = None

  kind = "residual"
  #: it always adds its input, unlike the bottlenecks, which have a field of this name
  residual = True
  width_fields = ("first", "second", "third", "shortcut")

  def __post_init__(self) -> None:
    for name in ("first_padding", "second_padding"):
      object.__setattr__(self, name, checks.padding(name, getattr(self, name)))
    checks.width("first", self.first)
    checks.width("second", self.second)
    for name in ("third", "shortcut", "bypass_cap"):
      checks.optional_width(name, getattr(self, name))
    for name in ("first_kernel", "second_kernel", "third_kernel"):
      checks.kernel(name, getattr(self, name))
    for name in ("first_stride", "second_stride"):
      checks.stride(name, getattr(self, name))
    checks.one_of("activation", self.activation, checks.ACTIVATIONS)
    if (self.first_stride, self.second_stride) == (2, 2):
      raise ValueError("One of first_stride and second_stride may be 2, got 2 in both.")
    if self.shortcut is None and (self.first_stride, self.second_stride) != (1, 1):
      raise ValueError("shortcut must have filters in a block of stride 2, got None.")

  def wire(self, make: Maker, x: Any) -> Any:
    if self.shortcut is not None:
      return self._sum(make, self._shortcut(make, x), x)
    removed = make.all_removed(tuple(self.widths()))
    return make.choose(removed, lambda: x, lambda: self._sum(make, x, x))

  def _shortcut(self, make: Maker, x: Any) -> Any:
    stride = self.first_stride * self.second_stride
    return make.convolution(
      x, Filters("shortcut", self.shortcut or 0, stride=stride, bypass_cap=self.bypass_cap)
    )

  def _sum(self, make: Maker, shortcut: Any, x: Any) -> Any:
    return make.activation(make.residual(shortcut, self._branch(make, x)), self.activation)

  def _branch(self, make: Maker, x: Any) -> Any:
    last = "linear" if self.third is None else self.activation
    x = make.convolution(
      x,
      Filters(
        "first",
        self.first,
        self.first_kernel,
        self.first_stride,
        self.activation,
        self.bypass_cap,
        padding=self.first_padding,
      ),
    )
    x = make.convolution(
      x,
      Filters(
        "second",
        self.second,
        self.second_kernel,
        self.second_stride,
        last,
        self.bypass_cap,
        padding=self.second_padding,
      ),
    )
    if self.third is None:
      return x
    return make.convolution(
      x, Filters("third", self.third, self.third_kernel, bypass_cap=self.bypass_cap)
    )


@KINDS.register("activation")
@dataclasses.dataclass(frozen=True)
class Activation(Block):
  """An activation by itself, such as after an additive skip."""

  activation: str

  kind = "activation"

  def __post_init__(self) -> None:
    checks.one_of("activation", self.activation, checks.ACTIVATIONS)

  def wire(self, make: Maker, x: Any) -> Any:
    return make.activation(x, self.activation)


@KINDS.register("norm")
@dataclasses.dataclass(frozen=True)
class Norm(Block):
  """A batch norm by itself, over whatever channels come, and an activation."""

  activation: str = "linear"

  kind = "norm"

  def __post_init__(self) -> None:
    checks.one_of("activation", self.activation, checks.ACTIVATIONS)

  def wire(self, make: Maker, x: Any) -> Any:
    return make.norm(x, self.activation)


@KINDS.register("pool")
@dataclasses.dataclass(frozen=True)
class Pool(Block):
  """A pool over windows of size x size pixels.

  `padding` None: SAME, whose pixels outside do not count; else zeros that do (Keras's
  ZeroPadding2D before a "valid" pool).
  """

  form: str = "max"
  size: int = 2
  stride: int = 2
  padding: Padding | None = None

  kind = "pool"

  def __post_init__(self) -> None:
    checks.one_of("form", self.form, ("max", "average"))
    checks.integer("size", self.size, 1, checks.LARGEST_KERNEL)
    checks.integer("stride", self.stride, 1, checks.LARGEST_KERNEL)
    object.__setattr__(self, "padding", checks.padding("padding", self.padding))

  def wire(self, make: Maker, x: Any) -> Any:
    return make.window_pool(x, Window(self.form, self.size, self.stride, self.padding))


@KINDS.register("global_pool")
@dataclasses.dataclass(frozen=True)
class GlobalPool(Block):
  """The mean over all pixels, [1, 1, channels]."""

  kind = "global_pool"

  def wire(self, make: Maker, x: Any) -> Any:
    return make.global_pool(x)


@KINDS.register("rescale")
@dataclasses.dataclass(frozen=True)
class Rescale(Block):
  """`x * scale + offset`, channel by channel and fixed: preprocessing that is part of a network.

  It must be the first block. One number each, or one for every channel of the images.
  """

  scale: tuple[float, ...]
  offset: tuple[float, ...]

  kind = "rescale"

  def __post_init__(self) -> None:
    for name in ("scale", "offset"):
      object.__setattr__(self, name, checks.numbers(name, getattr(self, name)))
    if len(self.scale) != len(self.offset):
      raise ValueError(
        f"offset must have as many numbers as scale, {len(self.scale)}, got {len(self.offset)}."
      )

  def wire(self, make: Maker, x: Any) -> Any:
    return make.rescale(x, self.scale, self.offset)


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
