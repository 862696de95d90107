"""The integer program of precisions: which blocks are int8, exactly, below all ceilings.

  minimise    sum over blocks b of loss[b] x[b]        x[b] = 1: b in int8; 0: in float
  subject to  constant + sum over b of (int8[b] x[b] + float[b] (1 - x[b]))
                       + change * sum over edges of e[edge] <= most
                                                       for each resource
              e[b, c] >= x[b] - x[c], x[c] - x[b]      an edge: two neighbours, or one beside what
                                                       stays float, whose x is 0
              sum over b of what differs from a choice that is no answer >= 1
              x in {0, 1}, 0 <= e <= 1

The edge variables cost what a conversion between precisions does; they need not be asked to be
integers, because nothing but x holds them up.

Source: HAO, Dong et al., FCCM 2021, chooses bits for each layer by an integer program; its
equations are not public. This is a knapsack of several resources, solved by HiGHS
(`scipy.optimize.milp`).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.search.block_program import SCALE
from nadv2_tf.spec.sums import total

if TYPE_CHECKING:
  from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class BlockCosts:
  """A resource of blocks in either precision.

  Attributes:
    in_float, in_int8: of each block, the same blocks in the same order.
    most: of all together.
    constant: what comes to them whatever is chosen.
    edges: places of blocks that take each other's outputs; one alone is beside what stays float.
    change: what comes for each edge whose ends differ; not below 0.
  """

  in_float: tuple[float, ...]
  in_int8: tuple[float, ...]
  most: float
  constant: float = 0.0
  edges: tuple[tuple[int, ...], ...] = ()
  change: float = 0.0

  def of(self, is_int8: Sequence[bool]) -> float:
    """The resource with the blocks in these precisions."""
    costs = zip(self.in_float, self.in_int8, is_int8, strict=True)
    changed = self.change * self.changes(is_int8)
    own = (small if chosen else full for full, small, chosen in costs)
    return total((self.constant, changed, *own))

  def changes(self, is_int8: Sequence[bool]) -> int:
    """How many edges have ends of different precisions."""
    return sum(is_int8[edge[0]] != (len(edge) > 1 and is_int8[edge[1]]) for edge in self.edges)

  @property
  def least(self) -> float:
    """What it cannot be less than; what changes cost is not in it."""
    return total((self.constant, *map(min, self.in_float, self.in_int8)))


def best_bits(
  losses: Sequence[float],
  resources: Sequence[BlockCosts],
  without: Sequence[Sequence[bool]] = (),
) -> tuple[bool, ...] | None:
  """Whether each block is int8 where they lose least together, None where nothing fits.

  Args:
    losses: what each block loses by it; below 0 where it gains.
    resources: each a `BlockCosts` of the same blocks.
    without: what is no answer.

  Raises:
    RuntimeError: if the solver gives up.
  """
  import numpy as np
  from scipy.optimize import Bounds, LinearConstraint, milp

  count = len(losses)
  if not count:  # the solver knows no program without variables
    fits = all(resource.of(()) <= resource.most for resource in resources)
    return () if fits and not without else None
  edges = list(dict.fromkeys(edge for one in resources if one.change for edge in one.edges))
  width = count + len(edges)
  losses_scale = SCALE / (max(map(abs, losses), default=0.0) or 1.0)
  rows, ceilings = [], []
  for resource in resources:
    row = np.zeros(width)
    row[:count] = np.subtract(resource.in_int8, resource.in_float)
    for edge in resource.edges if resource.change else ():
      row[count + edges.index(edge)] += resource.change
    left = resource.most - resource.of([False] * count)
    scale = SCALE / (abs(left) or np.abs(row).max() or 1.0)
    rows.append(scale * row)
    ceilings.append(scale * left)
  for at, edge in enumerate(edges, start=count):
    for sign in (1, -1):
      row = np.zeros(width)
      row[list(edge)] = [sign, -sign][: len(edge)]
      row[at] = -1
      rows.append(row)
      ceilings.append(0.0)
  for picks in without:
    rows.append(np.zeros(width))
    rows[-1][:count] = np.where(picks, 1, -1)
    ceilings.append(sum(picks) - 1)
  objective = np.zeros(width)
  objective[:count] = losses_scale * np.array(losses)
  done = milp(
    objective,
    integrality=np.arange(width) < count,
    bounds=Bounds(0, 1),
    constraints=LinearConstraint(np.array(rows), -np.inf, np.array(ceilings)) if rows else (),
    options={"mip_rel_gap": 0.0},
  )
  if done.x is None:
    if done.status == 2:
      return None
    raise RuntimeError(f"HiGHS gave up on a program of {count} blocks: {done.message}")
  return tuple(bool(value > 0.5) for value in done.x[:count])
