"""Keras networks of any form as what everything here runs: one image in, one output out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from nadv2_tf.options.network import ONE_IMAGE
from nadv2_tf.training.network_files import reason

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.types import Tensor


def of_one_image(model: keras.Model, name: str, image_size: int | None = None) -> keras.Model:
  """A network of images of one size, in batches of any number.

  Args:
    model: as it was loaded.
    name: of the network in messages.
    image_size: height and width, for a network that takes images of any size.

  Returns:
    `model` itself where it is one already; else a network of the same layers.

  Raises:
    ValueError: in one line, for other inputs or outputs, or a size that is not known.
  """
  check_ends(model, name)
  if not isinstance(getattr(model, "input", model.inputs[0]), keras.KerasTensor):
    model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
  return _at_size(model, name, image_size)


def check_ends(model: keras.Model, name: str) -> None:
  """Raises ValueError, in one line, if a model does not take one image or gives several outputs."""
  try:
    inputs, outputs = model.inputs, model.outputs
  except (ValueError, AttributeError):
    inputs = outputs = None
  if not inputs or not outputs:
    raise ValueError(
      f"{name} was never built, so nothing is known of its images; begin it with "
      "keras.Input((height, width, channels)) and save it again."
    )
  # A Sequential has no `output` where it ends in one tensor.
  is_named = isinstance(getattr(model, "output", None), dict)
  is_of_image = len(inputs) == 1 and len(inputs[0].shape) == 4
  if is_of_image and len(outputs) == 1 and not is_named:
    return
  way_out = "; keras.Model(model.inputs[0], model.outputs[0]) is such a network"
  raise ValueError(
    f"{name} takes {_shapes(inputs)} and gives {_shapes(outputs)}{' by name' if is_named else ''}; "
    f"{ONE_IMAGE}{way_out if is_of_image else ''}."
  )


def _at_size(model: keras.Model, name: str, image_size: int | None) -> keras.Model:
  """`model` for images of a size that is fixed, and batches of a size that is not."""
  images = model.inputs[0]
  batch, *own, channels = images.shape
  if channels is None:
    raise ValueError(
      f"{name} takes images of any number of channels; {ONE_IMAGE}, of known channels."
    )
  height, width = check_size(own, name, image_size)
  if batch is None and None not in own:
    return model
  wanted = keras.Input((height, width, channels), dtype=images.dtype, name="images")
  try:
    return keras.Model(wanted, model(wanted), name=model.name)
  except (ValueError, TypeError) as error:
    raise ValueError(f"{name} at {height}x{width} pixels: {reason(error)}") from None


def check_size(own: Sequence[int | None], name: str, image_size: int | None) -> tuple[int, int]:
  """(height, width) of a network's images.

  Args:
    own: the network's height and width, None where it takes any.
    name: of the network in messages.
    image_size: what the user gave for them.

  Raises:
    ValueError: if it is not known, or two sizes are.
  """
  if image_size is None:
    height, width = own
    if height is None or width is None:
      raise ValueError(f"{name} takes images of any size; give --image_size.")
    return height, width
  if any(size not in (None, image_size) for size in own):
    sizes = "x".join("any" if size is None else str(size) for size in own)
    raise ValueError(
      f"{name} takes images of {sizes}, not of --image_size={image_size}; leave it out."
    )
  return image_size, image_size


def as_input(images: Tensor, dtype: str) -> Any:
  """Float images, of the range that a network takes, as the type that it takes them in."""
  if dtype == "float32":
    return images
  if keras.backend.is_int_dtype(dtype):
    limits = np.iinfo(dtype)
    # int64's largest is no float32; no network takes such pixels.
    low, high = max(limits.min, -(2**30)), min(limits.max, 2**30)
    images = keras.ops.clip(keras.ops.round(images), low, high)
  return keras.ops.cast(images, dtype)


def _shapes(tensors: Sequence[Any]) -> str:
  return ", ".join(str(list(tensor.shape[1:])) for tensor in tensors)
