"""What the blocks of a network take in float and in int8, by two latency tables of one device."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.resources.counts import ParametersMeter
from nadv2_tf.resources.latency_table import LatencyTable, table_doubt
from nadv2_tf.spec.sums import total

if TYPE_CHECKING:
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.types import AnyPath

#: what two tables must have been measured with alike
ALIKE = (
  "device", "runtime", "abi", "android", "num_threads", "cpu_mask", "delegate", "benchmark_flags",
  "npu_libraries",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class PrecisionTables:
  """A table of float32 layers and one of int8 layers.

  What a tensor takes to become int8 between two blocks, or float again, stands in no table and is
  not counted.
  """

  in_float: LatencyTable
  in_int8: LatencyTable

  @classmethod
  def from_csv(cls, in_float: AnyPath, in_int8: AnyPath) -> PrecisionTables:
    """Reads both.

    Raises:
      ValueError: in one line, if a file is missing or none, is of the other precision, or if they
        were not measured alike.
    """
    first, second = read_table(in_float, "float32"), read_table(in_int8, "int8")
    for name in ALIKE:
      one, other = first.facts.get(name), second.facts.get(name)
      if one is not None and other is not None and one != other:
        raise ValueError(
          f"{in_float} was measured with {name} {one}, {in_int8} with {other}: take tables of one "
          "device, measured alike."
        )
    return cls(first, second)

  @property
  def doubt(self) -> str:
    """What the tables' own checks say against them, "" if nothing."""
    both = {"float32": self.in_float, "int8": self.in_int8}
    said = {precision: table_doubt(table.facts) for precision, table in both.items()}
    return " ".join(f"{precision}: {doubt}" for precision, doubt in said.items() if doubt)

  def block_milliseconds(self, spec: NetworkSpec) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Milliseconds of every block, (in float, in int8); each adds up to its table's `measure`."""
    return block_milliseconds(self.in_float, spec), block_milliseconds(self.in_int8, spec)


def read_table(path: AnyPath, precision: str) -> LatencyTable:
  """A table of networks in the form of their specs; ValueError if it is of another precision."""
  try:
    table = LatencyTable.from_csv(path).as_it_is()
  except FileNotFoundError:
    raise ValueError(f"There is no latency table {path}.") from None
  measured = table.facts.get("precision", "float32")
  if measured != precision:
    raise ValueError(f"{path} is a table of {measured} layers; one of {precision} is needed.")
  return table


def block_milliseconds(table: LatencyTable, spec: NetworkSpec) -> tuple[float, ...]:
  """Milliseconds of every block, which add up to `measure`.

  What weights add that outgrow the cache is shared out by how many a block has.
  """
  costs, weights = table.block_costs(spec), ParametersMeter().block_costs(spec)
  added = (table.measure(spec) - total(costs)) / (total(weights) or 1.0)
  return tuple(cost + added * weight for cost, weight in zip(costs, weights, strict=True))
