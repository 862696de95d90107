"""ResNet's blocks."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.spec import checks
from nadv2_tf.spec.blocks.base import KINDS, Block, Filters

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.spec.blocks.base import Maker, Padding


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
    if self.third is None and self.third_kernel != 1:
      raise ValueError(f"third_kernel must be 1 where third is None, got {self.third_kernel}.")
    if (self.first_stride, self.second_stride) == (2, 2):
      raise ValueError("One of first_stride and second_stride may be 2, got 2 in both.")
    if self.shortcut is None and (self.first_stride, self.second_stride) != (1, 1):
      raise ValueError("shortcut must have filters in a block of stride 2, got None.")

  def leaving(self) -> tuple[str, ...]:
    """See `Block.leaving`: the last convolution's, and the shortcut's that it is added to."""
    last = "second" if self.third is None else "third"
    return (last,) if self.shortcut is None else (last, "shortcut")

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
