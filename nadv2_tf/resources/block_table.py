"""Latency tables that others measured, by block: {block: {choice: milliseconds}}.

The format is that of Single-Path NAS's table of a Pixel 1: a JSON object, block number -> choice
number -> milliseconds, where a choice is a kernel size and an expansion ratio.
"""

from __future__ import annotations

import json
import pathlib
import sys
from typing import TYPE_CHECKING

from nadv2_tf.spec.files import read_bounded
from nadv2_tf.spec.sums import total

if TYPE_CHECKING:
  from collections.abc import Iterable, Mapping
  from typing import Any

  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.blocks import Block
  from nadv2_tf.types import AnyPath

LARGEST_FILE = 2**20
#: choice number -> (kernel size, expansion ratio), as Single-Path NAS counts them
CHOICES = {"0": (3, 3), "1": (3, 6), "2": (5, 3), "3": (5, 6)}


class BlockTable:
  """A meter: the sum over a network's MBConv blocks, in milliseconds.

  Stem, last convolution and classifier are not in such a table, so a target is for the blocks
  alone.

  Args:
    rows: for each block in turn {(kernel, expansion): milliseconds}. Blocks that a space does not
      search may be none of the choices: they cost their row's mean.
  """

  unit = "ms"
  is_exact = True

  def __init__(self, rows: Iterable[Mapping[tuple[int, float], float]]) -> None:
    self.rows = tuple(dict(row) for row in rows)

  def measure(self, spec: NetworkSpec) -> float:
    return total(self.block_costs(spec))

  def block_costs(self, spec: NetworkSpec) -> tuple[float, ...]:
    """Milliseconds of every block, 0 for those that are no MBConv blocks.

    Raises:
      ValueError: if the network has another number of blocks than the table, or a block that the
        table does not have.
    """
    costs, number = [], 0
    inputs = spec.input_shape[-1]
    for block, output in zip(spec.blocks, spec.block_outputs(), strict=True):
      cost = 0.0
      if block.kind == "inverted_residual":
        cost = self._cost(number, block, inputs)
        number += 1
      costs.append(cost)
      inputs = output[-1]
    if number != len(self.rows):
      raise ValueError(
        f"The table is for {len(self.rows)} MBConv blocks, {spec.name!r} has {number}."
      )
    return tuple(costs)

  def _cost(self, number: int, block: Block, inputs: int) -> float:
    row = self.rows[number] if number < len(self.rows) else {}
    if block.expansion is None:  # before the searched blocks: no choice describes it
      return total(row.values()) / max(len(row), 1)
    choice = (block.kernel, block.expansion / inputs)
    if choice not in row:
      raise ValueError(
        f"The table has no kernel {choice[0]} with expansion {choice[1]:g} for MBConv block "
        f"{number}."
      )
    return row[choice]

  @classmethod
  def from_json(cls, path: AnyPath) -> BlockTable:
    """Reads a table.

    Raises:
      ValueError: naming file, block and choice, if it is damaged.
    """
    path = pathlib.Path(path)
    content = read_bounded(path, LARGEST_FILE)
    try:
      table = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
      raise ValueError(f"{path} is no JSON file.") from None
    if not isinstance(table, dict) or not table:
      raise ValueError(f"{path} must hold an object, block number -> choice -> milliseconds.")
    if set(table) != {str(number) for number in range(len(table))}:
      raise ValueError(f"{path}: the blocks must be numbered from 0 to {len(table) - 1}.")
    return cls(
      [_row(table[str(number)], f"{path}, block {number}") for number in range(len(table))]
    )


def _row(choices: Any, place: str) -> dict[tuple[int, float], float]:
  if not isinstance(choices, dict) or not set(choices) <= set(CHOICES) or not choices:
    raise ValueError(f"{place}: the choices must be some of {', '.join(CHOICES)}.")
  row: dict[tuple[int, float], float] = {}
  for choice, milliseconds in choices.items():
    is_number = isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool)
    if not is_number or not 0 <= milliseconds <= sys.float_info.max:
      raise ValueError(
        f"{place}, choice {choice}: milliseconds must be a number of at least 0, got "
        f"{milliseconds!r}."
      )
    row[CHOICES[choice]] = float(milliseconds)
  return row
