"""Blocks without a width of their own: activations, norms, pools, preprocessing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.spec import checks
from nadv2_tf.spec.blocks.base import KINDS, Block, Window

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.spec.blocks.base import Maker, Padding


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
