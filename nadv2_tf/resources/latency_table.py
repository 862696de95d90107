"""Latency of a network as a sum over its layers, looked up in a measured table.

The table is a CSV file: lines `# key: value` that say what was measured, then one row per layer
shape. What lies between measured channel counts is interpolated. Reading needs no TensorFlow.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import math
import pathlib
from typing import TYPE_CHECKING

from nadv2_tf.resources.block_forms import BlockForms
from nadv2_tf.resources.counts import BlockMemory, ParametersMeter
from nadv2_tf.resources.latency_grid import Grid, describe
from nadv2_tf.resources.pieces import KINDS, TWO_CHANNEL_COUNTS, Piece, pieces
from nadv2_tf.spec.files import read_bounded
from nadv2_tf.spec.sums import total

if TYPE_CHECKING:
  from collections.abc import Mapping
  from typing import Any

  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.shapes import LayerShape
  from nadv2_tf.types import AnyPath

COLUMNS = (
  "kind",
  "in_height",
  "in_width",
  "in_channels",
  "kept",
  "kernel",
  "stride",
  "squeeze",
  "activation",
  "milliseconds",
)
#: a table whose check finds a larger median error is not used: of those that were measured on a
#: quiet machine none was off by half as much
MOST_ERROR = 0.1
_PARAMETERS = ParametersMeter()
LARGEST_FILE = 64 * 2**20
LARGEST_LINE = 4096


def kilobytes(spec: NetworkSpec) -> float:
  """Size of a network's parameters as float32."""
  return _PARAMETERS.measure(spec) * 4 / 1024


def table_error(facts: Mapping[str, Any]) -> float:
  """The median error that a table's check found, 0 where nothing was checked.

  Args:
    facts: the head of the table.

  Raises:
    ValueError: if it is no number.
  """
  return _number("check_error_median", facts, 0.0)


def _number(name: str, facts: Mapping[str, Any], default: float) -> float:
  try:
    value = float(facts.get(name, default))
  except ValueError:
    value = math.nan
  if not (math.isfinite(value) and value >= 0):
    raise ValueError(f"{name} must be a number of at least 0, got {facts[name]!r}.")
  return value


def table_doubt(facts: Mapping[str, Any]) -> str:
  """A sentence about a table that its own check finds wrong, else ""."""
  error = table_error(facts)
  if error <= MOST_ERROR:
    return ""
  return (
    f"The latency table is off by {error:.0%} (median of {facts.get('check_networks', 'some')} "
    "whole networks): the device was too busy to tell."
  )


class LatencyTable:
  """A meter, in milliseconds: a scaled sum of the pieces' rows, and what the weights add.

  Layers timed by themselves find their weights in the processor's cache. A whole network whose
  weights outgrow the cache fetches the rest again in every run: `spill_ms_per_kb` for each
  kilobyte of float32 parameters above `cache_kb`.

  Args:
    rows: {Piece: milliseconds}.
    facts: {key: value} of what was measured, such as device and threads; `scale`,
      `spill_ms_per_kb` and `cache_kb`, if there, were fitted to whole networks.
    has_forms: whether networks are measured in their fastest form, see `fastest_form`.
  """

  unit = "ms"
  is_exact = True

  def __init__(
    self,
    rows: Mapping[Piece, float],
    facts: Mapping[str, Any] | None = None,
    has_forms: bool = True,
  ) -> None:
    self.facts = dict(facts or {})
    self.rows = dict(rows)
    self._scale = _number("scale", self.facts, 1.0)
    self._spill = _number("spill_ms_per_kb", self.facts, 0.0)
    self._cache_kb = _number("cache_kb", self.facts, 0.0)
    table_error(self.facts)
    points: dict[Piece, dict[tuple[int, int], float]] = {}
    for piece, milliseconds in self.rows.items():
      points.setdefault(piece.shape, {})[piece.in_channels, piece.kept] = milliseconds
    self._grids = {shape: Grid(shape, grid) for shape, grid in points.items()}
    is_free = has_forms and self.facts.get("precision", "float32") == "float32"
    costs = functools.lru_cache(maxsize=65536)(self.layer_milliseconds)
    self._blocks = BlockMemory(BlockForms(costs, self._has, is_free))

  def measure(self, spec: NetworkSpec) -> float:
    blocks = self._blocks.of_blocks(spec)
    size = kilobytes(spec) + sum(block.added_kb for block in blocks)
    spilled = max(size - self._cache_kb, 0.0)
    return total(block.milliseconds for block in blocks) + self._spill * spilled

  def fastest_form(self, spec: NetworkSpec) -> NetworkSpec:
    """The network that computes the same in the least time, of the forms of `spec/forms.py`.

    int8 networks stay as they are: there a channel that goes around keeps its own scale.
    """
    for index, (layers, block) in enumerate(
      zip(spec.layers(), self._blocks.of_blocks(spec), strict=True)
    ):
      for layer, other in zip(layers, block.layers, strict=True):
        if layer.field and layer.kept != other.kept:
          spec = spec.with_block(index, **{layer.field: other.kept})
    return spec

  def as_it_is(self) -> LatencyTable:
    """The same table of networks in the form that their specs have."""
    return LatencyTable(self.rows, self.facts, has_forms=False)

  def _has(self, layer: LayerShape) -> bool:
    for piece in pieces(layer):
      grid = self._grids.get(piece.shape)
      if grid is None or piece.in_channels > grid.inputs[-1] or piece.kept > grid.kept[-1]:
        return False
    return True

  def block_costs(self, spec: NetworkSpec) -> tuple[float, ...]:
    """Milliseconds of every block, without what outgrown caches add to a whole network."""
    return tuple(block.milliseconds for block in self._blocks.of_blocks(spec))

  def block_sums(self, spec: NetworkSpec) -> tuple[tuple[float, tuple[float, ...]], ...]:
    """Pairs (constant, milliseconds of every block): `measure` is the largest of their sums.

    The second, of a table whose weights outgrow the cache, counts every block's weights as fetched
    and takes off what the cache holds.
    """
    costs = self.block_costs(spec)
    if not self._spill:
      return ((0.0, costs),)
    added = (block.added_kb for block in self._blocks.of_blocks(spec))
    counts = zip(_PARAMETERS.block_costs(spec), added, strict=True)
    weights = (count * 4 / 1024 + more for count, more in counts)
    spilled = tuple(c + self._spill * w for c, w in zip(costs, weights, strict=True))
    return (0.0, costs), (-self._spill * self._cache_kb, spilled)

  def layer_milliseconds(self, layer: LayerShape) -> float:
    """Milliseconds of one `LayerShape` as it is, bypass included."""
    return self._scale * total(self._piece_cost(piece) for piece in pieces(layer))

  def _piece_cost(self, piece: Piece) -> float:
    try:
      grid = self._grids[piece.shape]
    except KeyError:
      raise ValueError(f"The latency table has no row for {describe(piece)}.") from None
    return grid.milliseconds(piece.in_channels, piece.kept)

  def to_csv(self) -> str:
    """The text that `from_csv` reads back as an equal table."""
    text = io.StringIO()
    for key, value in self.facts.items():
      text.write(f"# {key}: {value}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for piece, milliseconds in self.rows.items():
      writer.writerow([*dataclasses.astuple(piece), f"{milliseconds:.9g}"])
    return text.getvalue()

  @classmethod
  def from_csv(cls, path: AnyPath) -> LatencyTable:
    """Reads a table.

    Raises:
      ValueError: naming file, line and field, if it is damaged.
    """
    path = pathlib.Path(path)
    content = read_bounded(path, LARGEST_FILE)
    try:
      facts, rows = _parse(content.decode("utf-8"), path)
      return cls(rows, facts)
    except UnicodeDecodeError as error:
      raise ValueError(f"{path} is no text file: {error}") from None
    except ValueError as error:
      message = str(error)
      raise ValueError(message if str(path) in message else f"{path}: {message}") from None


def _parse(text: str, path: pathlib.Path) -> tuple[dict[str, str], dict[Piece, float]]:
  """(facts, rows) of a table's text."""
  rows: dict[Piece, float]
  facts, rows, header = {}, {}, None
  for number, line in enumerate(text.splitlines(), start=1):
    place = f"{path}, line {number}"
    if len(line) > LARGEST_LINE:
      raise ValueError(f"{place} is longer than {LARGEST_LINE} characters.")
    if line.startswith("#"):
      key, _, value = line[1:].partition(":")
      facts[key.strip()] = value.strip()
      continue
    fields = next(csv.reader([line]), [])
    if header is None:
      header = tuple(fields)
      if header != COLUMNS:
        raise ValueError(f"{place}: the columns must be {', '.join(COLUMNS)}.")
      continue
    piece, milliseconds = _row(fields, place)
    if piece in rows:
      raise ValueError(f"{place}: a second row for {describe(piece)}.")
    rows[piece] = milliseconds
  if not rows:
    raise ValueError(f"{path} has no rows.")
  told = facts.get("rows")
  if told is not None and (told != str(len(rows)) or not text.endswith("\n")):
    raise ValueError(
      f"{path} was cut off: its head tells of {told[:20]} rows, and {len(rows)} are there whole or "
      "in part."
    )
  return facts, rows


def _row(fields: list[str], place: str) -> tuple[Piece, float]:
  if len(fields) != len(COLUMNS):
    raise ValueError(f"{place}: {len(COLUMNS)} fields are needed, got {len(fields)}.")
  values = dict(zip(COLUMNS, fields, strict=True))
  numbers = {}
  for name in COLUMNS[1:8]:
    try:
      numbers[name] = int(values[name])
    except ValueError:
      numbers[name] = -1
    if numbers[name] < 0:
      raise ValueError(f"{place}: {name} must be an integer of at least 0, got {values[name]!r}.")
  try:
    milliseconds = float(values["milliseconds"])
  except ValueError:
    milliseconds = math.nan
  if not (math.isfinite(milliseconds) and milliseconds >= 0):
    raise ValueError(
      f"{place}: milliseconds must be a number of at least 0, got {values['milliseconds']!r}."
    )
  if values["kind"] not in KINDS:
    raise ValueError(f"{place}: kind must be one of {', '.join(KINDS)}; got {values['kind']!r}.")
  if values["kind"] not in TWO_CHANNEL_COUNTS and numbers["in_channels"] != numbers["kept"]:
    raise ValueError(f"{place}: in_channels and kept of a {values['kind']} must be equal.")
  piece = Piece(values["kind"], activation=values["activation"], **numbers)
  try:
    piece.check_text()
  except ValueError:
    raise ValueError(
      f'{place}: activation must be as a table is written, such as "relu6 pad 0 1", got '
      f"{values['activation']!r}."
    ) from None
  return piece, milliseconds
