"""The stage that searches."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING, Any

from nadv2_tf.pipeline.aim import amounts
from nadv2_tf.pipeline.aim.forms import meter_of
from nadv2_tf.pipeline.aim.limits import parse_limits
from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.pipeline.aim.ranges import check_smallest, costs_by, describe_range, range_doubts
from nadv2_tf.pipeline.aim.rounds import search_in_rounds
from nadv2_tf.pipeline.aim.several import check_several, device_limits
from nadv2_tf.pipeline.run_folder.records import SearchedMetric, TargetMetrics
from nadv2_tf.pipeline.stages import in_turn, optimizers
from nadv2_tf.pipeline.stages.beside import Beside
from nadv2_tf.pipeline.stages.racing import describe, race_of
from nadv2_tf.pipeline.stages.searched import work_of
from nadv2_tf.search import Problem, check_target, journal, minimize
from nadv2_tf.training import strategies

if TYPE_CHECKING:
  from collections.abc import Callable, Iterable, Sequence

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.aim.metric import Metric
  from nadv2_tf.pipeline.aim.rounds import Attempt
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.search import (
    Iteration,
    Optimizer,
    RacingEvaluator,
    ResourceMeter,
    SearchResult,
  )
  from nadv2_tf.spec import NetworkSpec, SearchSpace

#: training images whose batch-norm statistics normalise a sample; see docs/decisions/0003
CALIBRATION_IMAGES = 256


def make_problem(
  options: SearchOptions, space: SearchSpace, folder: RunFolder, progress: Progress
) -> Problem:
  """The search problem of a run; says what the space costs and refuses a target out of reach.

  Raises:
    UnreachableTarget: naming the smallest reachable resource.
    TimingError: if the device cannot time.
    ValueError: for a target or limit that is no number, or a meter or optimizer that is none.
  """
  check(options)
  metric = metric_of(options)
  limits = parse_limits(options.limit, space, folder)
  start = time.monotonic()
  targets = _check_range(metric, options.target, space, folder, limits, progress)
  if metric.prepare(space, folder, progress):
    folder.update_metrics(seconds={"table": time.monotonic() - start})
  if metric.is_timed:
    limits += device_limits(options, space, folder, progress)
  meter = meter_of(metric, options, space, folder)
  *larger, target = (target for target, _ in targets)
  problem = Problem(space, space.largest(), meter, target, tuple(larger), limits)
  check_target(problem)
  optimizers.optimizer_of(options, problem)
  _name_folders(folder, targets)
  return problem


def check(options: SearchOptions) -> None:
  """Raises what is wrong whatever the space is: a typing mistake, before minutes of measuring."""
  amounts.parse_targets(options.target, 1.0)
  check_several(options)
  optimizers.check(options)
  metric_of(options).check()


def _check_range(
  metric: Metric,
  target: str,
  space: SearchSpace,
  folder: RunFolder,
  limits: Iterable[tuple[ResourceMeter, float]],
  progress: Progress,
) -> list[tuple[float, str]]:
  """Tells what the space costs beside targets and limits; the targets, or `UnreachableTarget`."""
  costs, unit = metric.costs(space, folder), metric.unit
  targets = amounts.parse_targets(target, costs["largest"])
  told = ", ".join(f"{value:.4g}" for value, _ in targets)
  title = "target" if len(targets) == 1 else "targets"
  progress.line(f"{describe_range(costs, unit)}, {title} {told} {unit}")
  for value, text in targets:
    if value > costs["largest"]:
      progress.line(
        f"the largest network is within --target={text} as it is: nothing is to be saved"
      )
  doubts = range_doubts(folder)
  for name, doubt in doubts.items():
    progress.line(f"  the timing of the {name} network is unsteady: {doubt}")
  check_smallest(space, "target", costs, targets[-1][0], unit, doubts.get("smallest", ""))
  for limit_meter, limit in limits:
    costs, unit = costs_by(limit_meter, space), limit_meter.unit
    progress.line(f"{describe_range(costs, unit)}, limit {limit:.4g} {unit}")
    check_smallest(space, "limit", costs, limit, unit)
  return targets


def _name_folders(folder: RunFolder, targets: Sequence[tuple[float, str]]) -> None:
  """Notes the sub-folder of each target; a single one has none."""
  entries = [
    TargetMetrics(f"target_{text.replace(' ', '').replace('%', 'pct')}", target)
    for target, text in targets
  ]
  if len(entries) > 1 or folder.metrics().targets:
    folder.update_metrics(targets=entries if len(entries) > 1 else [])


def check_workers(strategy: Any, options: SearchOptions) -> None:
  """Raises ValueError if several workers would search with what each of them measured."""
  if strategies.is_multi_worker(strategy) and metric_of(options).is_timed:
    raise ValueError(
      "--metric=latency_ms on a device cannot be searched by several workers, whose measured "
      "values would differ. Measure a table first (nadv2-latency-table) and give "
      "--device=table:FILE, or search on one."
    )
  if strategies.is_multi_worker(strategy) and optimizers.goes_downhill(options):
    raise ValueError(
      f"--search_optimizer={options.search_optimizer} goes downhill on one device, and several "
      "workers, whose last digits may differ, could end in different places. Take "
      "--slopes=surrogate, or search on one."
    )


@dataclasses.dataclass(frozen=True)
class Landing:
  """The network that is kept for one target, and the `RunFolder` of its files."""

  folder: RunFolder
  spec: NetworkSpec


class EarlyEvaluator:
  """The evaluator of a run, made while the super-network that it scores with is still trained.

  Tracing the scoring takes as long as dozens of samples.
  """

  def __init__(self, bench: Workbench, options: SearchOptions) -> None:
    self._bench = bench
    self._options = options
    self._beside: Beside | None = None
    self._made: RacingEvaluator | None = None

  def __call__(self, super_model: SuperNetwork) -> contextlib.AbstractContextManager[Any]:
    """What `train_super_network` takes as `beside`."""
    if not strategies.on_tensorflow() or self._bench.strategy.num_replicas_in_sync > 1:
      return contextlib.nullcontext()
    self._beside = Beside(lambda: make_evaluator(self._bench, super_model, self._options).prepare())
    return self._beside

  def get(self, super_model: SuperNetwork) -> RacingEvaluator:
    """The evaluator, made now if no training went before; the same whenever it is asked for."""
    if self._made is None and self._beside:
      self._made = self._beside.result()
    elif self._made is None:
      self._made = make_evaluator(self._bench, super_model, self._options)
    return self._made


def search(
  bench: Workbench,
  super_model: SuperNetwork,
  problem: Problem,
  options: SearchOptions,
  progress: Progress,
  evaluator: RacingEvaluator | None = None,
  optimizer: Optimizer | None = None,
) -> tuple[Landing, ...]:
  """Searches with the shared weights; writes found.json, the journals and the metrics.

  Args:
    evaluator: if it was made already; see `EarlyEvaluator`.
    optimizer: what searches, if it is not that of `options`.

  Returns:
    A `Landing` for each target, the largest first.
  """
  folder, start = bench.folder, time.monotonic()
  evaluator = evaluator or make_evaluator(bench, super_model, options)
  race = race_of(options, len(bench.datasets.holdout))
  optimizer = optimizer or in_turn.optimizer_of(options, problem, folder, super_model)
  if race:
    progress.line(f"  a race: {describe(race, optimizer.amount(problem), evaluator.part_sizes)}")
  metric = metric_of(options)
  confirmation = metric.confirmation(folder, problem, progress)

  def find(number: int, asked: Problem) -> SearchResult:
    known = journal.read_all(map(folder.journal_of, range(1, number)))
    title = "search" if number == 1 else f"round {number}, search"
    tell = teller(title, asked, bench.task.quality_name, progress)
    path = folder.journal_of(number)
    return minimize(asked, optimizer, evaluator, path, bench.seed, tell, known, race)

  measure: Any = confirmation and confirmation.measure
  goals = confirmation.first_goals() if confirmation else None
  kept = search_in_rounds(problem, find, measure, options.tighten, progress, goals)
  seconds = time.monotonic() - start - (confirmation.seconds if confirmation else 0)
  work, before = work_of(folder), folder.metrics()
  if work.items() <= before.to_json().items():
    seconds = before.seconds["search"]  # all of it was replayed
  folder.update_metrics(seconds={"search": seconds}, **work)
  if confirmation:
    confirmation.finish(kept)
  return tuple(
    _land(there, problem, target, attempt, metric)
    for there, (target, attempt) in zip(folder.found_folders(), kept.items(), strict=True)
  )


def make_evaluator(bench: Workbench, super_model: SuperNetwork, options: SearchOptions) -> Any:
  """The `Evaluator` of a run, for `SearchOptions`."""
  race = race_of(options, len(bench.datasets.holdout))
  return _evaluator_type()(
    super_model,
    bench.task,
    bench.datasets.holdout,
    bench.datasets.train.take(slice(CALIBRATION_IMAGES)),
    strategy=bench.strategy,
    **({"shares": race.shares} if race else {}),
  )


def _evaluator_type() -> Any:
  if strategies.on_tensorflow():
    from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator

    return SharedWeightsEvaluator
  from nadv2_tf.training.scoring.masked import MaskedEvaluator

  return MaskedEvaluator


def teller(
  title: str, problem: Problem, quality: str, progress: Progress
) -> Callable[[Iteration], None]:
  """Prints a line after each iteration."""
  unit, targets = problem.meter.unit, ", ".join(f"{target:.4g}" for target in problem.targets)

  def tell(iteration: Iteration) -> None:
    best = iteration.best
    progress.line(
      f"  {title} {iteration.number}: {best.resource:.4g} {unit} (target {targets}), "
      f"{quality} {best.accuracy:.3f}, {iteration.samples_scored} samples"
    )

  return tell


def _land(
  folder: RunFolder, problem: Problem, target: float, attempt: Attempt, metric: Metric
) -> Landing:
  """Writes what was kept for one target."""
  found = attempt.found
  name = f"{problem.space.network.name}_found"
  if problem.larger_targets:
    name += f"_at_{target:g}"
  spec = dataclasses.replace(found.spec, name=name)
  folder.update_metrics(
    holdout_accuracy_of_found_in_search=found.accuracy,
    holdout_accuracy_of_found_when_checked=found.checked,
    found_in_round=attempt.number,
    metric=SearchedMetric(
      name=metric.name,
      unit=problem.meter.unit,
      target=attempt.asked_for(target),
      predicted=found.resource,
      measured=metric.measured(attempt),
      share=attempt.share,
    ),
  )
  folder.write_spec("found", spec)
  return Landing(folder, spec)
