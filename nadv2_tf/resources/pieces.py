"""What a layer is timed as: the rows of a latency table (`resources/latency_table.py`)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.spec import channels

if TYPE_CHECKING:
  from collections.abc import Iterable

  from nadv2_tf.spec.blocks import Padding
  from nadv2_tf.spec.shapes import LayerShape

#: kinds whose cost depends on input channels and kept filters; the others have one in both
TWO_CHANNEL_COUNTS = ("conv",)
KINDS = (
  "conv",
  "depthwise",
  "squeeze_excite",
  "bypass",
  "add",
  "padded_add",
  "pool",
  "upsample",
  "max_pool",
  "average_pool",
  "activation",
  "norm",
  "rescale",
)
#: activations that are part of the operator in front of them, and cost nothing by themselves
FUSED_ACTIVATIONS = ("linear", "relu", "relu6")
#: activation and gate of a squeeze-and-excite whose row says nothing of them
_EARLIER_SQUEEZE = ("relu", "hard_sigmoid")


@dataclasses.dataclass(frozen=True)
class Piece:
  """What is timed: a layer without its bypass, or a bypass by itself.

  `in_channels` and `kept` are what the table interpolates over; kinds that depend on one channel
  count have it in both. `activation` says all that has no column: the activation, "relu6"; zeros
  around the input, "relu6 pad 0 1"; activation and gate of a squeeze-and-excite, "swish sigmoid",
  nothing for those of MobileNetV3.
  """

  kind: str
  in_height: int
  in_width: int
  in_channels: int
  kept: int
  kernel: int = 0
  stride: int = 1
  squeeze: int = 0
  activation: str = ""

  @property
  def shape(self) -> Piece:
    """All fields but the interpolated ones: pieces that share a grid."""
    return dataclasses.replace(self, in_channels=0, kept=0)

  @property
  def padding(self) -> Padding | None:
    """Zeros (before, after) around the input; None for SAME padding."""
    words = self.activation.split()
    if "pad" not in words:
      return None
    before, after = map(int, words[-2:])
    return before, after

  def check_text(self) -> None:
    """Raises ValueError if `activation` is not as it is read."""
    _ = self.squeeze_functions if self.kind == "squeeze_excite" else self.padding

  @property
  def activation_name(self) -> str:
    """The activation without what else `activation` says."""
    return self.activation.partition("pad ")[0].strip() or "linear"

  @property
  def squeeze_functions(self) -> tuple[str, str]:
    """Activation and gate of a squeeze-and-excite."""
    activation, gate = self.activation.split() if self.activation else _EARLIER_SQUEEZE
    return activation, gate


def pieces(layer: LayerShape) -> tuple[Piece, ...]:
  """The timed `Piece`s of a `LayerShape`, in the order in which they run."""
  place = (layer.in_height, layer.in_width)
  if layer.kind in ("conv", "depthwise"):
    found = []
    if layer.kept:
      found.append(
        Piece(
          layer.kind,
          *place,
          layer.kept if layer.kind == "depthwise" else layer.in_channels,
          layer.kept,
          layer.kernel,
          layer.stride,
          activation=_with_padding(layer.activation, _filter_padding(layer)),
        )
      )
    if layer.bypassed and (layer.kept or layer.stride > 1):
      out = layer.out_channels
      found.append(Piece("bypass", *place, out, out, stride=layer.stride))
    return tuple(found)
  if layer.kind == "add":
    padded = layer.kept != layer.out_channels
    out = layer.out_channels
    return (Piece("padded_add" if padded else "add", *place, out, out),)
  if layer.kind == "classifier":
    # Over several pixels it costs what one pixel with the channels of all of them would.
    inputs = layer.in_height * layer.in_width * layer.in_channels
    return (Piece("conv", 1, 1, inputs, layer.kept, 1, activation="linear"),)
  if layer.kind == "activation" and layer.activation in FUSED_ACTIVATIONS:
    return ()
  live = layer.in_channels
  return (
    Piece(
      layer.kind,
      *place,
      live,
      live,
      layer.kernel,
      layer.stride,
      layer.squeeze,
      _ACTIVATION_TEXTS.get(layer.kind, lambda layer: layer.activation)(layer),
    ),
  )


def _squeeze_text(layer: LayerShape) -> str:
  functions = (layer.activation, layer.gate)
  return "" if functions == _EARLIER_SQUEEZE else " ".join(functions)


def _pool_text(layer: LayerShape) -> str:
  return _with_padding("", layer.padding)


_ACTIVATION_TEXTS = {
  "squeeze_excite": _squeeze_text,
  "max_pool": _pool_text,
  "average_pool": _pool_text,
}


def _with_padding(activation: str, padding: Padding | None) -> str:
  if padding is None:
    return activation
  return f"{activation} pad {padding[0]} {padding[1]}".strip()


def _filter_padding(layer: LayerShape) -> Padding | None:
  """Padding of a convolution, None where it is what SAME padding is: then it costs nothing."""
  size = (layer.in_height, layer.in_width)
  same = layer.padding is None or is_same(layer.padding, size, layer.kernel, layer.stride)
  return None if same else layer.padding


def is_same(padding: Padding, size: Iterable[int], kernel: int, stride: int) -> bool:
  """Whether explicit zeros are, in height and width, those of TensorFlow's SAME padding."""
  missing = [
    max((channels.output_size(side, stride) - 1) * stride + kernel - side, 0) for side in size
  ]
  return all(padding == (zeros // 2, zeros - zeros // 2) for zeros in missing)
