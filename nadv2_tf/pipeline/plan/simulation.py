"""The search of a run without its scores: how many iterations and samples, and what they are."""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from nadv2_tf.benchmarks.tables.plan import planned_pieces
from nadv2_tf.pipeline.aim.ranges import middle
from nadv2_tf.pipeline.stages import optimizers
from nadv2_tf.resources import COUNTS
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.search import (
  FpNas,
  LayerNAS,
  MultiLayerCoordinateDescent,
  Problem,
  UniformScaling,
  minimize,
)
from nadv2_tf.search.fp_nas import IN_TURN
from nadv2_tf.search.uniform import scaled_to
from nadv2_tf.spec import NetworkSpec

if TYPE_CHECKING:
  from collections.abc import Iterable, Mapping, Sequence

  from nadv2_tf.options import SearchOptions
  from nadv2_tf.resources import MacsMeter
  from nadv2_tf.resources.pieces import Piece
  from nadv2_tf.search.problem import ResourceMeter
  from nadv2_tf.spec import SearchSpace

#: {optimizer: (setting, the most of it that is simulated)}; what a search takes grows with it as
#: its own `amount` does, and the networks that it meets hardly depend on it
SIMULATED: dict[type, tuple[str, int]] = {
  MultiLayerCoordinateDescent: ("samples_per_iteration", 8),
  LayerNAS: ("buckets", 4),
}
#: a call of an operator costs about as much as so many multiply-accumulates
OPERATOR_MACS = 2e4


@dataclasses.dataclass(frozen=True)
class Simulation:
  """What a search comes to.

  Attributes:
    iterations, samples: of the whole search.
    propose: seconds for each sample.
    trajectory: the best network of each iteration.
    found: the network of each target.
    uniform: the uniformly scaled network of the smallest target, None if that was not looked for.
    descent_steps: downhill in the loss of the super-network, of the whole search.
    descent_images: of each of them.
  """

  iterations: int
  samples: int
  propose: float
  trajectory: tuple[NetworkSpec, ...]
  found: tuple[NetworkSpec, ...]
  uniform: NetworkSpec | None = None
  descent_steps: int = 0
  descent_images: int = 0


class _Capacity:
  """An evaluator that takes the network with more MACs for the better one.

  The schedule makes the iterations, not the scores. But what a search finds has more MACs than a
  random network as fast, and a step of its training takes accordingly longer.
  """

  def __init__(self, space: SearchSpace) -> None:
    self._most = space.largest().macs()
    self._decisions = space.decisions
    #: images of every call of `loss_slopes`
    self.batches: list[int] = []

  def accuracy(self, specs: Sequence[NetworkSpec]) -> list[float]:
    return [min(spec.macs() / self._most, 1.0) for spec in specs]

  def loss_slopes(self, shares: Any, batch: int, images: int) -> tuple[float, Any]:
    """See `SlopingEvaluator`: the loss is less for all that is larger."""
    self.batches.append(images)
    values = np.zeros(shares.shape)
    for row, decision in zip(values, self._decisions, strict=True):
      row[: len(decision.choices)] = np.array(decision.choices) / decision.choices[-1]
    values /= len(values)
    return float(1 - (shares * values).sum()), -values


def simulate(
  options: SearchOptions,
  space: SearchSpace,
  meter: ResourceMeter,
  targets: Sequence[float],
  limits: Iterable[tuple[ResourceMeter, float]],
  seed: int,
) -> Simulation:
  """Runs the optimizer of the run on its space, MACs standing for the scores.

  Args:
    options: `SearchOptions`.
    space: the `SearchSpace`.
    meter: exact; that of the run, or `likely_table`.
    targets: numbers, the largest first.
    limits: pairs (exact meter, limit).
    seed: of the search.

  Raises:
    UnreachableTarget: as the search would.
  """
  *larger, target = targets
  problem = Problem(space, space.largest(), meter, target, tuple(larger), tuple(limits))
  optimizer, iterations, samples = _with_less(optimizers.optimizer_of(options, problem), problem)
  evaluator, start = _Capacity(space), time.monotonic()
  result = minimize(problem, optimizer, evaluator, seed=seed)
  seconds = time.monotonic() - start
  return Simulation(
    iterations=round(len(result.iterations) * iterations),
    samples=round(result.samples_scored * samples),
    propose=seconds / max(result.samples_scored, 1),
    trajectory=result.trajectory,
    found=tuple(found.spec for found in result.found),
    uniform=scaled_to(space, meter.measure, result.resource),
    descent_steps=len(evaluator.batches),
    descent_images=max(evaluator.batches, default=0),
  )


def _with_less(optimizer: Any, problem: Problem) -> tuple[Any, float, float]:
  """(an optimizer that takes less, how many times as many iterations and samples the own takes)."""
  if isinstance(optimizer, FpNas) and optimizer.shared_weights == IN_TURN:
    # What it finds is known when its weights are trained; there is one network for each target.
    return UniformScaling(), 1.0, 1.0
  if type(optimizer) not in SIMULATED:
    return optimizer, 1.0, 1.0
  setting, most = SIMULATED[type(optimizer)]
  less = dataclasses.replace(optimizer, **{setting: min(getattr(optimizer, setting), most)})
  pairs = zip(optimizer.amount(problem), less.amount(problem), strict=True)
  iterations, samples = (whole / max(part, 1) for whole, part in pairs)
  return less, iterations, samples


def likely_table(
  space: SearchSpace, costs: Mapping[str, float], measured: Iterable[tuple[Piece, float]] = ()
) -> LatencyTable:
  """A `LatencyTable` before one is measured: by MACs, and as slow as the networks in `costs`.

  A multiply-accumulate of a depthwise layer takes longer than one of a pointwise layer, and how
  much longer depends on the device: a few measured pieces tell it for each kind and kernel. What a
  layer takes however narrow it is, is what makes the middle network as slow as it is.

  Args:
    space: the `SearchSpace`.
    costs: {"smallest": milliseconds, "middle": milliseconds, "largest": milliseconds}.
    measured: pairs (`Piece`, milliseconds) of some pieces.
  """
  macs = {piece: _macs(piece) + OPERATOR_MACS for piece in planned_pieces(space)}
  rates = _rates((piece, macs.get(piece, 0), value) for piece, value in measured)
  values = {piece: count * _rate_of(piece, rates) for piece, count in macs.items()}
  one_each = dict.fromkeys(values, 1.0)

  def total(table: Mapping[Piece, float], spec: NetworkSpec) -> float:
    return LatencyTable(table).measure(spec)

  largest, half = space.largest(), middle(space)
  # scale * values + constant, for the largest and for the middle network
  (a, b), (c, d) = ((total(values, spec), total(one_each, spec)) for spec in (largest, half))
  scale, constant = costs["largest"] / a, 0.0
  if a * d != b * c:
    solved = (
      (costs["largest"] * d - b * costs["middle"]) / (a * d - b * c),
      (a * costs["middle"] - c * costs["largest"]) / (a * d - b * c),
    )
    if min(solved) > 0:
      scale, constant = solved
  return LatencyTable({piece: value * scale + constant for piece, value in values.items()})


def _rates(measured: Iterable[tuple[Piece, float, float]]) -> dict[tuple, float]:
  """{(kind, kernel), (kind,), (): milliseconds of a MAC} of triples (piece, MACs, milliseconds)."""
  sums: dict[tuple, list[float]] = defaultdict(lambda: [0.0, 0.0])
  for piece, macs, milliseconds in measured:
    for group in ((piece.kind, piece.kernel), (piece.kind,), ()):
      sums[group][0] += milliseconds
      sums[group][1] += macs
  return {group: time / macs for group, (time, macs) in sums.items() if time and macs}


def _rate_of(piece: Piece, rates: Mapping[tuple, float]) -> float:
  """Of the nearest group that has one: pieces of that kind and kernel, of that kind, of any."""
  groups = ((piece.kind, piece.kernel), (piece.kind,), ())
  return next((rates[group] for group in groups if group in rates), 1.0)


def _macs(piece: Piece) -> float:
  places = piece.in_height * piece.in_width / piece.stride**2
  if piece.kind == "conv":
    return places * piece.in_channels * piece.kept * piece.kernel**2
  if piece.kind == "depthwise":
    return places * piece.kept * piece.kernel**2
  # An addition or a copy costs about what a multiplication does.
  return places * piece.in_channels + piece.in_channels * piece.squeeze * 2


def macs_meter() -> MacsMeter:
  """What stands for a meter that costs something to ask."""
  return COUNTS["macs"]()
