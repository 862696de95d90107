"""What a search knows already: scores and measured values, filled from the journal first."""

import dataclasses
import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from nadv2_tf.search.asked_once import AskedOnce, Widths
from nadv2_tf.search.entries import Entry, MeasurementEntry, SampleEntry
from nadv2_tf.search.journal import Journal
from nadv2_tf.search.problem import (
  Candidate,
  Evaluator,
  Problem,
  ResourceMeter,
  SlopingEvaluator,
  SpreadingEvaluator,
)
from nadv2_tf.search.race import Race, RacingEvaluator, pooled
from nadv2_tf.search.slopes import JournalledSlopes
from nadv2_tf.spec import NetworkSpec

#: stands for the one part that all images are in, where there is no race
WHOLE = 0
Item = TypeVar("Item")


class KnownValues:
  """Scores and measured values by encoded spec.

  A value that was journalled counts as known, but is written to the journal again at its turn,
  where the journal checks that the replay is true. With a `Race`, a network has a score for each
  part of the images that it was scored on.

  Args:
    problem: the `Problem`; `self.problem` is the same, with meters that are asked once, and with
      the slopes of a `SlopingEvaluator`.
    evaluator: scores what is not known; None if nothing will be asked for.
    journal: an open `Journal`.
    known: entries of other journals.
    race: a `Race`, for which the evaluator must be a `RacingEvaluator`.
  """

  def __init__(
    self,
    problem: Problem,
    evaluator: Evaluator | None,
    journal: Journal,
    known: Iterable[Entry] = (),
    race: Race | None = None,
  ) -> None:
    self._space = problem.space
    self._evaluator = evaluator
    self._journal = journal
    self._race = race
    self._sizes = evaluator.part_sizes if race and isinstance(evaluator, RacingEvaluator) else (1,)
    #: number of the meter -> {widths: value}; 0 is the problem's meter, 1, 2, ... its limits'
    self._known_values: dict[int, dict[Widths, float]] = {}
    self._known_scores: dict[tuple[Widths, int], float] = {}
    for entry in [*known, *journal.entries]:
      self._learn(entry)
    #: widths -> {part: score}
    self._scored: dict[Widths, dict[int, float]] = {}
    slopes = None
    if isinstance(evaluator, SlopingEvaluator):
      slopes = JournalledSlopes(evaluator, journal)
    self.problem = dataclasses.replace(
      problem,
      slopes=slopes,
      meter=self._asked_once(problem.meter, 0),
      limits=tuple(
        (self._asked_once(meter, number), limit)
        for number, (meter, limit) in enumerate(problem.limits, start=1)
      ),
    )

  def _learn(self, entry: Entry) -> None:
    if isinstance(entry, SampleEntry):
      if (entry.part is not None) != (self._race is not None):
        return  # scored on other images than here
      part = WHOLE if entry.part is None else entry.part
      self._known_scores[entry.widths, part] = float(entry.accuracy)
    elif isinstance(entry, MeasurementEntry):
      values = self._known_values.setdefault(entry.limit or 0, {})
      values[entry.widths] = float(entry.value)

  @property
  def samples_scored(self) -> int:
    return len(self._scored)

  def accuracy_of(self, spec: NetworkSpec) -> float | None:
    """The score of `spec` on all that it was scored on; None if this search had no need of it."""
    scores = self._scored.get(self._space.encode(spec))
    return None if scores is None else pooled(scores, self._sizes)

  def checked_accuracy_of(self, spec: NetworkSpec) -> float | None:
    """The score of `spec` on images that chose no finalist, None without a race."""
    if self._race is None:
      return None
    return self._scored.get(self._space.encode(spec), {}).get(len(self._race.shares) - 1)

  def _asked_once(self, meter: ResourceMeter, number: int) -> ResourceMeter:
    if meter.is_exact:
      return meter
    return AskedOnce(meter.unit, self._space, functools.partial(self._value, meter, number))

  def _value(self, meter: ResourceMeter, number: int, key: Widths, spec: NetworkSpec) -> float:
    """What `meter` gives for `spec`, or a journal says that it gave; it is journalled."""
    value = self._known_values.get(number, {}).get(key)
    value = meter.measure(spec) if value is None else value
    self._journal.write(MeasurementEntry(key, value, meter.unit, number or None))
    return value

  def score(self, specs: Iterable[NetworkSpec], iteration: int) -> tuple[Candidate, ...]:
    """`specs` as `Candidate`s, each scored if it is not known yet; with a race its finalists."""
    specs = tuple(specs)
    if self._race:
      specs = tuple(self._race.run(specs, lambda left, part: self._scores(left, iteration, part)))
    else:
      self._scores(specs, iteration, WHOLE)
    return tuple(
      Candidate(
        spec,
        pooled(self._scored[self._space.encode(spec)], self._sizes),
        self.problem.meter.measure(spec),
      )
      for spec in specs
    )

  def _scores(self, specs: Sequence[NetworkSpec], iteration: int, part: int) -> list[float]:
    """Scores `specs` on one part of the images; their scores over all parts up to this one."""
    new = {
      key: spec
      for spec in specs
      if part not in self._scored.get(key := self._space.encode(spec), {})
    }
    at_once = self._evaluator.at_once if isinstance(self._evaluator, SpreadingEvaluator) else 1
    for chunk in _chunks(list(new.items()), at_once):
      self._ask(dict(chunk), part)
      for key, spec in chunk:
        self._note(key, spec, iteration, part)
    found = (self._scored[self._space.encode(spec)] for spec in specs)
    return [pooled({one: scores[one] for one in range(part + 1)}, self._sizes) for scores in found]

  def _ask(self, specs: Mapping[Widths, NetworkSpec], part: int) -> None:
    """Asks the evaluator for what is not known of them, in one call."""
    asked = [key for key in specs if (key, part) not in self._known_scores]
    if not asked:
      return
    if self._evaluator is None:
      raise ValueError("A search that scores needs an evaluator.")
    on = (part,) if self._race else ()
    scores = self._evaluator.accuracy([specs[key] for key in asked], *on)
    for key, score in zip(asked, scores, strict=True):
      if not (math.isfinite(score) and 0 <= score <= 1):
        raise ValueError(f"An evaluator must return values in [0, 1], got {score}.")
      self._known_scores[key, part] = float(score)

  def _note(self, key: Widths, spec: NetworkSpec, iteration: int, part: int) -> None:
    score = self._known_scores[key, part]
    resource = self.problem.meter.measure(spec)  # which may be journalled, before the sample
    self._scored[key] = self._scored.get(key, {}) | {part: score}
    self._journal.write(SampleEntry(iteration, key, score, resource, part if self._race else None))


def _chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
  for start in range(0, len(items), size):
    yield items[start : start + size]
