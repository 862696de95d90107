"""Latency of a network as a trained regressor predicts it.

Source: Latency-Aware Differentiable Neural Architecture Search, Xu et al. 2020 (arXiv 2001.06392):
a multi-layer regressor on the encoded network.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nadv2_tf.record import Record
from nadv2_tf.regressor import Regressor
from nadv2_tf.spec.features import features_of
from nadv2_tf.spec.files import read_bounded
from nadv2_tf.spec.space import Decision

if TYPE_CHECKING:
  from collections.abc import Iterable

  from nadv2_tf.spec import NetworkSpec, SearchSpace
  from nadv2_tf.types import AnyPath

LARGEST_FILE = 64 * 2**20
KINDS = ("width", "kernel")


@dataclass(frozen=True)
class LayerRecord(Record):
  """A layer of the regressor: weights [inputs, outputs] and a bias for each output."""

  weights: tuple[tuple[float, ...], ...]
  biases: tuple[float, ...]


@dataclass(frozen=True)
class DecisionRecord(Record):
  """A `Decision`, whose features are inputs of the regressor."""

  kind: str
  field: str
  blocks: tuple[int, ...]
  choices: tuple[int, ...]


@dataclass(frozen=True)
class PredictorRecord(Record):
  """The file: what was measured and how far off it is first, then what predicts.

  `facts` are texts, as the head of a latency table has them.
  """

  facts: Mapping[str, str]
  network: str
  input_shape: tuple[int | None, ...]
  blocks: int
  decisions: tuple[DecisionRecord, ...]
  direct: tuple[float, ...]
  layers: tuple[LayerRecord, ...]


@dataclass(frozen=True)
class Encoding:
  """What of a network are a predictor's inputs, and which networks have it.

  Attributes:
    network: name of the largest one.
    input_shape: of all.
    blocks: how many they have.
    decisions: whose features are the inputs, in their order.
  """

  network: str
  input_shape: tuple[int | None, ...]
  blocks: int
  decisions: tuple[Decision, ...]

  @classmethod
  def of(cls, space: SearchSpace) -> Encoding:
    """That of the networks of a space."""
    network = space.network
    return cls(network.name, network.input_shape, len(network.blocks), space.decisions)

  @property
  def size(self) -> int:
    """How many features a network has."""
    return len(features_of(self.decisions, [one.choices[0] for one in self.decisions]))

  def features(self, spec: NetworkSpec) -> list[float]:
    """The features of a network. Raises ValueError if it is none of these."""
    fits = (spec.input_shape, len(spec.blocks)) == (self.input_shape, self.blocks)
    values: list[Any] = [None]
    if fits:
      blocks = spec.blocks
      values = [getattr(blocks[one.blocks[0]], one.field, None) for one in self.decisions]
    if None in values:
      raise ValueError(
        f"The latency predictor is for networks of {self.network!r} at {_sides(self.input_shape)} "
        f"with {self.blocks} blocks; {spec.name!r} at {_sides(spec.input_shape)} has "
        f"{len(spec.blocks)}: train one for its space (nadv2-latency-table --predictor)."
      )
    return features_of(self.decisions, values)


def squared(root: float) -> float:
  """Milliseconds of their root, 0 of a negative one.

  Small networks are as many as large ones, and count in the squared error of roots about as they
  do in the relative error of milliseconds.
  """
  return max(root, 0.0) ** 2


def _sides(shape: Iterable[int | None]) -> str:
  return "x".join(map(str, shape))


class LatencyPredictor:
  """A meter, in milliseconds: the square of what a regressor makes of a network's features.

  Args:
    encoding: an `Encoding`.
    regressor: gives the square root of the milliseconds.
    facts: {key: text} of what it was trained with and how well it predicts.

  Raises:
    ValueError: if the regressor has not as many inputs as a network has features.
  """

  unit = "ms"
  is_exact = True

  def __init__(
    self, encoding: Encoding, regressor: Regressor, facts: Mapping[str, str] | None = None
  ) -> None:
    if regressor.inputs != encoding.size:
      raise ValueError(
        f"A predictor of {len(encoding.decisions)} decisions must have {encoding.size} inputs, got "
        f"{regressor.inputs}."
      )
    self.facts = dict(facts or {})
    self.encoding = encoding
    self.regressor = regressor

  @property
  def decisions(self) -> tuple[Decision, ...]:
    """Whose `features_of` the regressor takes."""
    return self.encoding.decisions

  def measure(self, spec: NetworkSpec) -> float:
    """Milliseconds. Raises ValueError if `spec` is of another space."""
    return squared(self.regressor.value(self.encoding.features(spec)))

  def to_json(self) -> str:
    """The text that `from_json` reads back as an equal predictor."""
    encoding = self.encoding
    record = PredictorRecord(
      facts=self.facts,
      network=encoding.network,
      input_shape=encoding.input_shape,
      blocks=encoding.blocks,
      decisions=tuple(
        DecisionRecord(one.kind, one.field, one.blocks, one.choices) for one in encoding.decisions
      ),
      direct=tuple(self.regressor.direct.tolist()),
      layers=tuple(
        LayerRecord(tuple(map(tuple, weights.tolist())), tuple(biases.tolist()))
        for weights, biases in self.regressor.layers
      ),
    )
    return json.dumps(record.to_json()) + "\n"

  @classmethod
  def from_json(cls, path: AnyPath) -> LatencyPredictor:
    """Reads a predictor.

    Raises:
      ValueError: naming file and field, if it is damaged.
    """
    path = pathlib.Path(path)
    content = read_bounded(path, LARGEST_FILE)
    try:
      value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
      raise ValueError(f"{path} is no JSON file.") from None
    record = PredictorRecord.from_json(value, str(path))
    try:
      decisions = tuple(_decision(one, record.blocks) for one in record.decisions)
      layers = [(layer.weights, layer.biases) for layer in record.layers]
      encoding = Encoding(record.network, record.input_shape, record.blocks, decisions)
      return cls(encoding, Regressor(layers, record.direct), record.facts)
    except ValueError as error:
      raise ValueError(f"{path}: {error}") from None


def _decision(record: DecisionRecord, blocks: int) -> Decision:
  found = Decision(record.kind, record.field, record.blocks, record.choices)
  ascending = list(record.choices) == sorted(set(record.choices))
  fits = record.blocks and all(0 <= index < blocks for index in record.blocks)
  is_right = record.kind in KINDS and fits and ascending and record.choices
  if not is_right or record.choices[0] < 0 or record.choices[-1] < 1:
    raise ValueError(f"{record.to_json()} is no decision about a network of {blocks} blocks.")
  return found
