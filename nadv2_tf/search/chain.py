"""A network as a chain of pieces, each a block with what it sees: what its costs add up from.

What a block costs hangs on its own option and on the channels that come in, so on the options of
the blocks before it. Between two blocks only a few shapes are possible; a network is a path from
shape to shape, and its cost the sum over the pieces of the path.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

from nadv2_tf.search.choices import put_all

if TYPE_CHECKING:
  from collections.abc import Iterator, Mapping, Sequence
  from typing import TypeAlias

  from nadv2_tf.search.choices import BlockChoices
  from nadv2_tf.search.needs import AdditiveMeter
  from nadv2_tf.spec import NetworkSpec, SearchSpace
  from nadv2_tf.spec.shapes import Shape

  #: for each `BlockChoices` the number of its option
  Picks: TypeAlias = tuple[int, ...]
  #: {number of a `BlockChoices`: numbers of its options}
  Options: TypeAlias = Mapping[int, frozenset[int]]


@dataclasses.dataclass(frozen=True)
class Piece:
  """A block as it may run in some networks of the space.

  Attributes:
    index: of the block.
    options: {number of a `BlockChoices`: number of its option}, of all that set widths or kernel
      of this block: its own, and those of blocks that it shares a width with.
    before, after: shapes of its input and its output.
    skipped: shapes that additive skips bring, in the order of the network's skips.
    seen: the network in which this block is like that; see `NetworkSpec.seeing`.
  """

  index: int
  options: dict[int, int]
  before: Shape
  after: Shape
  skipped: tuple[Shape, ...]
  seen: NetworkSpec


class Chain:
  """All pieces of the networks that options of blocks make, in the order of the blocks.

  Args:
    space: a `SearchSpace`.
    blocks: options of its blocks; those that are not there are full.
  """

  def __init__(self, space: SearchSpace, blocks: Sequence[BlockChoices]) -> None:
    self.space = space
    self.blocks = tuple(blocks)
    #: for each block index the sources of the skips that end there
    self.sources = tuple(
      tuple(skip.source for skip in space.network.skips if skip.target == index)
      for index in range(len(space.network.blocks))
    )
    self._full = space.encode(space.largest())
    #: before each block, and after the last: {possible shape: options that lead there}
    self._leading: list[dict[Shape, Options]] = [{space.network.input_shape: {}}]
    self.pieces: list[Piece] = []
    for index in range(len(space.network.blocks)):
      leading: dict[Shape, Options] = {}
      for piece, options in self._pieces_of(index):
        self.pieces.append(piece)
        known = leading.setdefault(piece.after, options)
        leading[piece.after] = {number: known[number] | options[number] for number in options}
      self._leading.append(leading)

  @property
  def shapes(self) -> list[tuple[Shape, ...]]:
    """The shapes that are possible before each block, and after the last."""
    return list(map(tuple, self._leading))

  @property
  def smallest(self) -> Picks:
    """That of the space's smallest network."""
    return (0,) * len(self.blocks)

  def network(self, picks: Picks) -> NetworkSpec:
    """The network of one option for each of `blocks`."""
    return self._with(dict(enumerate(picks)))

  def costs(self, meter: AdditiveMeter) -> tuple[tuple[float, tuple[float, ...]], ...]:
    """Pairs (constant, cost of each piece): the meter gives the largest of their sums.

    Most meters have one such sum; see `LatencyTable.block_sums` for one that has two.
    """
    sums = getattr(meter, "block_sums", lambda spec: ((0.0, meter.block_costs(spec)),))
    priced = [(piece.index, sums(piece.seen)) for piece in self.pieces]
    return tuple(
      (constant, tuple(each[number][1][index] for index, each in priced))
      for number, (constant, _) in enumerate(priced[0][1])
    )

  def _with(self, options: dict[int, int]) -> NetworkSpec:
    blocks = [self.blocks[number] for number in options]
    picked = [block.choices[at] for block, at in zip(blocks, options.values(), strict=True)]
    return self.space.decode(put_all(self._full, blocks, picked))

  def _touching(self, index: int) -> list[int]:
    """Numbers of the `blocks` that have a say in block `index`."""
    decisions = self.space.decisions
    return [
      number
      for number, block in enumerate(self.blocks)
      if any(index in decisions[column].blocks for column in block.columns)
    ]

  def _pieces_of(self, index: int) -> Iterator[tuple[Piece, Options]]:
    """The pieces of a block, with the options that lead to each.

    Shapes that no network has together make none: a skip may bring what hangs on the same width,
    and a table has no row for what never runs.
    """
    touching = self._touching(index)
    counts = (range(len(self.blocks[number].choices)) for number in touching)
    picked = [dict(zip(touching, picks, strict=True)) for picks in itertools.product(*counts)]
    variants = [(options, self._with(options).blocks[index]) for options in picked]
    places = [self._leading[at] for at in (index, *(one + 1 for one in self.sources[index]))]
    for before, *skipped in itertools.product(*places):
      told = [place[shape] for place, shape in zip(places, (before, *skipped), strict=True)]
      for options, block in variants:
        own = {number: frozenset({option}) for number, option in options.items()}
        leading = _agreed([*told, own])
        if all(leading.values()):
          seen = self.space.network.seeing(index, block, before, tuple(skipped))
          after = seen.block_outputs()[index]
          yield Piece(index, options, before, after, tuple(skipped), seen), leading


def _agreed(told: Sequence[Options]) -> Options:
  """The options of every block that all agree on who tell of it."""
  found: dict[int, frozenset[int]] = {}
  for options in told:
    for number, possible in options.items():
      found[number] = found.get(number, possible) & possible
  return found
