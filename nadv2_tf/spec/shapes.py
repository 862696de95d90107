"""Reads a block's wiring as shapes: what goes into and comes out of every layer."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from nadv2_tf.spec import channels

if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import Any, TypeAlias

  from nadv2_tf.spec.blocks import Block, Filters, Padding, Window

  #: (height, width, live channels)
  Shape: TypeAlias = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class LayerShape:
  """One layer as it runs: all that its cost and its latency depend on.

  `kind` is one of conv, depthwise, squeeze_excite, add, upsample, pool (over all pixels), max_pool,
  average_pool, activation, norm, rescale, classifier. `kept` is the number of filters that work,
  `in_channels` and `out_channels` are live channels (C and Z), `kernel` is 0 where there is none,
  `activation` is "" where there is none. `gate` is that of squeeze_excite, whose `activation` is
  the one between its two layers. `fed` is the activation that all channels of the layer's input
  come straight out of, "" where that is not said.
  """

  kind: str
  field: str
  in_height: int
  in_width: int
  in_channels: int
  kept: int
  out_height: int
  out_width: int
  out_channels: int
  kernel: int = 0
  stride: int = 1
  squeeze: int = 0
  activation: str = ""
  batch_norm: bool = False
  padding: Padding | None = None
  gate: str = ""
  fed: str = ""

  @property
  def can_be_bypassed(self) -> bool:
    """Whether its output is of the size that channels which go around it have."""
    around = (channels.output_size(side, self.stride) for side in (self.in_height, self.in_width))
    return (self.out_height, self.out_width) == tuple(around)

  @property
  def bypassed(self) -> int:
    """How many input channels go around the filters."""
    return self.out_channels - self.kept if self.kind in ("conv", "depthwise") else 0

  def macs(self, bias: bool = False) -> float:
    """Multiply-accumulates, batch 1; `bias` adds half a MAC for each conv output.

    The second convention is the TensorFlow profiler's, which counts the folded bias add as one
    floating-point operation; published MAC counts of MobileNetV3 follow it.
    """
    positions = self.out_height * self.out_width
    extra = 0.5 if bias else 0
    if self.kind == "conv":
      return positions * self.kept * (self.kernel**2 * self.in_channels + extra)
    if self.kind == "depthwise":
      return positions * self.kept * (self.kernel**2 + extra)
    if self.kind == "squeeze_excite":
      products = 2 * self.in_channels * self.squeeze
      return products + extra * (self.squeeze + self.in_channels)
    if self.kind == "classifier":
      return self.kept * (self.in_height * self.in_width * self.in_channels + extra)
    return 0

  def parameters(self) -> int:
    """Trainable parameters: kernels, biases, batch-norm scales and shifts."""
    if self.kind == "conv":
      return self.kept * (self.kernel**2 * self.in_channels + (2 if self.batch_norm else 1))
    if self.kind == "depthwise":
      return self.kept * (self.kernel**2 + (2 if self.batch_norm else 1))
    if self.kind == "squeeze_excite":
      return 2 * self.in_channels * self.squeeze + self.squeeze + self.in_channels
    if self.kind == "classifier":
      return self.kept * (self.in_height * self.in_width * self.in_channels + 1)
    if self.kind == "norm":
      return 2 * self.in_channels
    return 0

  def exported_weights(self) -> int:
    """Kernel weights and biases once the batch norm is folded: scale and shift become one bias."""
    folded = self.batch_norm and self.kind in ("conv", "depthwise")
    return self.parameters() - (self.kept if folded else 0)


class _ShapeMaker:
  """Maker whose values are (height, width, live channels)."""

  def __init__(self, block: Block) -> None:
    self._block = block
    self.layers: list[LayerShape] = []
    #: (the value of a layer without a bypass, its activation), if it was the last
    self._fed: tuple[Shape, str] | None = None

  def _record(
    self, kind: str, x: Shape, out: Shape, field: str = "", kept: int = 0, **details: Any
  ) -> Shape:
    self.layers.append(LayerShape(kind, field, *x, kept, *out, **details))
    self._fed = None
    return out

  def convolution(self, x: Shape, filters: Filters) -> Shape:
    kept = filters.kept
    return self._filtered("conv", x, filters, kept, filters.bypass_cap)

  def depthwise(self, x: Shape, filters: Filters) -> Shape:
    kept = channels.depthwise_kept(x[2], filters.kept)
    return self._filtered("depthwise", x, filters, kept, None)

  def _filtered(
    self, kind: str, x: Shape, filters: Filters, kept: int, bypass_cap: int | None
  ) -> Shape:
    *size, live = x
    height, width = (
      channels.output_size(side, filters.stride, filters.kernel, filters.padding) for side in size
    )
    out = (height, width, channels.output_channels(live, bypass_cap, kept))
    fed = self._fed[1] if self._fed and self._fed[0] is x else ""
    self._record(
      kind,
      x,
      out,
      filters.field,
      kept,
      kernel=filters.kernel,
      stride=filters.stride,
      activation=filters.activation,
      batch_norm=filters.batch_norm,
      padding=filters.padding,
      fed=fed,
    )
    if filters.padding is not None:
      _check_bypass(self.layers[-1], bypass_cap)
    if out[2] == kept:
      self._fed = (out, filters.activation)
    return out

  def squeeze_excite(
    self,
    x: Shape,
    units: int,
    skipped: bool,
    activation: str,
    gate: str,
  ) -> Shape:
    if skipped:
      return x
    return self._record("squeeze_excite", x, x, squeeze=units, activation=activation, gate=gate)

  def window_pool(self, x: Shape, window: Window) -> Shape:
    height, width = (
      channels.output_size(side, window.stride, window.size, window.padding) for side in x[:2]
    )
    return self._record(
      f"{window.form}_pool",
      x,
      (height, width, x[2]),
      kernel=window.size,
      stride=window.stride,
      padding=window.padding,
    )

  def activation(self, x: Shape, activation: str) -> Shape:
    if activation == "linear":
      return x
    return self._record("activation", x, x, activation=activation)

  def norm(self, x: Shape, activation: str) -> Shape:
    return self._record("norm", x, x, activation=activation, batch_norm=True)

  def rescale(self, x: Shape, scale: tuple[float, ...], offset: tuple[float, ...]) -> Shape:
    if len(scale) not in (1, x[2]):
      raise ValueError(f"scale must have 1 or {x[2]} numbers, got {len(scale)}.")
    return self._record("rescale", x, x)

  def add(self, shortcut: Shape, x: Shape) -> Shape:
    wider = (x[0], x[1], max(shortcut[2], x[2]))
    return self._record("add", x, wider, kept=min(shortcut[2], x[2]))

  def residual(self, shortcut: Shape, branch: Shape) -> Shape:
    if shortcut[:2] != branch[:2]:
      raise ValueError(
        f"The residual adds {branch[:2]} to {shortcut[:2]} (height, width); padding must keep the "
        "resolution."
      )
    return self.add(shortcut, branch)

  def upsample(self, x: Shape, factor: int) -> Shape:
    return self._record("upsample", x, (x[0] * factor, x[1] * factor, x[2]), stride=factor)

  def global_pool(self, x: Shape) -> Shape:
    return self._record("pool", x, (1, 1, x[2]))

  def dropout(self, x: Shape, rate: float) -> Shape:
    return x

  def classifier(self, x: Shape, classes: int) -> Shape:
    return self._record("classifier", x, (1, 1, classes), "classes", classes)

  def all_removed(self, fields: tuple[str, ...]) -> bool:
    return all(getattr(self._block, field) == 0 for field in fields)

  def choose(
    self, condition: bool, if_true: Callable[[], Shape], if_false: Callable[[], Shape]
  ) -> Shape:
    return if_true() if condition else if_false()


def _check_bypass(layer: LayerShape, bypass_cap: int | None) -> None:
  """Raises ValueError for a layer that channels may go around, but whose output has another size.

  A depthwise layer has no cap that could be 0: it must have a filter for every channel.
  """
  is_depthwise = layer.kind == "depthwise"
  passes = layer.bypassed > 0 if is_depthwise else bypass_cap != 0
  if passes and not layer.can_be_bypassed:
    needed = f"{layer.in_channels} filters" if is_depthwise else "bypass_cap 0"
    raise ValueError(
      f"{layer.field} with padding {layer.padding}, kernel {layer.kernel} and stride "
      f"{layer.stride} makes {layer.out_height}x{layer.out_width} of "
      f"{layer.in_height}x{layer.in_width}, so no channel can go around it: it needs {needed}, got "
      f"{layer.kept if is_depthwise else bypass_cap}."
    )


@functools.lru_cache(maxsize=65536)
def block_shapes(
  block: Block, in_shape: Shape, skipped: tuple[Shape, ...] = ()
) -> tuple[tuple[LayerShape, ...], Shape]:
  """The layers of `block` on an input of `in_shape`, and the shape of its output.

  Args:
    block: a `Block`.
    in_shape: (height, width, live channels).
    skipped: shapes of the outputs that additive skips add to this block's; of its resolution.

  Returns:
    (tuple of LayerShape, (height, width, live channels)). Cached: a search counts the same few
    thousand blocks again and again, and gets the same tuple for an equal block.
  """
  maker = _ShapeMaker(block)
  out = block.wire(maker, in_shape)
  for shape in skipped:
    out = maker.add(shape, out)
  return tuple(maker.layers), out
