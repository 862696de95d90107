"""Multi-layer coordinate descent.

Source: NetAdaptV2, section 2.4; published settings in section 4.1.1 and appendix D.
"""

import dataclasses

from nadv2_tf.search.problem import UnreachableTarget
from nadv2_tf.search.registry import OPTIMIZERS

#: a sample that comes out like an earlier one is drawn again, at most this often on average
REDRAWS = 10
#: how often the reduction is halved when no sample reaches an iteration's goal
HALVINGS = 10


@OPTIMIZERS.register("mcd")
@dataclasses.dataclass(frozen=True)
class MultiLayerCoordinateDescent:
  """Each iteration scores J samples, each of which shrinks L random layers of the best so far.

  Attributes:
    samples_per_iteration: J.
    layers_per_sample: L; a layer is a width with, for depthwise layers, its kernel size.
    initial_reduction: what the first iteration takes off, as a share of the start's resource.
    reduction_decay: factor on the reduction from one iteration to the next.
    score: "accuracy" picks the most accurate sample, ties to the smaller resource; "ratio" the
      least accuracy lost per resource saved (NetAdaptV1's rule).

  Differs from the paper: the last iteration stops shrinking at the target instead of at its own
  goal, because what lies between them is accuracy given away; and layers that cannot shrink any
  further are not drawn.
  """

  samples_per_iteration: int = 200
  layers_per_sample: int = 10
  initial_reduction: float = 0.03
  reduction_decay: float = 0.98
  score: str = "accuracy"

  def __post_init__(self):
    if self.samples_per_iteration < 1 or self.layers_per_sample < 1:
      raise ValueError(
        "--samples_per_iteration and --layers_per_sample must be at least 1, got "
        f"{self.samples_per_iteration} and {self.layers_per_sample}."
      )
    if not 0 < self.initial_reduction < 1:
      raise ValueError(
        f"--initial_reduction must lie between 0 and 1, got {self.initial_reduction}."
      )
    if not 0 < self.reduction_decay <= 1:
      raise ValueError(
        f"--reduction_decay must be above 0 and at most 1, got {self.reduction_decay}."
      )
    if self.score not in ("accuracy", "ratio"):
      raise ValueError(f"score must be 'accuracy' or 'ratio', got {self.score!r}.")

  def search(self, problem, rng):
    """See `Optimizer.search`. Raises `UnreachableTarget` if the schedule ends above the target."""
    self.check_schedule(problem)
    best = problem.start
    resource = problem.meter.measure(best)
    reduction = self.initial_reduction * resource
    chosen = None
    if self.score == "ratio" and resource > problem.target:
      (chosen,) = yield (best,)  # what is lost is counted from here
    while resource > problem.target:
      scored = yield self._samples(problem, best, resource, reduction, rng)
      chosen = self.choose(scored, chosen)
      best, resource = chosen.spec, chosen.resource
      reduction *= self.reduction_decay
    return best

  def choose(self, scored, previous=None):
    """See `Optimizer.choose`."""
    if self.score == "accuracy" or previous is None:
      return max(scored, key=lambda candidate: (candidate.accuracy, -candidate.resource))

    def lost_per_saved(candidate):
      lost = previous.accuracy - candidate.accuracy
      return lost / (previous.resource - candidate.resource), candidate.resource

    # Every sample has less resource than what it was shrunk from.
    return min(scored, key=lost_per_saved)

  def check_schedule(self, problem):
    """Raises `UnreachableTarget` if all reductions together end above the target."""
    if self.reduction_decay == 1:
      return
    start = problem.meter.measure(problem.start)
    share = self.initial_reduction / (1 - self.reduction_decay)
    if start * (1 - share) > problem.target:
      raise UnreachableTarget(
        f"With --initial_reduction={self.initial_reduction:g} and --reduction_decay="
        f"{self.reduction_decay:g} all iterations together take off {share:.0%} of the initial "
        f"{start:g} {problem.meter.unit}, which ends above the target of {problem.target:g} "
        f"{problem.meter.unit}: raise one of them."
      )

  def _samples(self, problem, best, resource, reduction, rng):
    """J different samples whose resource is down by `reduction`, or as many as there are."""
    for _ in range(HALVINGS + 1):
      goal = max(resource - reduction, problem.target)
      samples = {}
      for _ in range(REDRAWS * self.samples_per_iteration):
        sample = self._shrunk(problem, best, goal, rng)
        if sample is not None:
          samples.setdefault(problem.space.encode(sample), sample)
        if len(samples) == self.samples_per_iteration:
          break
      if samples:
        return tuple(samples.values())
      reduction /= 2
    smallest = problem.meter.measure(problem.space.smallest())
    raise UnreachableTarget(
      f"No sample of {self.layers_per_sample} layers gets below {resource:g} "
      f"{problem.meter.unit}; the smallest network of the space has {smallest:g}."
    )

  def _shrunk(self, problem, spec, goal, rng):
    """`spec` with L random layers shrunk step by step down to `goal`, or None if they end first."""
    space, meter = problem.space, problem.meter
    layers = [layer for layer in layers_of(space) if any(_steps(space, spec, layer))]
    layers = rng.sample(layers, min(self.layers_per_sample, len(layers)))
    while layers:
      layer = rng.choice(layers)
      steps = list(_steps(space, spec, layer))
      if not steps:
        layers.remove(layer)
        continue
      spec = rng.choice(steps)
      if meter.measure(spec) <= goal:
        return spec
    return None


def layers_of(space):
  """Columns of `space.decisions` by layer: a width, and the kernel size that belongs to it.

  A kernel size is its depthwise layer's; where that layer's width is not searched, it is a layer
  of its own.
  """
  kernels = {
    decision.blocks[0]: column
    for column, decision in enumerate(space.decisions)
    if decision.kind == "kernel"
  }
  layers = []
  for column, decision in enumerate(space.decisions):
    if decision.kind == "width":
      kernel = kernels.pop(decision.blocks[0], None) if decision.field == "depthwise" else None
      layers.append((column,) if kernel is None else (column, kernel))
  return layers + [(column,) for column in kernels.values()]


def _steps(space, spec, layer):
  """`spec` after each single grid step that `layer` still has."""
  for column in layer:
    smaller = space.shrink(spec, column)
    if smaller is not None:
      yield smaller
