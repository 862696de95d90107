"""Runs an optimizer: scores, remembers, journals, resumes and reports, once for all of them."""

import dataclasses
import math
import random

from nadv2_tf.search.journal import Journal, JournalError
from nadv2_tf.search.problem import Candidate, check_target
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.spec import NetworkSpec


@dataclasses.dataclass(frozen=True)
class Iteration:
  """One round of a search: its best candidate and how many different samples were scored."""

  number: int
  best: Candidate
  samples: int
  samples_scored: int


@dataclasses.dataclass(frozen=True)
class SearchResult:
  """What a search found.

  `accuracy` is the score of the found network on the hold-out, None if the start met the target
  already. `samples_scored` counts scores, journalled ones included.
  """

  spec: NetworkSpec
  resource: float
  accuracy: float | None
  samples_scored: int
  iterations: tuple[Iteration, ...]

  @property
  def trajectory(self):
    """The best network of every iteration."""
    return tuple(iteration.best.spec for iteration in self.iterations)


class _Memory:
  """Scores and measured values by encoded spec, filled from the journal first.

  A value that was journalled counts as known, but is written to the journal again at its turn,
  where the journal checks that the replay is true.
  """

  def __init__(self, problem, evaluator, journal):
    self._problem = problem
    self._evaluator = evaluator
    self._journal = journal
    self._known = {"sample": {}, "measurement": {}}
    for entry in journal.entries:
      if entry["type"] in self._known:
        try:
          value = float(entry["accuracy" if entry["type"] == "sample" else "value"])
          self._known[entry["type"]][tuple(entry["widths"])] = value
        except (KeyError, TypeError, ValueError, OverflowError):
          raise JournalError(f"The journal has a damaged entry: {entry}.") from None
    self._scored = set()
    self._measured = {}

  @property
  def samples_scored(self):
    return len(self._scored)

  def measure(self, spec):
    meter = self._problem.meter
    if meter.is_exact:
      return meter.measure(spec)
    key = self._problem.space.encode(spec)
    if key not in self._measured:
      value = self._known["measurement"].get(key)
      value = meter.measure(spec) if value is None else value
      self._journal.write(
        {"type": "measurement", "widths": key, "value": value, "unit": meter.unit}
      )
      self._measured[key] = value
    return self._measured[key]

  def score(self, spec, iteration):
    key = self._problem.space.encode(spec)
    if key not in self._known["sample"]:
      (accuracy,) = self._evaluator.accuracy([spec])
      if not (math.isfinite(accuracy) and 0 <= accuracy <= 1):
        raise ValueError(f"An evaluator must return values in [0, 1], got {accuracy}.")
      self._known["sample"][key] = float(accuracy)
    candidate = Candidate(spec, self._known["sample"][key], self.measure(spec))
    if key not in self._scored:
      self._scored.add(key)
      self._journal.write(
        {
          "type": "sample",
          "iteration": iteration,
          "widths": key,
          "accuracy": candidate.accuracy,
          "resource": candidate.resource,
        }
      )
    return candidate


class _RememberingMeter:
  """The problem's meter, asked once per network."""

  def __init__(self, memory, unit):
    self._memory = memory
    self.unit = unit
    self.is_exact = True

  def measure(self, spec):
    return self._memory.measure(spec)


def minimize(problem, optimizer="mcd", evaluator=None, journal=None, seed=0, on_iteration=None):
  """Searches `problem.space` for the most accurate network within the target.

  Args:
    problem: a `Problem`.
    optimizer: a registered name (with its default settings) or an `Optimizer`.
    evaluator: an `Evaluator`.
    journal: path of the journal; if the file exists, the search resumes where it stopped, scores
      nothing twice and measures nothing twice. None keeps no journal.
    seed: of all that is random in the search.
    on_iteration: called with an `Iteration` after each round.

  Returns:
    A `SearchResult`. The same seed gives the same journal, byte for byte.

  Raises:
    UnreachableTarget: if no network can meet the target.
    JournalError: if the journal is damaged or of another search.
  """
  optimizer = OPTIMIZERS[optimizer]() if isinstance(optimizer, str) else optimizer
  iterations = []
  with Journal(journal) as record:
    memory = _Memory(problem, evaluator, record)
    record.write(_header(problem, optimizer, seed))
    if not problem.meter.is_exact:
      problem = dataclasses.replace(problem, meter=_RememberingMeter(memory, problem.meter.unit))
    check_target(problem)
    search = optimizer.search(problem, random.Random(seed))
    scored, found = None, None
    while found is None:
      try:
        specs = next(search) if scored is None else search.send(scored)
      except StopIteration as stop:
        found = stop.value
        break
      number = len(iterations) + 1
      scored = tuple(memory.score(spec, number) for spec in specs)
      best = optimizer.choose(scored, iterations[-1].best if iterations else None)
      iterations.append(Iteration(number, best, len(specs), memory.samples_scored))
      record.write(_iteration_entry(problem.space, iterations[-1]))
      if on_iteration:
        on_iteration(iterations[-1])
    last = iterations[-1].best if iterations else None
    return SearchResult(
      spec=dataclasses.replace(found, name=f"{problem.space.network.name}_found"),
      resource=memory.measure(found),
      accuracy=last.accuracy if last and last.spec == found else None,
      samples_scored=memory.samples_scored,
      iterations=tuple(iterations),
    )


def _header(problem, optimizer, seed):
  settings = dataclasses.asdict(optimizer) if dataclasses.is_dataclass(optimizer) else {}
  return {
    "type": "search",
    "space": problem.space.network.name,
    "input_shape": problem.space.network.input_shape,
    "start": problem.space.encode(problem.start),
    "unit": problem.meter.unit,
    "target": problem.target,
    "optimizer": type(optimizer).__name__,
    "settings": settings,
    "seed": seed,
  }


def _iteration_entry(space, iteration):
  return {
    "type": "iteration",
    "iteration": iteration.number,
    "widths": space.encode(iteration.best.spec),
    "accuracy": iteration.best.accuracy,
    "resource": iteration.best.resource,
    "samples": iteration.samples,
    "samples_scored": iteration.samples_scored,
  }
