"""Block kinds: small frozen values that say what a block is and how its layers are wired.

A block's wiring is written once, in `wire`. Whoever needs to know it passes a *maker*: shape
counting (`spec/shapes.py`), the super-network and the stand-alone network (`models/`) and others
(docs/decisions/0001) are readings of the same few lines, so they cannot drift apart.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

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


def depthwise_filters(
  field: str,
  kept: int,
  kernel: int,
  stride: int,
  activation: str,
  padding: Padding | None = None,
  batch_norm: bool = True,
) -> Filters:
  """`Filters` of a depthwise layer, which every channel without a filter passes."""
  return Filters(field, kept, kernel, stride, activation, None, batch_norm, padding)


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
    activation: str,
    gate: str,
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

  def leaving(self) -> tuple[str, ...]:
    """Fields of the widths that leave the block; its other widths are seen by itself alone."""
    return tuple(self.widths())[-1:]

  def wire(self, make: Maker, x: Any) -> Any:
    raise NotImplementedError
