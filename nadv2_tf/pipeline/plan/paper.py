"""Unit costs without any probing: on paper, scaled to this machine or to accelerators.

The coefficients were fitted by eye to what `--plan` measured of the demo and of a small run of a
MobileNetV1 encoder on two cores of a Xeon, which other jobs were using: within a factor of two.
"""

import dataclasses
import itertools
import time

import numpy as np

from nadv2_tf.pipeline import metering, optimizers
from nadv2_tf.pipeline.plan.costs import Costs, NetworkCosts
from nadv2_tf.pipeline.plan.simulation import Simulation, macs_meter
from nadv2_tf.pipeline.search_stage import CALIBRATION_IMAGES, race_of
from nadv2_tf.search import Problem
from nadv2_tf.search.uniform import scaled_to

#: seconds of a multiply-accumulate, and of a layer of one training step
MAC, LAYER = 2.5e-11, 0.9e-3
#: a step in passes: forward, and backward twice that
PASSES = 3
#: a step with each sub-network's own weights, in steps with masks
SLICED = 1.8
#: seconds of tracing a layer
SUPER_TRACE, SCORE_TRACE, PLAIN_TRACE = 0.09, 0.06, 0.09
#: of one layer of a scored sample; of an image of a file; of a layer that is exported
SAMPLE_LAYER, FILE_IMAGE, FILE_MAC, EXPORT_LAYER = 0.4e-3, 0.2e-3, 2.8e-11, 0.03
#: of timing files on this machine
TIMING = {
  "range": 3.0, "piece": 0.08, "table_network": 0.6, "choose": 0.6, "confirm": 1.2,
  "match": 2.5, "time": 0.6,
}  # fmt: skip
START, REPORT, PROPOSE = 4.0, 1.0, 2e-3
#: where a target of latency is no share: what is assumed of the largest network's
TARGET_SHARE = 0.5
#: seconds that the micro-probe takes on the machine of the coefficients: matrices, Python
REFERENCE = (0.058, 0.0205)


@dataclasses.dataclass(frozen=True)
class Speed:
  """How much slower a machine is than that of the coefficients."""

  computing: float = 1.0
  python: float = 1.0


def this_machine():
  """The `Speed` of this machine, by a micro-probe of a few tenths of a second."""
  matrix = np.random.default_rng(0).random((768, 768), np.float32)

  def matrices():
    for _ in range(2):
      matrix @ matrix

  def python():
    return sum(index * index for index in range(400_000))

  seconds = [min(_seconds(work) for _ in range(4)) for work in (matrices, python)]
  return Speed(*(now / before for now, before in zip(seconds, REFERENCE, strict=True)))


def _seconds(work):
  start = time.monotonic()
  work()
  return time.monotonic() - start


def simulation_on_paper(options, space):
  """The `Simulation` of a search by its schedule, with MACs for whatever is searched for.

  Raises:
    UnreachableTarget: if the schedule ends above the target.
  """
  meter = metering.ready_meter(options, space) if options.metric in _counts() else macs_meter()
  largest = meter.measure(space.largest())
  targets = sorted(_share(options, text, largest) for text in options.target.split(","))
  problem = Problem(space, space.largest(), meter, targets[0] * largest)
  found = tuple(scaled_to(space, meter.measure, share * largest) for share in reversed(targets))
  iterations = {"random": 1, "uniform": len(targets)}.get(options.search_optimizer)
  samples = iterations
  if options.search_optimizer == "evolution":
    iterations = optimizers.optimizer_of(options, problem).generations
    samples = 50 * iterations
  elif iterations is None:
    schedule = dataclasses.replace(options, search_optimizer="mcd")
    iterations = optimizers.optimizer_of(schedule, problem).iterations(problem)
    each = len(space.decisions) if options.search_optimizer == "scd" else None
    samples = iterations * (each or options.samples_per_iteration)
  elif options.search_optimizer == "random":
    samples = len(targets) * (options.samples or optimizers.samples_of_mcd(options, problem))
  return Simulation(iterations, samples, PROPOSE, (), found)


def _counts():
  from nadv2_tf.resources import COUNTS

  return COUNTS


def _share(options, text, largest):
  """A target as a share of the largest network's resource."""
  text = text.strip()
  if text.endswith("%") or options.metric in _counts():
    return min(metering.parse_target(text, largest) / largest, 1.0)
  return TARGET_SHARE


def costs_on_paper(space, given, images, simulation, speed):
  """The `Costs` of a run on a machine like this one.

  Args:
    space: the `SearchSpace`.
    given: `Given` options.
    images: {"train", "holdout", "test": how many}.
    simulation: a `Simulation`.
    speed: a `Speed`.
  """
  full, found = space.largest(), simulation.found[-1]
  batch, layers = given.train.batch_size, _layers(full)
  step = speed.computing * (PASSES * MAC * batch * full.macs() + LAYER * layers)
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
    report=REPORT * speed.python,
    **TIMING,
  )


def images_per_sample(options, holdout):
  """How many images a sample of a search is run on, on average."""
  race = race_of(options, holdout)
  if race is None:
    return holdout + CALIBRATION_IMAGES
  return race.images_per_sample(options.samples_per_iteration, holdout, CALIBRATION_IMAGES)


def _network(spec, batch, speed):
  layers = _layers(spec)
  return NetworkCosts(
    prepare=PLAIN_TRACE * layers * speed.python,
    step=speed.computing * (PASSES * MAC * batch * spec.macs() + LAYER * layers),
    image=speed.computing * (MAC * spec.macs() + LAYER * layers / 500),
    export=EXPORT_LAYER * layers * speed.python,
    export_quantized=2 * EXPORT_LAYER * layers * speed.python,
    file_image=speed.computing * (FILE_IMAGE + FILE_MAC * spec.macs()),
  )


def _layers(spec):
  return sum(1 for _ in itertools.chain.from_iterable(spec.layers()))
