"""The integer program of precisions: which blocks are int8, exactly, below all ceilings.

  minimise    sum over blocks b of loss[b] x[b]        x[b] = 1: b in int8; 0: in float
  subject to  constant + sum over b of (int8[b] x[b] + float[b] (1 - x[b])) <= most
                                                       for each resource
              x in {0, 1}

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
  """

  in_float: tuple[float, ...]
  in_int8: tuple[float, ...]
  most: float
  constant: float = 0.0

  def of(self, is_int8: Sequence[bool]) -> float:
    """The resource with the blocks in these precisions."""
    costs = zip(self.in_float, self.in_int8, is_int8, strict=True)
    return total((self.constant, *(small if chosen else full for full, small, chosen in costs)))

  @property
  def least(self) -> float:
    """The least that it can be."""
    return total((self.constant, *map(min, self.in_float, self.in_int8)))


def best_bits(losses: Sequence[float], resources: Sequence[BlockCosts]) -> tuple[bool, ...] | None:
  """Whether each block is int8 where they lose least together, None where nothing fits.

  Args:
    losses: what each block loses by it; below 0 where it gains.
    resources: each a `BlockCosts` of the same blocks.
  """
  import numpy as np
  from scipy.optimize import Bounds, LinearConstraint, milp

  losses_scale = SCALE / (max(map(abs, losses), default=0.0) or 1.0)
  rows, ceilings = [], []
  for resource in resources:
    saved = np.subtract(resource.in_int8, resource.in_float)
    left = resource.most - resource.of([False] * len(losses))
    scale = SCALE / (abs(left) or np.abs(saved).max() or 1.0)
    rows.append(scale * saved)
    ceilings.append(scale * left)
  done = milp(
    losses_scale * np.array(losses),
    integrality=np.ones(len(losses)),
    bounds=Bounds(0, 1),
    constraints=LinearConstraint(np.array(rows), -np.inf, np.array(ceilings)) if rows else (),
    options={"mip_rel_gap": 0.0},
  )
  if done.x is None:
    if done.status == 2:
      return None
    raise RuntimeError(f"HiGHS gave up on a program of {len(losses)} blocks: {done.message}")
  return tuple(bool(value > 0.5) for value in done.x)
