"""Runs an optimizer: scores, remembers, journals, resumes and reports, once for all of them."""

import dataclasses
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nadv2_tf.search.entries import Entry, IterationEntry, RacedOn, SearchEntry
from nadv2_tf.search.journal import Journal
from nadv2_tf.search.known_values import KnownValues
from nadv2_tf.search.needs import check_evaluator, check_metric
from nadv2_tf.search.problem import (
  Asked,
  Candidate,
  DigestingEvaluator,
  Evaluator,
  Optimizer,
  Problem,
  Round,
  TrainingEvaluator,
  check_target,
)
from nadv2_tf.search.race import Race, RacingEvaluator, may_race
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.spec import NetworkSpec, SearchSpace
from nadv2_tf.types import AnyPath


@dataclasses.dataclass(frozen=True)
class Iteration:
  """One round of a search: its best candidate and how many different samples were scored.

  `notes` are those of `Asked`, None without.
  """

  number: int
  best: Candidate
  samples: int
  samples_scored: int
  notes: Mapping[str, float] | None = None


@dataclasses.dataclass(frozen=True)
class Found:
  """The network that was found for one target.

  `accuracy` is its score on the hold-out, None if the start met the target already; `checked` that
  on images that had no part in choosing the finalists, None without a `Race`.
  """

  target: float
  spec: NetworkSpec
  resource: float
  accuracy: float | None
  checked: float | None = None


@dataclasses.dataclass(frozen=True)
class SearchResult:
  """What a search found.

  `spec`, `resource` and `accuracy` belong to the smallest target; `found` has a `Found` for each
  target, the largest first. `samples_scored` counts scores, journalled ones included.
  """

  spec: NetworkSpec
  resource: float
  accuracy: float | None
  samples_scored: int
  iterations: tuple[Iteration, ...]
  found: tuple[Found, ...]

  @property
  def trajectory(self) -> tuple[NetworkSpec, ...]:
    """The best network of every iteration."""
    return tuple(iteration.best.spec for iteration in self.iterations)


def minimize(
  problem: Problem,
  optimizer: str | Optimizer = "mcd",
  evaluator: Evaluator | None = None,
  journal: AnyPath | None = None,
  seed: int = 0,
  on_iteration: Callable[[Iteration], None] | None = None,
  known: Iterable[Entry] = (),
  race: Race | None = None,
) -> SearchResult:
  """Searches `problem.space` for the most accurate network within each target and all limits.

  Args:
    problem: a `Problem`.
    optimizer: a registered name (with its default settings) or an `Optimizer`.
    evaluator: an `Evaluator`; a `TrainingEvaluator` is told what each iteration chose. The journal
      holds the digest of a `DigestingEvaluator`, and none with another goes on. A
      `SpreadingEvaluator` is asked for several networks at once.
    journal: path of the journal; if the file exists, the search resumes where it stopped, scores
      nothing twice and measures nothing twice. None keeps no journal.
    seed: of all that is random in the search.
    on_iteration: called with an `Iteration` after each round.
    known: entries of journals of other searches with the same space, evaluator, meter and limits;
      what they scored and measured is not asked for again.
    race: a `Race`, for which the evaluator must be a `RacingEvaluator`; None scores every sample on
      all images, and so does an optimizer that needs the scores of all samples (see `may_race`).

  Returns:
    A `SearchResult`. The same seed gives the same journal, byte for byte.

  Raises:
    UnreachableTarget: if no network can meet the target.
    JournalError: if the journal is damaged or of another search.
    UnmetNeed: if the meter or the evaluator has not what the optimizer needs.
    ValueError: for a race without a `RacingEvaluator`.
  """
  optimizer = OPTIMIZERS[optimizer]() if isinstance(optimizer, str) else optimizer
  race = race if may_race(optimizer) else None
  if race and not (
    isinstance(evaluator, RacingEvaluator) and len(evaluator.part_sizes) == len(race.shares)
  ):
    raise ValueError(
      f"A race needs an evaluator that can score on a part of its images, and has "
      f"{len(race.shares)} parts."
    )
  check_metric(optimizer, problem)
  check_evaluator(optimizer, evaluator)
  iterations: list[Iteration] = []
  with Journal(journal) as record:
    values = KnownValues(problem, evaluator, record, known, race)
    record.write(_header(problem, optimizer, seed, evaluator, race))
    problem = values.problem
    check_target(problem)
    open_targets = tuple(
      target for target in problem.targets if not problem.is_met_by(problem.start, target)
    )
    chosen = problem.start
    if open_targets:
      asked = dataclasses.replace(problem, larger_targets=open_targets[:-1])
      search, scored = optimizer.search(asked, random.Random(seed)), None
    while open_targets:
      try:
        specs = next(search) if scored is None else search.send(scored)
      except StopIteration as stop:
        chosen = stop.value
        break
      number = len(iterations) + 1
      candidates = values.score(specs, number)
      best = optimizer.choose(candidates, iterations[-1].best if iterations else None)
      scored = Round(candidates, best)
      notes = specs.notes if isinstance(specs, Asked) else None
      iterations.append(Iteration(number, best, len(specs), values.samples_scored, notes))
      record.write(_iteration_entry(problem.space, iterations[-1]))
      if isinstance(evaluator, TrainingEvaluator):
        evaluator.go_on_from(best.spec)
      if on_iteration:
        on_iteration(iterations[-1])
    found = tuple(
      _found(values, target, chosen, iterations, optimizer.pick) for target in problem.targets
    )
    return SearchResult(
      spec=found[-1].spec,
      resource=found[-1].resource,
      accuracy=found[-1].accuracy,
      samples_scored=values.samples_scored,
      iterations=tuple(iterations),
      found=found,
    )


def _found(
  values: KnownValues,
  target: float,
  chosen: NetworkSpec,
  iterations: Sequence[Iteration],
  pick: Callable[[Sequence[Candidate]], Candidate],
) -> Found:
  """The `Found` of one target: for the smallest what the optimizer chose, for a larger one the
  start if it meets the target, else what it picks of the trajectory's networks that do."""
  problem, spec = values.problem, chosen
  name = f"{problem.space.network.name}_found"
  if target != problem.target:
    name += f"_at_{target:g}"
    spec = problem.start
    if not problem.is_met_by(spec, target):
      bests = [one.best for one in iterations if problem.is_met_by(one.best.spec, target)]
      spec = pick(bests).spec
  return Found(
    target=target,
    spec=dataclasses.replace(spec, name=name),
    resource=problem.meter.measure(spec),
    accuracy=values.accuracy_of(spec),
    checked=values.checked_accuracy_of(spec),
  )


def _header(
  problem: Problem,
  optimizer: Optimizer,
  seed: int,
  evaluator: Evaluator | None,
  race: Race | None,
) -> SearchEntry:
  settings: dict[str, Any] = {}
  if dataclasses.is_dataclass(optimizer) and not isinstance(optimizer, type):
    settings = dataclasses.asdict(optimizer)
  raced_on = None
  if race and isinstance(evaluator, RacingEvaluator):
    raced_on = RacedOn(**dataclasses.asdict(race), images=tuple(evaluator.part_sizes))
  return SearchEntry(
    space=problem.space.network.name,
    input_shape=problem.space.network.input_shape,
    start=problem.space.encode(problem.start),
    unit=problem.meter.unit,
    target=problem.target,
    optimizer=type(optimizer).__name__,
    settings=settings,
    seed=seed,
    scored_with=evaluator.digest() if isinstance(evaluator, DigestingEvaluator) else None,
    race=raced_on,
    larger_targets=problem.larger_targets,
    limits=tuple((meter.unit, limit) for meter, limit in problem.limits),
  )


def _iteration_entry(space: SearchSpace, iteration: Iteration) -> IterationEntry:
  return IterationEntry(
    iteration=iteration.number,
    widths=space.encode(iteration.best.spec),
    accuracy=iteration.best.accuracy,
    resource=iteration.best.resource,
    samples=iteration.samples,
    samples_scored=iteration.samples_scored,
    notes=iteration.notes,
  )
