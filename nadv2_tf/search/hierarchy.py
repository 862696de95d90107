"""The lowest of a function of all blocks' options: stages first, then the blocks of each stage.

Source: FLASH, Li et al., ACM TECS 2021: a hierarchy of simplicial homology global optimization
(`scipy.optimize.shgo`). It knows no whole numbers: points are rounded to options inside the
function.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import warnings
from typing import TYPE_CHECKING, Any

from nadv2_tf.search.stages import SHAPES

if TYPE_CHECKING:
  from collections.abc import Callable, Iterable, Iterator, Sequence

  from nadv2_tf.search.chain import Picks
  from nadv2_tf.search.stages import Stages

#: points of a cube that SHGO begins with
POINTS = 64
#: what an excess of 1 costs, one after the other: with small ones blocks grow that a single move
#: within the bound never would, with large ones all comes back near it
WEIGHTS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def lowest(stages: Stages, value: Callable[[Picks], float]) -> Picks:
  """The picks of a low `value`, by SHGO over each shape of the stages and inside every stage."""
  count = len(stages.groups)
  shapes: dict[str, Sequence[float]] = dict.fromkeys(SHAPES, (1.0,) * count)

  def of_stages(name: str, point: Sequence[float]) -> float:
    return value(stages.picks(shapes | {name: point}))

  def of_blocks(picks: Picks, part: Sequence[int], point: Sequence[float]) -> float:
    return value(stages.inside(picks, part, point))

  for name in SHAPES:
    shapes[name] = _lowest_point(functools.partial(of_stages, name), count)
  picks = stages.picks(shapes)
  for part in stages.parts():
    found = _lowest_point(functools.partial(of_blocks, picks, part), len(part))
    picks = min(picks, stages.inside(picks, part, found), key=value)
  return picks


def _lowest_point(function: Callable[[Sequence[float]], float], dimensions: int) -> Sequence[float]:
  """The lowest of all points of the unit cube that SHGO asks for."""
  from scipy.optimize import shgo

  known: dict[tuple[float, ...], float] = {}

  def told(point: Iterable[float]) -> float:
    # Its local searches step out of the cube by a rounding error.
    inside = tuple(min(max(float(share), 0.0), 1.0) for share in point)
    known[inside] = function(inside)
    return known[inside]

  told((1.0,) * dimensions)
  with warnings.catch_warnings(), _without_log():
    warnings.simplefilter("ignore")  # of flat functions, which rounded ones are
    shgo(told, [(0.0, 1.0)] * dimensions, n=POINTS, sampling_method="sobol")
  return min(known, key=lambda point: known[point])


@contextlib.contextmanager
def _without_log() -> Iterator[None]:
  """SHGO tells the bounds of its local searches in the root logger."""
  before = logging.root.manager.disable
  logging.disable(max(before, logging.INFO))
  try:
    yield
  finally:
    logging.disable(before)


def improved(stages: Stages, picks: Picks, value: Callable[[Picks], Any]) -> Picks:
  """`picks` with one block after the other at its best option, until none gets lower.

  Args:
    stages: a `Stages`.
    picks: where to begin.
    value: a function of picks; what it gives is compared by `<` alone.
  """
  while True:
    before = picks
    for number, block in enumerate(stages.blocks):
      options = range(len(block.choices))
      changed = [(*picks[:number], option, *picks[number + 1 :]) for option in options]
      picks = min([picks, *changed], key=value)
    if picks == before:
      return picks


def improved_within(
  stages: Stages,
  picks: Picks,
  value: Callable[[Picks], float],
  excess: Callable[[Picks], float],
) -> Picks:
  """`picks` improved where `excess` is 0: with a penalty that rises, at last with none above it.

  Where a smaller option of a block always lowers the excess and the smallest network has none, what
  is found has none, however much of `value` an excess would bring.

  Args:
    stages: a `Stages`.
    picks: where to begin; may have an excess.
    value: to be low; of the size of 1, see `WEIGHTS`.
    excess: of a bound, as a share of it; 0 within.
  """

  def penalised(weight: float, picks: Picks) -> float:
    return value(picks) + weight * excess(picks)

  for weight in WEIGHTS:
    picks = improved(stages, picks, functools.partial(penalised, weight))
  return improved(stages, picks, lambda picks: (excess(picks), value(picks)))
