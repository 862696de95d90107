"""What the operators of Keras (`x + 3`, `keras.ops.relu6`) are in the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from nadv2_tf.reading import activations, graph
from nadv2_tf.reading.graph import Node, UnplacedError
from nadv2_tf.reading.layers import reshaped, resized

if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import Any, TypeAlias

  #: (operation, its arguments with nodes for tensors, how it is called) -> node
  Placer: TypeAlias = Callable[[Any, list[Any], str], Node]

UNDERSTOOD = (
  "sums, products and quotients with numbers, sums of tensors, activations and means over all "
  "pixels would be understood"
)


def place(operation: Any, arguments: list[Any], label: str) -> Node:
  """The node of an operator.

  Raises:
    UnplacedError: if it has no place.
  """
  name = type(operation).__name__
  if not type(operation).__module__.startswith("keras.") or name not in OPERATIONS:
    raise UnplacedError(UNDERSTOOD)
  return OPERATIONS[name](operation, arguments, label)


def _number(value: Any) -> np.ndarray:
  if isinstance(value, (int, float)):
    return np.asarray(value, np.float64)
  return np.asarray(keras.ops.convert_to_numpy(value), np.float64)


def _split(arguments: list[Any]) -> tuple[Node, Any, bool]:
  """(a tensor, what it meets, whether that comes first)."""
  if len(arguments) != 2:
    raise UnplacedError(UNDERSTOOD)
  one, other = arguments
  return (one, other, False) if isinstance(one, Node) else (other, one, True)


def _add(operation: Any, arguments: list[Any], label: str) -> Node:
  x, other, _ = _split(arguments)
  if isinstance(other, Node):
    return graph.add([x, other], label)
  return graph.affine(x, 1.0, _number(other), label)


def _subtract(operation: Any, arguments: list[Any], label: str) -> Node:
  x, other, is_first = _split(arguments)
  if isinstance(other, Node):
    raise UnplacedError("tensors are subtracted; a sum would be understood")
  number = _number(other)
  return graph.affine(x, *((-1.0, number) if is_first else (1.0, -number)), label)


def _multiply(operation: Any, arguments: list[Any], label: str) -> Node:
  x, other, _ = _split(arguments)
  if isinstance(other, Node):
    return graph.multiply(x, other, label)
  return graph.affine(x, _number(other), 0.0, label)


def _divide(operation: Any, arguments: list[Any], label: str) -> Node:
  x, other, is_first = _split(arguments)
  if isinstance(other, Node) or is_first:
    raise UnplacedError("it divides by a tensor; a quotient with a number would be understood")
  return graph.affine(x, 1 / _number(other), 0.0, label)


def _activation(name: str) -> Placer:
  return lambda operation, arguments, label: graph.activation(arguments[0], name, label)


def _softmax(operation: Any, arguments: list[Any], label: str) -> Node:
  return graph.activation(arguments[0], activations.softmax(operation.axis), label)


def _relu(operation: Any, arguments: list[Any], label: str) -> Node:
  """`keras.activations.relu` of a tensor."""
  name = activations.relu(operation.max_value, operation.negative_slope, operation.threshold)
  return graph.activation(arguments[0], name, label)


def _clip(operation: Any, arguments: list[Any], label: str) -> Node:
  if (operation.x_min, operation.x_max) != (0, 6):
    raise UnplacedError("it clips; from 0 to 6 would be understood")
  return graph.activation(arguments[0], "relu6", label)


def _mean(operation: Any, arguments: list[Any], label: str) -> Node:
  x = arguments[0]
  axis = operation.axis
  if tuple(sorted(axis if isinstance(axis, (tuple, list)) else (axis,))) not in {
    (1, 2),
    (-3, -2),
  }:
    raise UnplacedError(f"it is a mean over {axis}; the axes (1, 2) would be understood")
  return Node("global_pool", (x,), (1, 1, x.shape[2]), label)


def _reshape(operation: Any, arguments: list[Any], label: str) -> Node:
  return reshaped(arguments[0], tuple(operation.newshape)[1:], label)


def _resize(operation: Any, arguments: list[Any], label: str) -> Node:
  if operation.data_format != "channels_last":
    raise UnplacedError("its channels come first; channels_last would be understood")
  return resized(arguments[0], tuple(operation.size), operation, label)


def _item(operation: Any, arguments: list[Any], label: str) -> Node:
  """`x[..., i]`, one channel, or `x[..., ::-1]`, all of them turned round."""
  x, key = arguments[0], arguments[1:]
  if len(key) == 1 and isinstance(key[0], (tuple, list)):
    key = list(key[0])
  if key and key[0] is not Ellipsis and all(item == slice(None) for item in key[:-1]):
    key = [Ellipsis, key[-1]] if len(key) == 4 else key
  if len(key) == 2 and key[0] is Ellipsis:
    if key[1] == slice(None, None, -1):
      return graph.permute(x, range(x.shape[2])[::-1], label)
    if isinstance(key[1], int):
      index = range(x.shape[2])[key[1]]
      return Node("channel", (x,), (*x.shape[:2], 1), label, {"index": index})
  raise UnplacedError("it takes a part of a tensor; all channels turned round would be understood")


def _stack(operation: Any, arguments: list[Any], label: str) -> Node:
  """Channels of one tensor in another order."""
  sources = {id(node.inputs[0]) for node in arguments if node.kind == "channel"}
  order = [node["index"] for node in arguments if node.kind == "channel"]
  source = arguments[0].inputs[0] if arguments[0].inputs else None
  if (
    source is None
    or len(sources) != 1
    or operation.axis not in (-1, 3)
    or sorted(order) != list(range(source.shape[2]))
  ):
    raise UnplacedError("it stacks tensors; all channels in another order would be understood")
  return graph.permute(source, order, label)


OPERATIONS: dict[str, Placer] = {
  "Add": _add,
  "Subtract": _subtract,
  "Multiply": _multiply,
  "TrueDivide": _divide,
  "Divide": _divide,
  "ReLU": _relu,
  "Relu": _activation("relu"),
  "Relu6": _activation("relu6"),
  "Silu": _activation("swish"),
  "HardSilu": _activation("hard_swish"),
  "Sigmoid": _activation("sigmoid"),
  "HardSigmoid": _activation("hard_sigmoid"),
  "Softmax": _softmax,
  "Clip": _clip,
  "Mean": _mean,
  "Reshape": _reshape,
  "GetItem": _item,
  "Resize": _resize,
  "Stack": _stack,
}
