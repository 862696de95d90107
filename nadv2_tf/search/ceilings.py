"""The target and the limits of a problem, as what the pieces of a chain may add up to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from nadv2_tf.search.block_program import BlockProgram, Ceiling
from nadv2_tf.search.needs import AdditiveMeter, UnmetNeed
from nadv2_tf.search.problem import ResourceMeter

if TYPE_CHECKING:
  from collections.abc import Iterable, Iterator

  from nadv2_tf.search.chain import Chain, Picks
  from nadv2_tf.search.gains import Gains
  from nadv2_tf.search.problem import Problem
  from nadv2_tf.spec import NetworkSpec

#: what a sum may be off by rounding; a larger share above a ceiling means that it is not all
ROUNDING = 1e-6


@runtime_checkable
class PeakMeter(ResourceMeter, Protocol):
  """A meter whose value is the largest of its blocks'."""

  def block_peaks(self, spec: NetworkSpec) -> tuple[float, ...]:
    """One value for each block of `spec`, in `unit`."""


def check_limits(problem: Problem) -> None:
  """Raises `UnmetNeed` for a limit that neither adds up over the blocks nor is the largest of them.

  With skips the memory of a block hangs on blocks far off, and is not told by what it sees itself.
  """
  for meter, _ in problem.limits:
    is_peak = isinstance(meter, PeakMeter) and not problem.space.network.skips
    if not isinstance(meter, AdditiveMeter) and not is_peak:
      raise UnmetNeed(
        f"--search_optimizer=integer_program needs limits that add up over the blocks, which the "
        f"one in {meter.unit} ({type(meter).__name__}) does not. Give your meter "
        "block_costs(spec), or take another optimizer."
      )


class Ceilings:
  """What the networks of a chain cost, ready for one target after the other.

  Args:
    chain: a `Chain`.
    problem: a `Problem` that `check_limits` found nothing in.
  """

  def __init__(self, chain: Chain, problem: Problem) -> None:
    self._chain = chain
    self._problem = problem
    assert isinstance(problem.meter, AdditiveMeter)  # an optimizer's `needs` saw to it
    self._meters: list[AdditiveMeter] = [problem.meter]
    self._limits: list[float] = []
    closed: set[int] = set()
    for meter, limit in problem.limits:
      if isinstance(meter, AdditiveMeter):
        self._meters.append(meter)
        self._limits.append(limit)
      elif isinstance(meter, PeakMeter):
        closed |= {
          number
          for number, piece in enumerate(chain.pieces)
          if meter.block_peaks(piece.seen)[piece.index] > limit
        }
    self._sums = [chain.costs(meter) for meter in self._meters]
    self._program = BlockProgram(chain, sorted(closed))

  def best(self, target: float, gains: Gains, without: Iterable[Picks] = ()) -> Iterator[Picks]:
    """The networks within `target` and all limits, those of the largest gain first.

    Where a meter gives more for a network than its pieces add up to, the ceiling is lowered by as
    much for the next one.

    Args:
      target: in the unit of the problem's meter.
      gains: of the options.
      without: networks that are not asked for.
    """
    most = [target, *self._limits]
    lowered, left_out = list(most), list(without)
    while True:
      ceilings = [
        Ceiling(constant, costs, ceiling)
        for sums, ceiling in zip(self._sums, lowered, strict=True)
        for constant, costs in sums
      ]
      picks = self._program.best(gains, ceilings, left_out)
      if picks is None:
        return
      left_out.append(picks)
      spec = self._chain.network(picks)
      shares = [
        meter.measure(spec) / value for meter, value in zip(self._meters, most, strict=True)
      ]
      if self._problem.is_met_by(spec, target):
        yield picks
      lowered = [
        ceiling / share if share > 1 + ROUNDING else ceiling
        for ceiling, share in zip(lowered, shares, strict=True)
      ]
