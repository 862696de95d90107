"""The stage that searches."""

import time

from nadv2_tf.pipeline import metering
from nadv2_tf.search import (
  MultiLayerCoordinateDescent,
  Problem,
  check_target,
  minimize,
)
from nadv2_tf.training.scoring import SharedWeightsEvaluator


def make_problem(options, space, folder, progress):
  """The search problem of a run; says what the space costs and refuses a target out of reach.

  Raises:
    UnreachableTarget: naming the smallest reachable resource.
    ValueError: for a target that is no number.
  """
  metering.parse_target(options.target, 1.0)  # a typing mistake, before minutes of measuring
  start = time.monotonic()
  measured_before = folder.latency_table.exists()
  meter = metering.make_meter(options, space, folder, progress)
  if options.metric == "latency_ms" and not measured_before:
    folder.update_metrics(seconds={"table": time.monotonic() - start})
  target = metering.parse_target(options.target, metering.largest_resource(meter, space))
  progress.line(f"{metering.describe_range(meter, space)}, target {target:.4g} {meter.unit}")
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
  evaluator = SharedWeightsEvaluator(super_model, bench.space, bench.task, bench.datasets.holdout)

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
  return result
