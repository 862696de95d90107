"""Models of images of another size than their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from nadv2_tf.reading.errors import innermost
from nadv2_tf.training.network_files import reason

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.spec.shapes import Shape


def at_size(model: keras.Model, input_shape: Shape) -> keras.Model:
  """A copy of a functional or Sequential model, with its weights, for images of another size.

  Args:
    input_shape: (height, width, channels).

  Raises:
    ValueError: in one line, if its layers are for its own size alone.
  """
  try:
    config = _of_any_size(model.get_config())
    first = next(layer for layer in config["layers"] if layer["class_name"] == "InputLayer")
    first["config"]["batch_shape"] = (None, *input_shape)
    copy = type(model).from_config(config)
    copy.set_weights(model.get_weights())
  except Exception as error:  # layers raise whatever another size does to them
    raise ValueError(innermost(reason(error))) from None
  return copy


def _of_any_size(config: Any) -> Any:
  """A description whose images, and those of models within, may have any size."""
  if isinstance(config, (list, tuple)):
    return type(config)(_of_any_size(item) for item in config)
  if not isinstance(config, dict):
    return config
  # What was built for one size would be built for it again.
  found = {
    name: _of_any_size(value)
    for name, value in config.items()
    if name not in ("build_config", "build_input_shape")
  }
  shape = found.get("batch_shape")
  if isinstance(shape, (list, tuple)) and len(shape) == 4:
    found["batch_shape"] = (shape[0], None, None, shape[3])
  return found
