"""Reads a graph as blocks and skips, from the images to the output."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.models.parts.names import layer_name
from nadv2_tf.reading.errors import ReadError
from nadv2_tf.reading.graph import walk
from nadv2_tf.reading.heads import head
from nadv2_tf.reading.patterns import Match, along, behind
from nadv2_tf.reading.units import Links
from nadv2_tf.spec import NetworkSpec, Skip, blocks

if TYPE_CHECKING:
  import numpy as np

  from nadv2_tf.reading.flatten import Graph
  from nadv2_tf.reading.graph import Node

#: what a model may end with
ENDS = ("softmax", "sigmoid")
#: what would be understood where a node of a kind stands that no block begins with
UNDERSTOOD = {
  "affine": "numbers change its input behind the first layers; Rescaling and Normalization would "
  "be understood in front, BatchNormalization anywhere",
  "multiply": "tensors are multiplied; squeeze-and-excite, swish, hard-swish would be understood",
  "squeeze_excite": "squeeze-and-excite would be understood between a depthwise layer with batch "
  "norm and a linear 1x1 convolution with batch norm",
  "zeros": "zeros would be understood before a convolution or pool with padding='valid'",
  "flatten": "Dense behind it, made for as many pixels in a square, would be understood",
  "permute": "channels in another order would be understood before a convolution",
  "channel": "all channels in another order would be understood",
  "conv": "Dense behind a Flatten of square images, or GlobalAveragePooling2D, would be understood",
}


class _ForkError(ReadError):
  """Branches that come together in no way that specs have."""


@dataclasses.dataclass(frozen=True)
class Parsed:
  """A spec, the weights of its layers, what ends the model, and what was left out."""

  spec: NetworkSpec
  weights: dict[str, list[np.ndarray]]
  output_activation: str
  dropped: tuple[str, ...]


def parse(graph: Graph, name: str) -> Parsed:
  """The blocks of a graph.

  Raises:
    ReadError: naming the first layer that has no place.
  """
  try:
    return _Parser(graph).parse(name)
  except _ForkError:
    # Branches that meet in a layer without a place look like others that do not meet.
    if graph.refusal:
      raise ReadError(graph.refusal) from None
    raise


class _Parser:
  def __init__(self, graph: Graph) -> None:
    self._graph = graph
    end, self._ends_with = graph.end, "linear"
    if end.kind == "activation" and end["name"] in ENDS:
      end, self._ends_with = end.inputs[0], end["name"]
    self._nodes = walk(end)
    self._links = Links(self._nodes, end)
    self._blocks: list[blocks.Block] = []
    self._skips: list[Skip] = []
    self._weights: dict[str, list[np.ndarray]] = {}
    #: the block whose output a node is
    self._outputs: dict[int, int] = {}

  def parse(self, name: str) -> Parsed:
    x = self._graph.images
    while x is not self._links.end:
      x = self._next(x)
    if not self._blocks:
      raise ReadError("The model has no layers; convolutions would be understood.")
    if self._ends_with != "linear" and self._blocks[-1].kind != "head":
      raise ReadError(
        f"{self._graph.end.label} has no place: {self._ends_with} would be understood behind a "
        "Dense layer."
      )
    try:
      spec = NetworkSpec(name, self._graph.images.shape, self._blocks, self._skips)  # type: ignore[arg-type]
    except ValueError as error:
      raise ReadError(f"The network that was read is refused: {error}") from None
    return Parsed(spec, self._weights, self._output_activation(), self._dropped())

  def _is_binary(self) -> bool:
    """Whether one output was read as two classes."""
    return self._blocks[-1].kind == "head" and self._links.end.shape[2] == 1

  def _output_activation(self) -> str:
    # The softmax of 0 and a logit is the logit's sigmoid.
    return "softmax" if self._is_binary() and self._ends_with == "sigmoid" else self._ends_with

  def _dropped(self) -> tuple[str, ...]:
    lines = list(self._graph.dropped)
    if self._is_binary():
      lines.append("The one output is read as two classes, of which the first has the logit 0.")
    for node in self._nodes:
      if node.dropout is not None:
        lines.append(f"{node.dropout[1]} is left out: it works in training only.")
    return tuple(lines)

  def _next(self, x: Node) -> Node:
    """Appends the block behind `x`; the last node that it covers."""
    try:
      return self._block(x)
    except ReadError:
      raise
    except ValueError as error:  # a block's own checks
      raise self._refusal(self._links.consumers(x)[0], str(error)) from None

  def _block(self, x: Node) -> Node:
    found = head(self._links, x)
    if found is not None:
      match, source = found
      if source.dropout is not None:
        rate, source.dropout = source.dropout[0], None
        with_rate = dataclasses.replace(match.block, dropout=rate)  # type: ignore[type-var]
        match = dataclasses.replace(match, block=with_rate)
      return self._append(match)
    first = self._links.consumers(x)[0]
    if x is self._graph.images and first.kind == "affine":
      return self._append(Match(_rescale(first), {}, first))
    total = self._sum(x)
    if total is not None:
      return self._join(x, total)
    match_behind = behind(self._links, x)
    return self._append(match_behind or self._past_sums(x))

  def _append(self, match: Match) -> Node:
    index = len(self._blocks)
    self._blocks.append(match.block)
    for field, arrays in match.arrays.items():
      self._weights[layer_name(index, field)] = arrays
    self._outputs[id(match.end)] = index
    return match.end

  def _sum(self, x: Node) -> Node | None:
    """A sum of `x` with outputs of earlier blocks only."""
    for node in self._links.consumers(x):
      if node.kind == "add" and all(id(operand) in self._outputs for operand in node.inputs):
        return node
    return None

  def _join(self, x: Node, total: Node) -> Node:
    """Additive skips to the block of `x`, or to a block of its own if `x` is needed as it is."""
    sources = [self._outputs[id(node)] for node in total.inputs if node is not x]
    own = self._outputs.pop(id(x))
    if self._links.only(x) is None:
      self._append(Match(blocks.Activation("linear"), {}, x))
      self._outputs[id(x)] = own
    target = len(self._blocks) - 1
    self._skips += [Skip(source, target) for source in sources]
    self._outputs[id(total)] = target
    return total

  def _past_sums(self, x: Node) -> Match:
    """The block behind `x`, whose other consumers are sums that come later."""
    consumers = [node for node in self._links.consumers(x) if node.kind != "add"]
    if not consumers:
      raise self._refusal(
        self._links.consumers(x)[0],
        "it adds the images, or branches that are no blocks; a shortcut from the output of an "
        "earlier layer, or through one 1x1 convolution with batch norm, would be understood",
        fork=True,
      )
    if len(consumers) > 1:
      raise self._refusal(
        consumers[1],
        f"it begins another branch from {x.label}; a shortcut that is added, through nothing or "
        "one 1x1 convolution with batch norm around two or three others, would be understood",
        fork=True,
      )
    (first,) = consumers
    if first.kind == "unplaced":
      raise ReadError(self._graph.refusal)
    match = along(self._links, first)
    if match is None:
      raise self._refusal(first, UNDERSTOOD.get(first.kind, "another layer would be understood"))
    return match

  def _refusal(self, node: Node, reason: str, fork: bool = False) -> ReadError:
    error = _ForkError if fork else ReadError
    return error(f"{node.label} has no place: {reason.rstrip('.')}.")


def _rescale(node: Node) -> blocks.Rescale:
  scale, offset = node["scale"], node["offset"]
  count = max(scale.size, offset.size)
  scale, offset = (value.reshape(-1).tolist() for value in (scale, offset))
  return blocks.Rescale(
    tuple(scale * (count // len(scale))), tuple(offset * (count // len(offset)))
  )
