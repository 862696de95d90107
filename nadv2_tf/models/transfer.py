"""Weights from one stand-alone network to another of the same search space."""

from __future__ import annotations

import keras
import numpy as np

from nadv2_tf.spec import channels


def copy_overlap(source: keras.Model, target: keras.Model) -> None:
  """Copies what two stand-alone networks have in common; the rest of `target` stays as it is.

  Live channels are a prefix and kernels are centred, so the first channels and the centre taps of
  a layer mean the same in both.

  Args:
    source, target: plain Keras models that `stand_alone` or `slice_network` made.

  Source: NetAdaptV2, appendix A.2: "we copy the overlapping weights".
  """
  sources = {layer.name: layer for layer in source.layers}
  for layer in target.layers:
    if layer.weights and layer.name in sources:
      pairs = zip(sources[layer.name].get_weights(), layer.get_weights(), strict=True)
      is_kernel = isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
      layer.set_weights([_overlaid(old, new, is_kernel) for old, new in pairs])


def _overlaid(old: np.ndarray, new: np.ndarray, is_kernel: bool) -> np.ndarray:
  """`new` with the part of `old` that fits into it."""
  parts_of_old, parts_of_new = [], []
  for axis, (size, wanted) in enumerate(zip(old.shape, new.shape, strict=True)):
    if is_kernel and new.ndim == 4 and axis < 2:  # height and width of the kernel
      both = min(size, wanted)
      # What has one size in both may be even.
      centres = [
        slice(None) if size == wanted else channels.kernel_centre(full, both)
        for full in (size, wanted)
      ]
      parts_of_old.append(centres[0])
      parts_of_new.append(centres[1])
    else:
      parts_of_old.append(slice(min(size, wanted)))
      parts_of_new.append(slice(min(size, wanted)))
  overlaid = np.array(new)
  overlaid[tuple(parts_of_new)] = old[tuple(parts_of_old)]
  return overlaid
