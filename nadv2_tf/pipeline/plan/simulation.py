"""The search of a run without its scores: how many iterations and samples, and what they are."""

import dataclasses
import random
import time

from nadv2_tf.benchmarks.table_plan import planned_pieces
from nadv2_tf.pipeline import optimizers
from nadv2_tf.resources import COUNTS
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.search import Problem, minimize
from nadv2_tf.search.uniform import scaled_to
from nadv2_tf.spec import NetworkSpec

#: of mcd; the number of iterations hardly depends on how many samples each of them has
SAMPLES_PER_ITERATION = 8
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
  """

  iterations: int
  samples: int
  propose: float
  trajectory: tuple
  found: tuple
  uniform: NetworkSpec | None = None


class _Coin:
  """An evaluator that knows nothing: the schedule makes the iterations, not the scores."""

  def __init__(self, seed):
    self._rng = random.Random(seed)

  def accuracy(self, specs):
    return [self._rng.random() for _ in specs]


def simulate(options, space, meter, targets, limits, seed):
  """Runs the optimizer of the run on its space with random scores.

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
  optimizer, factor = optimizers.optimizer_of(options, problem), 1.0
  if options.search_optimizer == "mcd":
    fewer = min(options.samples_per_iteration, SAMPLES_PER_ITERATION)
    factor = options.samples_per_iteration / fewer
    optimizer = dataclasses.replace(optimizer, samples_per_iteration=fewer)
  start = time.monotonic()
  result = minimize(problem, optimizer, _Coin(seed), seed=seed)
  seconds = time.monotonic() - start
  return Simulation(
    iterations=len(result.iterations),
    samples=round(result.samples_scored * factor),
    propose=seconds / max(result.samples_scored, 1),
    trajectory=result.trajectory,
    found=tuple(found.spec for found in result.found),
    uniform=scaled_to(space, meter.measure, result.resource),
  )


def likely_table(space, costs):
  """A `LatencyTable` before one is measured: by MACs, and as slow as the networks in `costs`.

  Args:
    space: the `SearchSpace`.
    costs: {"smallest": milliseconds, "largest": milliseconds}.
  """
  macs = {piece: _macs(piece) + OPERATOR_MACS for piece in planned_pieces(space)}
  raw = LatencyTable(macs)
  largest = raw.measure(space.largest())
  scale = costs["largest"] / largest
  return LatencyTable({piece: value * scale for piece, value in macs.items()})


def _macs(piece):
  places = piece.in_height * piece.in_width / piece.stride**2
  if piece.kind == "conv":
    return places * piece.in_channels * piece.kept * piece.kernel**2
  if piece.kind == "depthwise":
    return places * piece.kept * piece.kernel**2
  # An addition or a copy costs about what a multiplication does.
  return places * piece.in_channels + piece.in_channels * piece.squeeze * 2


def is_exact(meter):
  """Whether a meter may be asked thousands of times."""
  return meter is not None and meter.is_exact


def macs_meter():
  """What stands for a meter that costs something to ask."""
  return COUNTS["macs"]()
