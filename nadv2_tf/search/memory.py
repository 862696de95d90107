"""What a search knows already: scores and measured values, filled from the journal first."""

import dataclasses
import math

from nadv2_tf.search.journal import JournalError
from nadv2_tf.search.problem import Candidate


class Memory:
  """Scores and measured values by encoded spec.

  A value that was journalled counts as known, but is written to the journal again at its turn,
  where the journal checks that the replay is true. `known` has entries of other journals.
  """

  def __init__(self, problem, evaluator, journal, known=()):
    self._space = problem.space
    self._evaluator = evaluator
    self._journal = journal
    #: number of the meter -> {widths: value}; 0 is the problem's meter, 1, 2, ... its limits'
    self._known_values = {}
    self._known_scores = {}
    for entry in [*known, *journal.entries]:
      try:
        if entry["type"] == "sample":
          self._known_scores[tuple(entry["widths"])] = float(entry["accuracy"])
        elif entry["type"] == "measurement":
          values = self._known_values.setdefault(entry.get("limit", 0), {})
          values[tuple(entry["widths"])] = float(entry["value"])
      except (KeyError, TypeError, ValueError, OverflowError):
        raise JournalError(f"The journal has a damaged entry: {entry}.") from None
    self._scored = {}
    self._measured = {}
    self.problem = dataclasses.replace(
      problem,
      meter=self._remembering(problem.meter, 0),
      limits=tuple(
        (self._remembering(meter, number), limit)
        for number, (meter, limit) in enumerate(problem.limits, start=1)
      ),
    )

  @property
  def samples_scored(self):
    return len(self._scored)

  def accuracy_of(self, spec):
    """The score of `spec`, None if this search had no need of it."""
    return self._scored.get(self._space.encode(spec))

  def _remembering(self, meter, number):
    return meter if meter.is_exact else _RememberingMeter(self, meter, number)

  def value(self, meter, number, spec):
    """What `meter` gives for `spec`; it is asked once."""
    key = self._space.encode(spec)
    measured = self._measured.setdefault(number, {})
    if key not in measured:
      value = self._known_values.get(number, {}).get(key)
      value = meter.measure(spec) if value is None else value
      entry = {"type": "measurement", "widths": key, "value": value, "unit": meter.unit}
      self._journal.write({**entry, "limit": number} if number else entry)
      measured[key] = value
    return measured[key]

  def score(self, spec, iteration):
    """`spec` as a `Candidate`, scored if it is not known yet."""
    key = self._space.encode(spec)
    if key not in self._known_scores:
      (accuracy,) = self._evaluator.accuracy([spec])
      if not (math.isfinite(accuracy) and 0 <= accuracy <= 1):
        raise ValueError(f"An evaluator must return values in [0, 1], got {accuracy}.")
      self._known_scores[key] = float(accuracy)
    candidate = Candidate(spec, self._known_scores[key], self.problem.meter.measure(spec))
    if key not in self._scored:
      self._scored[key] = candidate.accuracy
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
  """A meter that is asked once for each network."""

  is_exact = False

  def __init__(self, memory, meter, number):
    self._memory = memory
    self._meter = meter
    self._number = number
    self.unit = meter.unit

  def measure(self, spec):
    return self._memory.value(self._meter, self._number, spec)
