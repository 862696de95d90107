"""A Keras model as a graph of few kinds of nodes, and how nodes are joined.

The functions that make nodes also see through the ways in which people write one thing: a
hard-swish out of operators, zeros in front of a convolution, a `Flatten` before a `Dense`. Nothing
is ever approximated.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.spec import checks

if TYPE_CHECKING:
  from collections.abc import Iterator
  from typing import Any, TypeAlias

  from nadv2_tf.spec.shapes import Shape

  #: zeros ((above, below), (left, right))
  Zeros: TypeAlias = tuple[tuple[int, int], tuple[int, int]]

#: of a number that a float32 has rounded
CLOSE = 1e-6


class UnplacedError(Exception):
  """A layer has no place in any network that the package knows; its text says why."""


@dataclasses.dataclass(eq=False, repr=False)
class Node:
  """One layer of the model. A tensor without pixels, [batch, n], has the shape (1, 1, n) here.

  `kind` is one of input, conv, depthwise, norm, activation, affine, add, multiply, pool,
  global_pool, squeeze_excite, upsample, zeros, flatten, channel, permute, unplaced.
  """

  kind: str
  inputs: tuple[Node, ...]
  shape: Shape
  label: str
  #: settings of its kind
  values: dict[str, Any] = dataclasses.field(default_factory=dict)
  #: rate of a dropout behind it, and how that is called
  dropout: tuple[float, str] | None = None

  def __getitem__(self, name: str) -> Any:
    return self.values[name]

  def is_activation(self, name: str) -> bool:
    return self.kind == "activation" and self["name"] == name

  def is_affine(self, scale: float, offset: float) -> bool:
    """Whether it is `x * scale + offset` of two numbers."""
    return (
      self.kind == "affine"
      and bool(np.allclose(self["scale"], scale, CLOSE, 0))
      and bool(np.allclose(self["offset"], offset, CLOSE, 1e-12))
    )


def walk(end: Node) -> list[Node]:
  """All nodes that `end` needs, each behind what it needs itself."""
  found: dict[int, Node] = {}
  # By hand: networks are deeper than Python recurses.
  stack: list[tuple[Node, Iterator[Node]]] = [(end, iter(end.inputs))]
  while stack:
    node, left = stack[-1]
    following = next((item for item in left if id(item) not in found), None)
    if following is None:
      found[id(node)] = node
      stack.pop()
    else:
      stack.append((following, iter(following.inputs)))
  return list(found.values())


def activation(x: Node, name: str, label: str) -> Node:
  if name == "linear":
    return x
  return Node("activation", (x,), x.shape, label, {"name": name})


def affine(x: Node, scale: Any, offset: Any, label: str) -> Node:
  """`x * scale + offset`; numbers, or one for every channel."""
  scale, offset = (_by_channel(value, x.shape[2]) for value in (scale, offset))
  node = Node("affine", (x,), x.shape, label, {"scale": scale, "offset": offset})
  if node.is_affine(1 / 6, 0):
    if (source := _relu6_of_three_more(x)) is not None:
      return activation(source, "hard_sigmoid", label)
    if x.kind == "multiply":
      for source, gate in (x.inputs, x.inputs[::-1]):
        if _relu6_of_three_more(gate) is source:
          return activation(source, "hard_swish", label)
  if x.kind == "affine":
    return affine(x.inputs[0], x["scale"] * scale, x["offset"] * scale + offset, label)
  if x.kind == "permute":
    back = np.argsort(x["order"])
    scale, offset = (value if value.size == 1 else value[back] for value in (scale, offset))
    return permute(affine(x.inputs[0], scale, offset, label), x["order"], x.label)
  return node


def _by_channel(value: Any, channels: int) -> np.ndarray:
  """A number or one for each channel, as float64 of the shape () or [channels]."""
  value = np.asarray(value, np.float64)
  if value.size == 1:
    return value.reshape(())
  if value.ndim > 4 or value.shape[-1] != value.size or value.size != channels:
    raise UnplacedError(
      f"numbers of the shape {value.shape} meet {channels} channels; one number, or one for every "
      "channel, would be understood"
    )
  return value.reshape(-1)


def _relu6_of_three_more(node: Node) -> Node | None:
  """x, if `node` is relu6(x + 3)."""
  if node.is_activation("relu6") and node.inputs[0].is_affine(1, 3):
    return node.inputs[0].inputs[0]
  return None


def permute(x: Node, order: Any, label: str) -> Node:
  """Channel i of the output is channel `order[i]` of `x`."""
  order = np.asarray(order)
  if (order == np.arange(len(order))).all():
    return x
  return Node("permute", (x,), x.shape, label, {"order": order})


def multiply(one: Node, other: Node, label: str) -> Node:
  """The product of two nodes: swish and hard-swish, squeeze-and-excite, or by itself."""
  for source, gate in ((one, other), (other, one)):
    for name, product in (("sigmoid", "swish"), ("hard_sigmoid", "hard_swish")):
      if gate.is_activation(name) and gate.inputs[0] is source:
        return activation(source, product, label)
    found = _squeeze_excite(source, gate)
    if found is not None:
      return Node("squeeze_excite", (source,), source.shape, label, found)
  sides = {node.shape for node in (one, other)}
  if len(sides) > 1:
    raise UnplacedError(
      f"{_size(one)} and {_size(other)} are multiplied; squeeze-and-excite would be understood: a "
      "global average pool, two 1x1 convolutions or Dense, a sigmoid or hard sigmoid, Multiply"
    )
  return Node("multiply", (one, other), one.shape, label)


def _squeeze_excite(source: Node, gate: Node) -> dict[str, Any] | None:
  """The settings of squeeze-and-excite, if `gate` is the gate of `source`."""
  if gate.kind != "activation" or gate["name"] not in checks.GATES:
    return None
  expand = gate.inputs[0]
  if not _is_pointwise(expand):
    return None
  name, reduce = "linear", expand.inputs[0]
  if reduce.kind == "activation":
    name, reduce = reduce["name"], reduce.inputs[0]
  if not _is_pointwise(reduce) or name not in checks.ACTIVATIONS:
    return None
  pooled = reduce.inputs[0]
  if pooled.kind != "global_pool" or pooled.inputs[0] is not source:
    return None
  if expand.shape[2] != source.shape[2]:
    return None
  return {"reduce": reduce, "expand": expand, "activation": name, "gate": gate["name"]}


def _is_pointwise(node: Node) -> bool:
  return node.kind == "conv" and node.shape[:2] == (1, 1) and node["kernel"] == 1


def add(operands: list[Node], label: str) -> Node:
  for other in operands[1:]:
    if other.shape != operands[0].shape:
      raise UnplacedError(
        f"{_size(operands[0])} and {_size(other)} are added; operands of one shape would be "
        "understood"
      )
  if len({id(node) for node in operands}) < len(operands):
    raise UnplacedError("a tensor is added to itself; two different ones would be understood")
  return Node("add", tuple(operands), operands[0].shape, label)


def _size(node: Node) -> str:
  return "x".join(map(str, node.shape))


def zeros(x: Node, padding: Zeros, label: str) -> Node:
  """Rows and columns of zeros around `x`; what they are for comes behind."""
  if x.kind == "zeros":
    before = x["padding"]
    padding = tuple(  # type: ignore[assignment]
      (one[0] + two[0], one[1] + two[1]) for one, two in zip(before, padding, strict=True)
    )
    x = x.inputs[0]
  height, width = (side + sum(pair) for side, pair in zip(x.shape[:2], padding, strict=True))
  return Node("zeros", (x,), (height, width, x.shape[2]), label, {"padding": padding})


def flatten(x: Node, label: str) -> Node:
  height, width, channels = x.shape
  if height == width == 1:
    return x
  return Node("flatten", (x,), (1, 1, height * width * channels), label)
