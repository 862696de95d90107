"""`SearchSpace`: the sub-networks of a largest network, as tuples of integers."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import operator
from typing import TYPE_CHECKING

from nadv2_tf.spec.network import NetworkSpec

if TYPE_CHECKING:
  import random
  from collections.abc import Iterable, Iterator, Sequence
  from typing import Any, SupportsIndex

  from nadv2_tf.spec.blocks import Block

#: smallest kernel that a search may reach (NetAdaptV2, appendix A.1)
SMALLEST_KERNEL = 3


@dataclasses.dataclass(frozen=True)
class Decision:
  """One searched quantity: a width or a kernel size.

  Attributes:
    kind: "width" or "kernel".
    field: the block field it sets.
    blocks: indices of the blocks it sets (two where a skip couples widths).
    choices: allowed values, ascending; the last is the largest network's.
  """

  kind: str
  field: str
  blocks: tuple[int, ...]
  choices: tuple[int, ...]

  @property
  def name(self) -> str:
    return "+".join(f"block{index + 1:02d}" for index in self.blocks) + f"_{self.field}"


def width_choices(full: int, levels: int, zero_allowed: bool = True) -> tuple[int, ...]:
  """`round(full * i / levels)` for i = 0..levels, halves up, without duplicates.

  Source: NetAdaptV2, appendix A.1: uniformly spaced widths from 0 to the full width.
  """
  # In integers: Python's round() sends 12.5 down and 13.5 up.
  grid = {(2 * full * level + levels) // (2 * levels) for level in range(levels + 1)}
  return tuple(sorted(grid if zero_allowed else grid - {0}))


def kernel_choices(full: int) -> tuple[int, ...]:
  """Every odd size from 3 to the full one."""
  return tuple(range(SMALLEST_KERNEL, full + 1, 2)) or (full,)


@dataclasses.dataclass(frozen=True)
class SearchSpace:
  """All networks that decisions can cut out of a largest network.

  `encode` gives one int per decision (the kept filters or the kernel size itself); stacked, these
  rows are the super-network's input `widths`, int32 [batch, decisions].
  """

  network: NetworkSpec
  decisions: tuple[Decision, ...]

  def __len__(self) -> int:
    return len(self.decisions)

  def largest(self) -> NetworkSpec:
    return self.network

  def smallest(self) -> NetworkSpec:
    return self.decode(tuple(decision.choices[0] for decision in self.decisions))

  def sample(self, rng: random.Random) -> NetworkSpec:
    """A sub-network with every decision drawn uniformly; `rng` is a `random.Random`."""
    return self.decode(tuple(rng.choice(decision.choices) for decision in self.decisions))

  def keeping(self, numbers: Sequence[int]) -> SearchSpace:
    """The space in which some blocks keep their full widths and kernel sizes.

    A width that such a block shares with another is kept in both.

    Args:
      numbers: of the blocks, from 1 on, as in the names of the decisions.

    Raises:
      ValueError: if the network has no such block, or nothing is left to search.
    """
    count = len(self.network.blocks)
    unknown = [number for number in numbers if not 1 <= number <= count]
    if unknown:
      raise ValueError(f"{self.network.name!r} has blocks 1 to {count}, got {unknown[0]}.")
    kept = {number - 1 for number in numbers}
    decisions = tuple(item for item in self.decisions if kept.isdisjoint(item.blocks))
    if not decisions:
      raise ValueError(f"Nothing is left to search of {self.network.name!r}.")
    return dataclasses.replace(self, decisions=decisions)

  def encode(self, spec: NetworkSpec) -> tuple[int, ...]:
    """One int per decision.

    Raises:
      ValueError: if `spec` is not this space's network with some widths and kernels replaced. Its
        widths need not lie on the grid (`contains` tells), but may not exceed the largest.
    """
    values = tuple(
      getattr(spec.blocks[decision.blocks[0]], decision.field)
      if max(decision.blocks) < len(spec.blocks)
      and hasattr(spec.blocks[decision.blocks[0]], decision.field)
      else None
      for decision in self.decisions
    )
    for decision, value in zip(self.decisions, values, strict=True):
      if value is None or not 0 <= value <= decision.choices[-1]:
        raise ValueError(
          f"{decision.name} of {spec.name!r} must be an integer from 0 to "
          f"{decision.choices[-1]} in the space of {self.network.name!r}, got {value!r}."
        )
    rebuilt = self._blocks(values)
    if (rebuilt, self.network.skips, self.network.input_shape) != (
      tuple(map(self._canonical, range(len(spec.blocks)), spec.blocks)),
      spec.skips,
      spec.input_shape,
    ):
      raise ValueError(
        f"{spec.name!r} is not a sub-network of {self.network.name!r}: they differ in more than "
        "searched widths and kernel sizes."
      )
    return tuple(
      getattr(rebuilt[decision.blocks[0]], decision.field) for decision in self.decisions
    )

  def decode(self, values: Iterable[SupportsIndex]) -> NetworkSpec:
    """The sub-network of one int per decision.

    The kernel of a removed depthwise layer does not exist; it is written as the smallest choice,
    so that equal networks are equal values.

    Raises:
      ValueError: naming the decision and its choices, if a value is not one of them.
      TypeError: if a value is no integer.
    """
    values = tuple(operator.index(value) for value in values)
    if len(values) != len(self.decisions):
      raise ValueError(
        f"The space of {self.network.name!r} has {len(self.decisions)} decisions, got "
        f"{len(values)} values."
      )
    for decision, value in zip(self.decisions, values, strict=True):
      if value not in decision.choices:
        raise ValueError(f"{decision.name} must be one of {decision.choices}, got {value}.")
    return dataclasses.replace(self.network, blocks=self._blocks(values))

  def contains(self, spec: NetworkSpec) -> bool:
    """Whether `spec` is a sub-network with every value on the grid."""
    try:
      values = self.encode(spec)
    except ValueError:
      return False
    return all(
      value in decision.choices for decision, value in zip(self.decisions, values, strict=True)
    )

  def shrink(self, spec: NetworkSpec, column: int) -> NetworkSpec | None:
    """`spec` with decision `column` one grid step smaller, or None at the smallest."""
    decision, block = self._at(spec, column)
    position = bisect.bisect_left(decision.choices, getattr(block, decision.field))
    if position == 0 or (decision.kind == "kernel" and block.depthwise == 0):
      return None
    return self._with(spec, decision, decision.choices[position - 1])

  def grow(self, spec: NetworkSpec, column: int, limit: NetworkSpec) -> NetworkSpec | None:
    """`spec` with decision `column` one grid step larger, or None where `limit` has no more."""
    decision, block = self._at(spec, column)
    value = getattr(block, decision.field)
    most = getattr(self._at(limit, column)[1], decision.field)
    if value >= most or (decision.kind == "kernel" and block.depthwise == 0):
      return None
    position = bisect.bisect_right(decision.choices, value)
    return self._with(spec, decision, min(decision.choices[position], most))

  def _at(self, spec: NetworkSpec, column: int) -> tuple[Decision, Block]:
    """(the decision, the first block of `spec` that it is about)."""
    decision = self.decisions[column]
    return decision, spec.blocks[decision.blocks[0]]

  def _with(self, spec: NetworkSpec, decision: Decision, value: int) -> NetworkSpec:
    fields = ((decision.field, value),)
    for index in decision.blocks:
      changed = self._canonical(index, _with_fields(spec.blocks[index], fields))
      spec = spec.with_block_at(index, changed)
    return spec

  def columns(self, block_index: int) -> dict[str, int]:
    """{field: column of `encode`} of one block's decisions."""
    return self._columns.get(block_index, {})

  def kernel_column(self, block_index: int, field: str) -> int | None:
    """Column of the kernel size of a block's depthwise layer `field`; None if it is fixed."""
    return self.columns(block_index).get("kernel") if field == "depthwise" else None

  @functools.cached_property
  def _columns(self) -> dict[int, dict[str, int]]:
    table: dict[int, dict[str, int]] = {}
    for column, decision in enumerate(self.decisions):
      for index in decision.blocks:
        table.setdefault(index, {})[decision.field] = column
    return table

  def _blocks(self, values: Sequence[Any]) -> tuple[Block, ...]:
    """The blocks of the sub-network of one int per decision."""
    blocks = list(self.network.blocks)
    for index, columns in self._columns.items():
      fields = tuple((field, values[column]) for field, column in columns.items())
      blocks[index] = self._canonical(index, _with_fields(blocks[index], fields))
    return tuple(blocks)

  def _canonical(self, index: int, block: Block) -> Block:
    """`block`, the kernel of a removed depthwise layer as the smallest choice."""
    column = self.columns(index).get("kernel")
    if column is None or block.depthwise:
      return block
    return _with_fields(block, (("kernel", self.decisions[column].choices[0]),))


@functools.lru_cache(maxsize=65536)
def _with_fields(block: Any, fields: tuple[tuple[str, Any], ...]) -> Block:
  """`block` with fields, pairs (name, value), replaced; a search meets the same blocks often."""
  return dataclasses.replace(block, **dict(fields))


def _has_searched_kernel(block: Block) -> bool:
  """Whether it has a depthwise layer with SAME padding that smaller kernels fit into."""
  if "depthwise" not in block.widths() or getattr(block, "padding", None) is not None:
    return False
  return len(kernel_choices(block.kernel)) > 1


def _fixed_widths(network: NetworkSpec) -> Iterator[tuple[int, str]]:
  """(block index, field) of the widths that are not searched; see `space_of`."""
  for index, layers in enumerate(network.layers()):
    for layer in layers:
      if layer.kind == "depthwise" and not layer.can_be_bypassed:
        yield index, layer.field
  searched = [index for index, block in enumerate(network.blocks) if block.widths()]
  if searched and network.blocks[-1].kind != "head" and network.blocks[searched[-1]].kind == "conv":
    yield searched[-1], "filters"


def space_of(
  network: NetworkSpec,
  levels: int,
  coupled: Iterable[tuple[tuple[int, str], tuple[int, str]]] = (),
) -> SearchSpace:
  """The search space of every width and depthwise kernel of `network`.

  Args:
    network: the largest `NetworkSpec`. Its first layer may not be removed, nor any width of a block
      without a bypass (`bypass_cap` 0), which would leave no channel; a last convolution that is no
      classifier (a depth decoder's output) is fixed, like the classifier. So is a depthwise layer
      whose padding makes an output of another size, which no channel can go around.
    levels: n of the width grid `round(full * i / n)`.
    coupled: pairs ((block, field), (block, field)) that share one width.

  Source: NetAdaptV2, appendix A.1.
  """
  partner = dict(coupled)
  followers = set(partner.values())
  fixed = set(_fixed_widths(network))
  first = network.first_searched()
  decisions = []
  for index, block in enumerate(network.blocks):
    zero_allowed = index != first and getattr(block, "bypass_cap", None) != 0
    for field, full in block.widths().items():
      if (index, field) in followers or (index, field) in fixed:
        continue
      places = ((index, field), *([partner[index, field]] if (index, field) in partner else []))
      if any(place_field != field for _, place_field in places):
        raise ValueError(f"Coupled widths must be the same field, got {places}.")
      choices = width_choices(full, levels, zero_allowed)
      decisions.append(Decision("width", field, tuple(place for place, _ in places), choices))
    if _has_searched_kernel(block):
      decisions.append(Decision("kernel", "kernel", (index,), kernel_choices(block.kernel)))
  return SearchSpace(network, tuple(decisions))
