"""The integer program of a chain of blocks: the options of the largest gain below all ceilings.

  maximise    sum over blocks b and their options o of gain[b, o] x[b, o]
  subject to  sum over o of x[b, o] = 1                          each block has one option
              flow into a shape = flow out of it                 pieces make a path
              sum of y over the pieces of (b, o) = x[b, o]       which has these options
              sum of y over the pieces to which a skip brings a shape
                = flow into that shape at the skip's source      and these skips
              constant + sum over pieces of cost y <= ceiling    for each resource
              x in {0, 1}, 0 <= y <= 1

The edge variables y couple neighbouring blocks: a block costs what it costs after the blocks before
it. They need not be asked to be integers, because the options leave one path alone.

Source: HAO, Dong et al., FCCM 2021, whose equations are not public; this is a knapsack with one
choice for each block, solved by HiGHS (`scipy.optimize.milp`).
"""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Hashable, Mapping, Sequence
  from typing import TypeAlias

  from nadv2_tf.search.chain import Chain, Picks

  #: {variable: coefficient}
  Row: TypeAlias = Mapping[int, float]

#: what a ceiling and a gain of 1 stand at, so that the solver's tolerance of 1e-6 is 1e-10 of them
SCALE = 1e4


@dataclasses.dataclass(frozen=True)
class Ceiling:
  """A resource that adds up over the pieces of a `Chain`, and the most that it may be."""

  constant: float
  costs: tuple[float, ...]
  most: float

  def row(self, first: int) -> tuple[Row, float]:
    """(coefficients of the pieces, which are the variables from `first` on; the most of them)."""
    left = self.most - self.constant
    scale = SCALE / (abs(left) or max(self.costs) or 1.0)
    return {first + at: scale * cost for at, cost in enumerate(self.costs) if cost}, scale * left


class BlockProgram:
  """The program of a chain, ready for any gains and ceilings.

  Args:
    chain: a `Chain`.
    closed: numbers of the pieces that no network may have.
  """

  def __init__(self, chain: Chain, closed: Sequence[int] = ()) -> None:
    #: place of the first option of each block among the variables; after all of them the pieces
    self._places = [0]
    for block in chain.blocks:
      self._places.append(self._places[-1] + len(block.choices))
    self._count = self._places[-1] + len(chain.pieces)
    self._closed = tuple(closed)
    self._equal = [
      *_paths(chain, self._places),
      *(
        (dict.fromkeys(range(start, end), 1.0), 1.0)
        for start, end in zip(self._places, self._places[1:], strict=False)
      ),
    ]

  def best(
    self,
    gains: Sequence[Sequence[float]],
    ceilings: Sequence[Ceiling] = (),
    without: Sequence[Picks] = (),
  ) -> Picks | None:
    """The options of the largest sum of gains, None where nothing meets all ceilings.

    Args:
      gains: of every option of each block.
      ceilings: see `Ceiling`.
      without: what is no answer.
    """
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    first = self._places[-1]
    at_most = [ceiling.row(first) for ceiling in ceilings]
    at_most += [
      (
        {start + pick: 1.0 for start, pick in zip(self._places, picks, strict=False)},
        len(picks) - 1,
      )
      for picks in without
    ]
    rows = [row for row, _ in (*self._equal, *at_most)]
    highs = np.array([value for _, value in (*self._equal, *at_most)])
    lows = np.where(np.arange(len(rows)) < len(self._equal), highs, -np.inf)
    entries = [(value, at, place) for at, row in enumerate(rows) for place, value in row.items()]
    values, *where = (np.array(column) for column in zip(*entries, strict=True))
    matrix = coo_array((values, tuple(where)), shape=(len(rows), self._count)).tocsr()
    objective, integral, most = np.zeros(self._count), np.zeros(self._count), np.ones(self._count)
    objective[:first] = [-SCALE * gain for block in gains for gain in block]
    integral[:first] = 1
    most[[first + number for number in self._closed]] = 0
    done = milp(
      objective,
      integrality=integral,
      bounds=Bounds(0, most),
      constraints=LinearConstraint(matrix, lows, highs),
      options={"mip_rel_gap": 0.0},
    )
    if done.x is None:
      if done.status == 2:
        return None
      raise RuntimeError(f"HiGHS gave up on a program of {self._count} variables: {done.message}")
    return tuple(
      int(np.argmax(done.x[start:end]))
      for start, end in zip(self._places, self._places[1:], strict=False)
    )


def _paths(chain: Chain, places: Sequence[int]) -> list[tuple[Row, float]]:
  """Rows (coefficients, what they add up to) that make the pieces one path of the options."""
  rows: dict[Hashable, dict[int, float]] = collections.defaultdict(dict)
  for place, piece in enumerate(chain.pieces, start=places[-1]):
    rows["shape", piece.index, piece.before][place] = 1.0
    if piece.index + 1 < len(chain.sources):
      rows["shape", piece.index + 1, piece.after][place] = -1.0
    for number, option in piece.options.items():
      row = rows["option", piece.index, number, option]
      row |= {place: 1.0, places[number] + option: -1.0}
    for number, shape in enumerate(piece.skipped):
      rows["skip", piece.index, number, shape][place] = 1.0
    for target, sources in enumerate(chain.sources):
      for number, source in enumerate(sources):
        if source == piece.index:
          rows["skip", target, number, piece.after][place] = -1.0
  start = ("shape", 0, chain.shapes[0][0])
  return [(row, float(key == start)) for key, row in rows.items()]
