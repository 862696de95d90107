"""Unit costs without any probing: on paper, scaled to this machine or to accelerators.

The coefficients were fitted by eye: of traces, files and timing to what `--plan` measured of the
demo and of a small run of a MobileNetV1 encoder on two cores of a Xeon, which others were using; of
steps to those of four networks on one core of an EPYC (benchmarks/results/plan.txt).
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from nadv2_tf.pipeline.aim import amounts
from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.pipeline.plan.costs import Costs, NetworkCosts
from nadv2_tf.pipeline.plan.simulation import Simulation, macs_meter
from nadv2_tf.pipeline.stages import optimizers
from nadv2_tf.pipeline.stages.racing import race_of
from nadv2_tf.pipeline.stages.search import CALIBRATION_IMAGES
from nadv2_tf.search import Differentiable, Problem
from nadv2_tf.search.uniform import scaled_to

if TYPE_CHECKING:
  from collections.abc import Callable, Mapping
  from typing import Any

  from nadv2_tf.options import RunOptions, SearchOptions
  from nadv2_tf.search import ResourceMeter
  from nadv2_tf.spec import NetworkSpec, SearchSpace

#: seconds of a multiply-accumulate, and of a layer of one training step
MAC, LAYER = 1.0e-10, 0.9e-3
#: a step in passes: forward, and backward twice that
PASSES = 3
#: a step with each sub-network's own weights, in steps with masks
SLICED = 1.8
#: seconds of tracing a layer
SUPER_TRACE, SCORE_TRACE, PLAIN_TRACE = 0.09, 0.06, 0.09
#: of one layer of a scored sample; of an image of a file; of a layer that is exported
SAMPLE_LAYER, FILE_IMAGE, FILE_MAC, EXPORT_LAYER = 0.4e-3, 0.2e-3, 2.8e-11, 0.03
#: of timing files on this machine
TIMING: dict[str, Any] = {
  "range": 3.0, "piece": 0.08, "table_network": 0.6, "choose": 0.6, "confirm": 1.2,
  "match": 2.5, "time": 0.6,
}  # fmt: skip
START, REPORT, PROPOSE = 4.0, 1.0, 2e-3
#: where a target of latency is no share: what is assumed of the largest network's
TARGET_SHARE = 0.5
#: seconds that the micro-probe takes on the machines of the coefficients: layers, Python
REFERENCE = (0.0103, 0.0205)
#: the micro-probe's images, and how often each of its works is done: the first time warms up
IMAGES, ATTEMPTS = (32, 24, 24, 64), 8


@dataclasses.dataclass(frozen=True)
class Speed:
  """How much slower a machine is than that of the coefficients."""

  computing: float = 1.0
  python: float = 1.0


def this_machine() -> Speed:
  """The `Speed` of this machine, by a micro-probe of a few tenths of a second.

  It computes what networks do. How fast matrices are multiplied, which stay in the cache, says
  little of that: where a product took 0.4 of its seconds on another machine, a step took three
  times as long.
  """
  channels = IMAGES[-1]
  rng = np.random.default_rng(0)
  shapes = (IMAGES, (3, 3, channels, 1), (1, 1, channels, channels))
  images, depthwise, pointwise = (
    ops.convert_to_tensor(rng.random(shape, np.float32)) for shape in shapes
  )

  def layers():
    x = ops.depthwise_conv(images, depthwise, padding="same")
    mean, variance = ops.moments(x, (0, 1, 2))
    x = ops.relu((x - mean) / ops.sqrt(variance + keras.config.epsilon()))
    x = ops.conv(x, pointwise, padding="same")
    return ops.convert_to_numpy(ops.sum(x))  # so that it is waited for

  def python():
    return sum(index * index for index in range(400_000))

  seconds = [min(_seconds(work) for _ in range(ATTEMPTS)) for work in (layers, python)]
  return Speed(*(now / before for now, before in zip(seconds, REFERENCE, strict=True)))


def _seconds(work: Callable[[], Any]) -> float:
  start = time.monotonic()
  work()
  return time.monotonic() - start


def simulation_on_paper(options: SearchOptions, space: SearchSpace) -> Simulation:
  """The `Simulation` of a search by its schedule, with MACs for whatever is searched for.

  Raises:
    UnreachableTarget: if the schedule ends above the target.
  """
  count = metric_of(options).count
  meter: ResourceMeter = count or macs_meter()
  largest = meter.measure(space.largest())
  is_counted = count is not None
  shares = [_share(text, largest, is_counted) for text in options.target.split(",")]
  target, *larger = sorted(share * largest for share in shares)
  problem = Problem(space, space.largest(), meter, target, tuple(larger))
  found = tuple(scaled_to(space, meter.measure, target) for target in problem.targets)
  optimizer = optimizers.optimizer_of(options, problem)
  iterations, samples = optimizer.amount(problem)
  steps, images = 0, 0
  if isinstance(optimizer, Differentiable):
    steps, images = optimizer.most_steps(problem), optimizer.descent_images
  return Simulation(
    iterations, samples, PROPOSE, (), found, descent_steps=steps, descent_images=images
  )


def _share(text: str, largest: float, is_counted: bool) -> float:
  """A target as a share of the largest network's resource."""
  text = text.strip()
  if text.endswith("%") or is_counted:
    return min(amounts.parse_target(text, largest) / largest, 1.0)
  return TARGET_SHARE


def costs_on_paper(
  space: SearchSpace,
  given: RunOptions,
  images: Mapping[str, int],
  simulation: Simulation,
  speed: Speed,
) -> Costs:
  """The `Costs` of a run on a machine like this one.

  Args:
    space: the `SearchSpace`.
    given: `RunOptions`.
    images: {"train", "holdout", "test": how many}.
    simulation: a `Simulation`.
    speed: a `Speed`.
  """
  full, found = space.largest(), simulation.found[-1]
  batch, layers = given.train.batch_size, _layers(full)
  of_image = PASSES * MAC * full.macs()
  step = speed.computing * (of_image * batch + LAYER * layers)
  descend = speed.computing * (of_image * simulation.descent_images + LAYER * layers)
  step *= SLICED if given.train.execution == "sliced" else 1.0
  scored = images_per_sample(given.search, images["holdout"])
  mean_macs = (full.macs() + found.macs()) / 2
  return Costs(
    start=START * speed.python,
    super_build=SUPER_TRACE * layers * speed.python,
    super_full_step=step,
    super_step=step,
    found=_network(found, given.finetune.finetune_batch_size or batch, speed),
    full=_network(full, given.finetune.finetune_batch_size or batch, speed),
    score_build=SCORE_TRACE * layers * speed.python,
    sample=speed.computing * (MAC * scored * mean_macs + SAMPLE_LAYER * layers),
    propose=PROPOSE * speed.python,
    descend=descend,
    report=REPORT * speed.python,
    **TIMING,
  )


def images_per_sample(options: SearchOptions, holdout: int, at_once: int = 1) -> float:
  """How many images a sample of a search is run on, on average; `at_once` share the time."""
  count, race = optimizers.samples_per_iteration(options), race_of(options, holdout)
  if race is None:
    return (holdout + CALIBRATION_IMAGES) * -(-count // at_once) / count
  return race.images_per_sample(count, holdout, CALIBRATION_IMAGES, at_once)


def _network(spec: NetworkSpec, batch: int, speed: Speed) -> NetworkCosts:
  layers = _layers(spec)
  return NetworkCosts(
    prepare=PLAIN_TRACE * layers * speed.python,
    step=speed.computing * (PASSES * MAC * batch * spec.macs() + LAYER * layers),
    image=speed.computing * (MAC * spec.macs() + LAYER * layers / 500),
    export=EXPORT_LAYER * layers * speed.python,
    export_quantized=2 * EXPORT_LAYER * layers * speed.python,
    file_image=speed.computing * (FILE_IMAGE + FILE_MAC * spec.macs()),
  )


def _layers(spec: NetworkSpec) -> int:
  return sum(1 for _ in itertools.chain.from_iterable(spec.layers()))
