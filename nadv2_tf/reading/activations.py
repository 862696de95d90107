"""Activations by the names that specs use, from all the ways in which Keras has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from nadv2_tf.reading.graph import UnplacedError
from nadv2_tf.spec import checks

if TYPE_CHECKING:
  from typing import Any

#: also gates of squeeze-and-excite, and ends of classifiers
NAMES = (*checks.ACTIVATIONS, *checks.GATES, "softmax")
#: Keras's own words for some of them
ALIASES = {"silu": "swish", "hard_silu": "hard_swish"}
UNDERSTOOD = f"{', '.join(checks.ACTIVATIONS[1:])} would be understood"
#: whose functions do what their names say
LIBRARIES = ("keras.", "tensorflow.")


def name_of(function: Any) -> str:
  """The name of what a layer has as `activation`: a function, or a layer.

  Raises:
    UnplacedError: naming the activation, if specs have none such.
  """
  if function is None:
    return "linear"
  if isinstance(function, keras.layers.Layer):
    return name_of_layer(function)
  name = getattr(function, "__name__", type(function).__name__)
  if not str(getattr(function, "__module__", "")).startswith(LIBRARIES):
    raise UnplacedError(f"its activation {name!r} is not Keras's own; {UNDERSTOOD}")
  return known(name)


def known(name: str) -> str:
  name = ALIASES.get(name, name)
  if name not in NAMES:
    raise UnplacedError(f"its activation is {name}; {UNDERSTOOD}")
  return name


def name_of_layer(layer: keras.layers.Layer) -> str:
  """The name of an activation that is a layer.

  Raises:
    UnplacedError: if it is another one, or a layer of another kind.
  """
  if type(layer) is keras.layers.Activation:
    return name_of(layer.activation)
  if type(layer) is keras.layers.Softmax:
    return softmax(layer.axis)
  if type(layer) is keras.layers.ReLU:
    return relu(layer.max_value, layer.negative_slope, layer.threshold)
  raise UnplacedError(f"its activation is {type(layer).__name__}; {UNDERSTOOD}")


def softmax(axis: Any) -> str:
  if axis not in (-1, [-1], (-1,), 1, 3):
    raise UnplacedError(f"its axis is {axis}; the last axis would be understood")
  return "softmax"


def relu(max_value: float | None, negative_slope: float, threshold: float) -> str:
  if max_value not in (None, 6) or negative_slope or threshold:
    raise UnplacedError(
      f"it is a ReLU of max_value {max_value}, negative_slope {negative_slope} and threshold "
      f"{threshold}; max_value None or 6, and 0 for the others, would be understood"
    )
  return "relu" if max_value is None else "relu6"
