"""A block's options as a small set: a level of its widths with a kernel size, or nothing left.

A space decides each width and each kernel size by itself; methods that build a network block by
block, or keep a probability or a cost for each option, want a few options for a whole block.
"""

import dataclasses
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from nadv2_tf.option import option
from nadv2_tf.spec import NetworkSpec, SearchSpace
from nadv2_tf.spec.space import Decision

#: a network as its space encodes it
Row: TypeAlias = tuple[int, ...]


def width_levels() -> Any:
  """The option that says how many levels `choices` makes."""
  return option(4, "How many widths each block may have, besides the smallest.", low=1)


@dataclasses.dataclass(frozen=True)
class Choice:
  """One option of a block.

  Attributes:
    level: of its widths, from 0, the smallest there are, to the full ones; see `choices`.
    kernel: size of its depthwise kernel, None where none is searched.
    removed: whether no filter of the block is left.
    values: one for each of the block's columns.
  """

  level: int
  kernel: int | None
  removed: bool
  values: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class BlockChoices:
  """The options of one block.

  Attributes:
    index: of the block in the network.
    columns: of `space.decisions` that the options set; a width that blocks share is the first's.
    choices: smallest first, the last is the full block.
  """

  index: int
  columns: tuple[int, ...]
  choices: tuple[Choice, ...]

  def put(self, row: Row, choice: Choice) -> Row:
    """`row`, a network as the space encodes it, with this block as `choice` says."""
    values = dict(zip(self.columns, choice.values, strict=True))
    return tuple(values.get(column, value) for column, value in enumerate(row))

  def of(self, row: Row) -> Choice | None:
    """The option that `row` has of this block, None if it is none of them."""
    values = tuple(row[column] for column in self.columns)
    return next((choice for choice in self.choices if choice.values == values), None)

  def keeping(self, kept: Collection[Choice]) -> "BlockChoices":
    """This block with those of its options alone that are in `kept`."""
    left = tuple(choice for choice in self.choices if choice in kept)
    return dataclasses.replace(self, choices=left)


def choices(space: SearchSpace, levels: int | None = None) -> tuple[BlockChoices, ...]:
  """The options of every block that has something to decide, from the input to the output.

  At level 0 every width is the smallest there is, which removes the block where it may be removed:
  all blocks at level 0 are `space.smallest()`. Above, all widths of a block are the same share of
  their full ones, level / levels, on the grid of the space. But where a convolution inside the
  block has a width of its own, what leaves the block stays full: a narrower inside costs less and
  touches no neighbour. Each level goes with each kernel size.

  Args:
    space: a `SearchSpace`.
    levels: how many levels there are above 0; None: as many as the finest grid has steps.

  Raises:
    ValueError: if `levels` is below 1.
  """
  if levels is None:
    levels = max((len(d.choices) - 1 for d in space.decisions if d.kind == "width"), default=1)
  if levels < 1:
    raise ValueError(f"levels must be at least 1, got {levels}.")
  owned: dict[int, list[int]] = {}
  for column, decision in enumerate(space.decisions):
    owned.setdefault(decision.blocks[0], []).append(column)
  return tuple(_of_block(space, index, owned[index], levels) for index in sorted(owned))


def put_all(row: Row, blocks: Iterable[BlockChoices], picked: Iterable[Choice]) -> Row:
  """`row` with one option for each of `blocks`."""
  for block, choice in zip(blocks, picked, strict=True):
    row = block.put(row, choice)
  return row


def network_of(
  space: SearchSpace, blocks: Sequence[BlockChoices], picked: Sequence[Choice]
) -> NetworkSpec:
  """The network of one option for each of `blocks`; blocks that are not there are full."""
  return space.decode(put_all(space.encode(space.largest()), blocks, picked))


def _of_block(space: SearchSpace, index: int, columns: Sequence[int], levels: int) -> BlockChoices:
  decisions = {column: space.decisions[column] for column in columns}
  kernels = next((d.choices for d in decisions.values() if d.kind == "kernel"), (None,))
  has_widths = any(decision.kind == "width" for decision in decisions.values())
  kept = _kept_full(space, index, decisions)
  full = space.encode(space.largest())
  found: dict[tuple[int, ...], Choice] = {}
  for level, kernel in itertools.product(range(levels + 1) if has_widths else (levels,), kernels):
    values = {
      column: _value(decision, level, levels, column in kept, kernel)
      for column, decision in decisions.items()
    }
    # The space says what becomes of the kernel size of a layer that is gone.
    block = space.decode([values.get(at, value) for at, value in enumerate(full)]).blocks[index]
    picked = tuple(getattr(block, decision.field) for decision in decisions.values())
    removed = has_widths and not any(block.widths().values())
    size = None if removed or kernel is None else block.kernel
    found[picked] = Choice(level, size, removed, picked)
  return BlockChoices(index, tuple(columns), tuple(found.values()))


def _value(decision: Decision, level: int, levels: int, is_kept: bool, kernel: int | None) -> int:
  if decision.kind == "kernel":
    assert kernel is not None  # its choices are the kernels
    return kernel
  steps = len(decision.choices) - 1
  if level and is_kept:
    return decision.choices[-1]
  # Halves up; above level 0 something is left of every width.
  position = (2 * steps * level + levels) // (2 * levels)
  return decision.choices[min(max(position, 1 if level else 0), steps)]


def _kept_full(space: SearchSpace, index: int, decisions: Mapping[int, Decision]) -> set[int]:
  """Columns of the widths that leave the block, if a convolution inside has one of its own."""
  block = space.network.blocks[index]
  convolutions = {layer.field for layer in space.network.layers()[index] if layer.kind == "conv"}
  leaving = set(block.leaving())
  widths = {column: d.field for column, d in decisions.items() if d.kind == "width"}
  if not (convolutions - leaving) & set(widths.values()):
    return set()
  return {column for column, field in widths.items() if field in leaving}
