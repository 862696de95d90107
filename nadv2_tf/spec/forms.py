"""Other forms of a network that compute the same: filters in place of bypasses and of zeros."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from nadv2_tf.spec.network import NetworkSpec
  from nadv2_tf.spec.shapes import LayerShape

#: {what values come out of: activations that leave them as they are}
_LEAVES = {
  "": ("linear",),
  "linear": ("linear",),
  "relu": ("linear", "relu"),
  "relu6": ("linear", "relu", "relu6"),
  "sigmoid": ("linear", "relu", "relu6"),
  "hard_sigmoid": ("linear", "relu", "relu6"),
}

_ZERO_AT_ZERO = ("linear", "relu", "relu6", "swish", "hard_swish")


def with_filters(layer: LayerShape) -> LayerShape | None:
  """The layer with a filter for each channel that goes around it, which leaves it as it is.

  None where there is no such filter, or no channel goes around: it has 1 at its centre, so the
  layer needs a stride of 1 and a centre, and an activation that does not change what it gets.
  """
  is_used = layer.kept > 0 and layer.bypassed > 0
  half = (layer.kernel // 2, layer.kernel // 2)
  is_centred = layer.stride == 1 and layer.kernel % 2 == 1 and layer.padding in (None, half)
  if not is_used or not is_centred or layer.activation not in _LEAVES.get(layer.fed, _LEAVES[""]):
    return None
  return dataclasses.replace(layer, kept=layer.out_channels)


def widened(layer: LayerShape, following: LayerShape | None) -> LayerShape | None:
  """The layer with more filters, which give zeros, as wide as what its output is added to.

  It has a filter for each channel that goes around it as well. None where the next layer adds it to
  no more channels than it has, or where that is not the same layer with zeros behind it.
  """
  if following is None or following.kind != "add":
    return None
  width = following.out_channels
  is_padded = layer.out_channels == following.in_channels < width
  is_filtered = layer.kept > 0 and (
    layer.kind == "conv" or (layer.kind == "depthwise" and width <= layer.in_channels)
  )
  if not (is_padded and is_filtered and layer.activation in _ZERO_AT_ZERO):
    return None
  if layer.bypassed and with_filters(layer) is None:
    return None
  return dataclasses.replace(layer, kept=width, out_channels=width)


def is_form(other: LayerShape, layer: LayerShape, following: LayerShape | None) -> bool:
  """Whether `other`, of another form of a network, computes the same as `layer` of that network.

  What feeds it is not compared: a layer before it that lets channels pass by filters of its own
  says more of the values that come out than one that they go around.

  Args:
    other: in the place of `layer`.
    layer: which `following`, if there is one, comes after.
  """
  alike = dataclasses.replace(other, fed=layer.fed)
  return alike in (layer, with_filters(layer), widened(layer, following))


def changed_layers(spec: NetworkSpec, form: NetworkSpec) -> int:
  """How many layers of a form have other widths than in `spec`."""
  return sum(
    one != other
    for block, changed in zip(spec.blocks, form.blocks, strict=True)
    for one, other in zip(block.widths().values(), changed.widths().values(), strict=True)
  )
