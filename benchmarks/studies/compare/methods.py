"""What is compared: each method is a space, a way to train the super-network, and an optimizer."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from nadv2_tf.search import (
  Evolution,
  Hurricane,
  LayerNAS,
  MultiLayerCoordinateDescent,
  NetAdaptV1,
  RandomSearch,
  SingleLayerCoordinateDescent,
  UniformScaling,
)
from nadv2_tf.spec import SearchSpace

if TYPE_CHECKING:
  from nadv2_tf.benchmarks.studies.compare.plan import Plan
  from nadv2_tf.search.problem import Optimizer


@dataclasses.dataclass(frozen=True)
class Method:
  """One row of the table.

  Attributes:
    title: as the table has it.
    optimizer: name, see `make_optimizer`.
    has_bypass: channel-level bypass connections, CBC.
    has_ordered_dropout: OD; without it every step trains one sub-network on all of its images.
    trains_samples: instead of scoring samples with a super-network's weights, it starts from the
      plain largest network, trained for as many steps, and trains every sample.
  """

  title: str
  optimizer: str
  has_bypass: bool = True
  has_ordered_dropout: bool = True
  trains_samples: bool = False

  @property
  def space(self) -> str:
    """Name of the space that it searches, see `spaces`."""
    if self.trains_samples:
      return "plain"
    return "cbc" if self.has_bypass else "no_cbc"

  @property
  def super_network(self) -> str:
    """Name of the network that is trained before it searches; several methods share one."""
    if self.trains_samples:
      return "plain"
    return f"{self.space}_{'od' if self.has_ordered_dropout else 'no_od'}"


METHODS = {
  # A width multiplier knows no bypass; with one, narrow networks would pay for its copies.
  "uniform": Method("uniform scaling", "uniform", has_bypass=False),
  "random": Method("random search", "random"),
  "evolution": Method("evolution", "evolution"),
  "hurricane": Method("HURRICANE", "hurricane"),
  "layernas": Method("LayerNAS", "layernas"),
  "netadaptv1": Method("NetAdaptV1", "netadaptv1", has_bypass=False, trains_samples=True),
  "scd": Method("without MCD (SCD)", "scd"),
  "no_cbc": Method("without CBC", "mcd", has_bypass=False),
  "no_od": Method("without OD", "mcd", has_ordered_dropout=False),
  "netadaptv2": Method("NetAdaptV2", "mcd"),
}


def make_optimizer(name: str, plan: Plan) -> Optimizer:
  """The optimizer of a method, with its sizes of the plan."""
  if name == "mcd":
    return MultiLayerCoordinateDescent(
      plan.samples_per_iteration,
      plan.layers_per_sample,
      plan.initial_reduction,
      plan.reduction_decay,
      plan.score,
    )
  if name == "scd":
    return SingleLayerCoordinateDescent(plan.scd_reduction, plan.reduction_decay, plan.score)
  if name == "netadaptv1":
    return NetAdaptV1(plan.netadaptv1_reduction, plan.netadaptv1_decay)
  if name == "random":
    return RandomSearch(plan.samples)
  if name == "evolution":
    return Evolution(**_breeding(plan.samples))
  if name == "hurricane":
    return Hurricane(**_breeding(max(plan.samples // 2, 1)))  # in each half
  if name == "layernas":
    return LayerNAS(plan.buckets)
  return UniformScaling()


def _breeding(samples: int) -> dict[str, Any]:
  """Settings of an evolution of so many samples.

  Its own population of 50 needs more samples; with fewer, at least five generations.
  """
  size = max(min(50, samples // 5), 1)
  return {
    "population": size,
    "parents": max(size // 5, 1),
    "mutations": size // 2,
    "crossovers": size // 2,
    "generations": max(samples // size, 1),
  }


def spaces(space: SearchSpace, largest_kernel: int | None = None) -> dict[str, SearchSpace]:
  """{name: space} of all methods, of the space with bypass and kernel sizes.

  NetAdaptV1 prunes filters and knows neither bypass nor kernel sizes.

  Args:
    space: of the backbone.
    largest_kernel: the initial network's kernels are at most so large; None: the backbone's own.
  """
  if largest_kernel:
    space = with_kernels_up_to(space, largest_kernel)
  no_bypass = without_bypass(space)
  widths = tuple(decision for decision in no_bypass.decisions if decision.kind == "width")
  return {
    "cbc": space,
    "no_cbc": no_bypass,
    "plain": SearchSpace(no_bypass.network, widths),
  }


def with_kernels_up_to(space: SearchSpace, size: int) -> SearchSpace:
  """The space whose largest network has no kernel above `size`.

  Raises:
    ValueError: if a kernel has no choice that small.
  """
  network, decisions = space.network, []
  for decision in space.decisions:
    if decision.kind == "kernel":
      choices = tuple(choice for choice in decision.choices if choice <= size)
      if not choices:
        raise ValueError(f"{decision.name} has no kernel of at most {size}.")
      for index in decision.blocks:
        network = network.with_block(index, kernel=choices[-1])
      decision = dataclasses.replace(decision, choices=choices)
    decisions.append(decision)
  name = f"{network.name}_kernel{size}"
  return SearchSpace(dataclasses.replace(network, name=name), tuple(decisions))


def without_bypass(space: SearchSpace) -> SearchSpace:
  """The space without channel-level bypass: no layer can be removed.

  A depthwise layer has as many filters as channels, so its width is no decision of its own.
  """
  network = space.network
  for index, block in enumerate(network.blocks):
    if hasattr(block, "bypass_cap"):
      network = network.with_block(index, bypass_cap=0)
  decisions = []
  for decision in space.decisions:
    if decision.field == "depthwise":
      continue
    if decision.kind == "width" and decision.choices[0] == 0:
      decision = dataclasses.replace(decision, choices=decision.choices[1:])
    decisions.append(decision)
  name = f"{network.name}_no_cbc"
  return SearchSpace(dataclasses.replace(network, name=name), tuple(decisions))
