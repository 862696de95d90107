"""Peak memory of activations, from a spec alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.resources.counts import BYTES_OF_FLOAT32, COUNTS

if TYPE_CHECKING:
  from collections.abc import Iterable

  from nadv2_tf.spec import NetworkSpec, Skip
  from nadv2_tf.spec.shapes import LayerShape, Shape

#: kinds of layers that write where they read
IN_PLACE = ("add", "activation", "norm", "rescale")


@COUNTS.register("peak_memory_bytes")
class PeakMemoryMeter:
  """Largest sum of activations that are needed at one moment, float32, batch 1.

  The layers run in order. At a layer its input and its output are there, and every earlier output
  that a later addition needs: the input of a residual block or what its shortcut makes of it, the
  source of a skip. Activations,
  batch norm, gates and additions work in place, and channels that are bypassed are not copied; an
  interpreter that copies them needs more. Weights and scratch buffers do not count. int8 takes a
  quarter.
  """

  unit = "bytes"
  is_exact = True

  def measure(self, spec: NetworkSpec) -> float:
    return max(self.block_peaks(spec))

  def block_peaks(self, spec: NetworkSpec) -> tuple[float, ...]:
    """The peak within every block, in bytes; the largest is the network's."""
    outputs: list[Shape]
    outputs, peaks, before = [], [], spec.input_shape
    for index, layers in enumerate(spec.layers()):
      held = sum(
        _numbers(outputs[source])
        for source in {skip.source for skip in spec.skips if skip.target >= index}
        if source < index - 1
      )
      came_in = index - 1 in {skip.source for skip in spec.skips if skip.target >= index}
      has_residual = _has_residual(layers, spec.skips, index)
      peak = _block_peak(layers, before, came_in, has_residual)
      peaks.append(float(BYTES_OF_FLOAT32 * (held + peak)))
      before = spec.block_outputs()[index]
      outputs.append(before)
    return tuple(peaks)


def _block_peak(
  layers: Iterable[LayerShape], input_shape: Shape, input_is_skipped: bool, has_residual: bool
) -> int:
  """Numbers held at the fullest moment of a block, skips from further back apart."""
  peak = came_in = _numbers(input_shape)
  skipped = came_in if input_is_skipped else 0
  # Beside what a layer reads itself, which for the first one is the block's input.
  held, later = 0, came_in if input_is_skipped or has_residual else 0
  for layer in layers:
    inputs = layer.in_height * layer.in_width * layer.in_channels
    outputs = layer.out_height * layer.out_width * layer.out_channels
    if layer.kind == "squeeze_excite":
      now = inputs + layer.in_channels + layer.squeeze  # the gate beside what it gates
    elif layer.kind in IN_PLACE:
      now = max(inputs, outputs)
    else:
      now = inputs + outputs
    peak = max(peak, now + held)
    if layer.field == "shortcut":  # the branch begins with the block's input once more
      held, later = outputs, outputs + skipped
    else:
      held = later
  return peak


def _has_residual(layers: Iterable[LayerShape], skips: Iterable[Skip], index: int) -> bool:
  adds = sum(layer.kind == "add" for layer in layers)
  return adds > sum(skip.target == index for skip in skips)


def _numbers(shape: Shape) -> int:
  height, width, channels = shape
  return height * width * channels
