"""A plan for accelerators that are not there: --plan_as='8 x 300 images/s'.

Nothing is measured. The one number given is how fast one accelerator trains the super-network. Each
image of it costs the largest network; the rest follows from MACs:

- a smaller network trains as much faster as it has fewer MACs, and several accelerators share a
  batch without loss;
- a forward pass takes a third of a training step;
- samples are scored by forward passes alone, one on each accelerator at a time;
- what this machine's processor does (traces, proposals, files and their timing) takes what it takes
  on paper.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from nadv2_tf.pipeline.plan import paper
from nadv2_tf.pipeline.plan.estimate import estimate
from nadv2_tf.pipeline.plan.work import counts_of

if TYPE_CHECKING:
  from collections.abc import Mapping

  from nadv2_tf.options import RunOptions
  from nadv2_tf.pipeline.plan.costs import Costs
  from nadv2_tf.pipeline.plan.estimate import Counts, Stage
  from nadv2_tf.pipeline.plan.simulation import Simulation
  from nadv2_tf.spec import SearchSpace

FORM = re.compile(r"\s*(\d{1,6})\s*x\s*(\d{1,9}(?:\.\d{1,9})?)\s*images/s\s*")
#: forward passes in the time of a training step
FORWARD = 3.0
#: {data: (training images, test images)} of what is planned without being loaded
KNOWN_IMAGES = {
  "tfds:imagenet2012": (1_281_167, 50_000),
  "tfds:cifar10": (50_000, 10_000),
  "demo": (10_000, 3_500),
}


@dataclasses.dataclass(frozen=True)
class Accelerators:
  """So many, each of which trains the super-network at so many images a second."""

  count: int
  images_per_second: float


def parse(text: str) -> Accelerators:
  """`Accelerators` of a text such as "8 x 300 images/s"; raises ValueError for any other."""
  match = FORM.fullmatch(text)
  if not match or not int(match[1]) or not float(match[2]):
    raise ValueError(
      "--plan_as must be how many accelerators, and what each trains, such as '8 x 300 images/s'; "
      f"got {text!r}."
    )
  return Accelerators(int(match[1]), float(match[2]))


def images_of(data: str, holdout: int, plan_images: int | None = None) -> dict[str, int]:
  """{"train", "holdout", "test": how many} of data that is not loaded.

  Raises:
    ValueError: if nobody says how many there are, or the hold-out takes them all.
  """
  known, test = KNOWN_IMAGES.get(data, (None, 0))
  train = plan_images or known
  if train is None:
    raise ValueError(
      f"--plan_as loads no data, and how many training images --data={data} has is not known: give "
      "--plan_images."
    )
  if holdout >= train:
    raise ValueError(f"--holdout={holdout} leaves none of the {train} training images.")
  return {"train": train - holdout, "holdout": holdout, "test": test}


def plan_of(
  given: RunOptions, space: SearchSpace, images: Mapping[str, int], accelerators: Accelerators
) -> tuple[tuple[Stage, ...], Counts, Simulation]:
  """(the `Stage`s, `Counts`, `Simulation`) of a run on paper.

  Args:
    given: `RunOptions`.
    space: the `SearchSpace`.
    images: of `images_of`.
    accelerators: `Accelerators`.
  """
  simulation = paper.simulation_on_paper(given.search, space)
  counts = counts_of(given, space, images, simulation)
  costs = paper.costs_on_paper(space, given, images, simulation, paper.Speed())
  return (
    estimate(_on(accelerators, costs, space, given, images, simulation), counts),
    counts,
    simulation,
  )


def _on(
  accelerators: Accelerators,
  costs: Costs,
  space: SearchSpace,
  given: RunOptions,
  images: Mapping[str, int],
  simulation: Simulation,
) -> Costs:
  """`costs` with what accelerators do instead."""
  one = 1 / accelerators.images_per_second
  step = given.train.batch_size * one / accelerators.count
  full, found = space.largest().macs(), simulation.found[-1].macs()
  share = found / full
  larger = (given.finetune.finetune_batch_size or given.train.batch_size) / given.train.batch_size
  scored = paper.images_per_sample(given.search, images["holdout"], accelerators.count)
  networks = {
    name: dataclasses.replace(
      getattr(costs, name), step=part * larger * step, image=part * one / FORWARD
    )
    for name, part in (("found", share), ("full", 1.0))
  }
  return dataclasses.replace(
    costs,
    super_full_step=step,
    super_step=step,
    sample=scored * one / FORWARD * (1 + share) / 2,
    descend=simulation.descent_images * one,  # on one of them
    **networks,
  )
