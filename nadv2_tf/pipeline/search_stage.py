"""The stage that searches."""

import time

from nadv2_tf.pipeline import metering
from nadv2_tf.search import (
  MultiLayerCoordinateDescent,
  Problem,
  UnreachableTarget,
  check_target,
  minimize,
)
from nadv2_tf.training.scoring import SharedWeightsEvaluator

#: training images whose batch-norm statistics normalise a sample; see docs/decisions/0003
CALIBRATION_IMAGES = 256


def make_problem(options, space, folder, progress):
  """The search problem of a run; says what the space costs and refuses a target out of reach.

  Raises:
    UnreachableTarget: naming the smallest reachable resource.
    TimingError: if the device cannot time.
    ValueError: for a target that is no number.
  """
  metering.parse_target(options.target, 1.0)  # a typing mistake, before minutes of measuring
  metering.check_timing(options)
  start = time.monotonic()
  measured_before = folder.latency_table.exists()
  costs = metering.resource_range(options, space, folder)
  unit = metering.unit_of(options)
  target = metering.parse_target(options.target, costs["largest"])
  progress.line(f"{metering.describe_range(costs, unit)}, target {target:.4g} {unit}")
  if costs["smallest"] > target:
    raise UnreachableTarget(
      f"The target of {target:g} {unit} cannot be met: the smallest network of "
      f"{space.network.name!r} has {costs['smallest']:g} {unit}."
    )
  meter = metering.make_meter(options, space, folder, progress)
  if metering.is_timed(options) and not measured_before:
    folder.update_metrics(seconds={"table": time.monotonic() - start})
  problem = Problem(space, space.largest(), meter, target)
  check_target(problem)
  optimizer_of(options).check_schedule(problem)
  return problem


def optimizer_of(options):
  return MultiLayerCoordinateDescent(
    options.samples_per_iteration,
    options.layers_per_sample,
    options.initial_reduction,
    options.reduction_decay,
  )


def search(bench, super_model, problem, options, progress):
  """Searches with the shared weights; writes found.json, search.jsonl and the metrics."""
  folder, unit = bench.folder, problem.meter.unit
  start = time.monotonic()
  evaluator = SharedWeightsEvaluator(
    super_model,
    bench.task,
    bench.datasets.holdout,
    bench.datasets.train.take(slice(CALIBRATION_IMAGES)),
  )

  def report(iteration):
    best = iteration.best
    progress.line(
      f"  search {iteration.number}: {best.resource:.4g} {unit} (target {problem.target:.4g}), "
      f"accuracy {best.accuracy:.3f}, {iteration.samples_scored} samples"
    )

  result = minimize(problem, optimizer_of(options), evaluator, folder.journal, bench.seed, report)
  folder.write_spec("found", result.spec)
  folder.update_metrics(
    seconds={"search": time.monotonic() - start},
    samples_scored=result.samples_scored,
    iterations=len(result.iterations),
    holdout_accuracy_of_found_in_search=result.accuracy,
    metric={
      "name": options.metric,
      "unit": unit,
      "target": problem.target,
      "predicted": result.resource,
      "measured": None if options.metric == "latency_ms" else result.resource,
    },
  )
  if metering.is_timed(options):
    confirm(folder, problem, result, options, progress)
  return result


def confirm(folder, problem, result, options, progress):
  """Measures networks of the search's path on the device itself, beside what the table predicts.

  They are the best of every n-th iteration and the found network, with random weights.
  """
  from nadv2_tf.benchmarks.meter import DeviceMeter

  specs = {
    iteration.number: iteration.best.spec
    for iteration in result.iterations
    if iteration.number % options.confirm_every == 0
  }
  specs["found"] = result.spec
  start = time.monotonic()
  with metering.device_of(options) as device:
    meter = DeviceMeter(device, metering.timing_settings(options, seconds=0.1, repeats=5))
    measured = meter.measure_all(list(specs.values()))
  rows = []
  for (iteration, spec), value in zip(specs.items(), measured, strict=True):
    predicted = problem.meter.measure(spec)
    rows.append({"iteration": iteration, "predicted": predicted, "measured": value})
    where = iteration if iteration == "found" else f"best of iteration {iteration}"
    progress.line(
      f"  {where}: predicted {predicted:.4g} ms, measured {value:.4g} ms "
      f"({value / predicted - 1:+.1%})"
    )
  folder.update_metrics(confirmed=rows, seconds={"confirm": time.monotonic() - start})
