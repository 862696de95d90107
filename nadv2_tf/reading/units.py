"""Runs of layers that blocks are made of: a convolution with what follows it, and its weights."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.layers.batch_norm import EPSILON
from nadv2_tf.spec import checks

if TYPE_CHECKING:
  from typing import TypeAlias

  from nadv2_tf.reading.graph import Node
  from nadv2_tf.spec.blocks import Padding

  #: {end of a layer's name: arrays in the order of its set_weights}
  Arrays: TypeAlias = dict[str, list[np.ndarray]]


class Links:
  """Who takes what: the consumers of every node that leads to `end`."""

  def __init__(self, nodes: list[Node], end: Node) -> None:
    self.end = end
    self._consumers: dict[int, list[Node]] = {}
    for node in nodes:
      for source in node.inputs:
        self._consumers.setdefault(id(source), []).append(node)

  def consumers(self, node: Node) -> list[Node]:
    return self._consumers.get(id(node), [])

  def only(self, node: Node) -> Node | None:
    """The one consumer of a node, None if there are several or the network ends here."""
    consumers = self.consumers(node)
    return consumers[0] if len(consumers) == 1 and node is not self.end else None


@dataclasses.dataclass(frozen=True)
class Unit:
  """A convolution or depthwise layer, its batch norm if any, and its activation."""

  filters: Node
  norm: Node | None
  activation: str
  end: Node

  @property
  def kind(self) -> str:
    return self.filters.kind

  @property
  def kept(self) -> int:
    return self.filters.shape[2]

  @property
  def kernel(self) -> int:
    return self.filters["kernel"]

  @property
  def stride(self) -> int:
    return self.filters["stride"]

  @property
  def padding(self) -> Padding | None:
    return self.filters["padding"]

  @property
  def batch_norm(self) -> bool:
    return self.norm is not None

  def is_pointwise(self) -> bool:
    return self.kind == "conv" and (self.kernel, self.stride, self.padding) == (1, 1, None)

  def arrays(self, name: str) -> Arrays:
    """Those of the layer and its batch norm, for a field of that name."""
    weight, bias = self.filters["weight"], self.filters["bias"]
    if self.norm is not None:
      return {name: [weight], f"{name}_norm": norm_arrays(self.norm, bias)}
    return {name: [weight, np.zeros(self.kept, weight.dtype) if bias is None else bias]}


@dataclasses.dataclass(frozen=True)
class Squeeze:
  """Squeeze-and-excite."""

  end: Node

  kind = "squeeze_excite"

  @property
  def units(self) -> int:
    return self.end["reduce"].shape[2]

  @property
  def activation(self) -> str:
    return self.end["activation"]

  @property
  def gate(self) -> str:
    return self.end["gate"]

  def arrays(self) -> Arrays:
    found = {}
    for part in ("reduce", "expand"):
      found.update(Unit(self.end[part], None, "", self.end).arrays(f"squeeze_{part}"))
    return found


def norm_arrays(norm: Node, bias: np.ndarray | None = None) -> list[np.ndarray]:
  """Gamma, beta, moving mean and variance for an epsilon of 1e-3, behind a `bias`.

  The same function exactly: gamma takes up the difference of the epsilons. The variance stays what
  it is, because recalibration and training replace it, and nothing hidden in it would be left. What
  is computed stays in float64, and is rounded where it is used.
  """
  gamma, beta, mean, variance = (norm[name] for name in ("gamma", "beta", "mean", "variance"))
  if bias is not None:
    mean = mean.astype(np.float64) - bias
  epsilon = norm["epsilon"]
  if epsilon != EPSILON:
    exact = variance.astype(np.float64)
    gamma = gamma * np.sqrt((exact + EPSILON) / (exact + epsilon))
  return [gamma, beta, mean, variance]


def activation_behind(links: Links, node: Node) -> tuple[str, Node]:
  """(the activation that alone follows a node, its node); ("linear", node) if none does."""
  following = links.only(node)
  if following is None or following.kind != "activation":
    return "linear", node
  if following["name"] in checks.ACTIVATIONS:
    return following["name"], following
  return "linear", node


def unit(links: Links, filters: Node) -> Unit:
  """The unit that begins with a convolution or depthwise layer."""
  end, norm = filters, links.only(filters)
  if norm is not None and norm.kind == "norm":
    end = norm
  else:
    norm = None
  activation, end = activation_behind(links, end)
  return Unit(filters, norm, activation, end)


def run(links: Links, first: Node) -> list[Unit | Squeeze]:
  """Units and squeeze-and-excites one behind the other, until something else comes or a fork."""
  found: list[Unit | Squeeze] = []
  node: Node | None = first
  while node is not None and node.kind in ("conv", "depthwise", "squeeze_excite"):
    found.append(Squeeze(node) if node.kind == "squeeze_excite" else unit(links, node))
    node = links.only(found[-1].end)
  return found
