"""What a search knows already: scores and measured values, filled from the journal first."""

import dataclasses
import math

from nadv2_tf.search.journal import JournalError
from nadv2_tf.search.problem import Candidate
from nadv2_tf.search.race import pooled

#: stands for a score on all images, where there is no race
WHOLE = None


class Memory:
  """Scores and measured values by encoded spec.

  A value that was journalled counts as known, but is written to the journal again at its turn,
  where the journal checks that the replay is true. `known` has entries of other journals. With a
  `Race`, a network has a score for each part of the images that it was scored on.
  """

  def __init__(self, problem, evaluator, journal, known=(), race=None):
    self._space = problem.space
    self._evaluator = evaluator
    self._journal = journal
    self._race = race
    #: number of the meter -> {widths: value}; 0 is the problem's meter, 1, 2, ... its limits'
    self._known_values = {}
    #: (widths, part) -> score
    self._known_scores = {}
    for entry in [*known, *journal.entries]:
      try:
        if entry["type"] == "sample":
          key = tuple(entry["widths"]), entry.get("part", WHOLE)
          self._known_scores[key] = float(entry["accuracy"])
        elif entry["type"] == "measurement":
          values = self._known_values.setdefault(entry.get("limit", 0), {})
          values[tuple(entry["widths"])] = float(entry["value"])
      except (KeyError, TypeError, ValueError, OverflowError):
        raise JournalError(f"The journal has a damaged entry: {entry}.") from None
    #: widths -> {part: score}
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
    """The score of `spec` on all that it was scored on; None if this search had no need of it."""
    scores = self._scored.get(self._space.encode(spec))
    return scores and self._over(scores)

  def checked_accuracy_of(self, spec):
    """The score of `spec` on the images that had no part in choosing it, None without a race."""
    if self._race is None:
      return None
    return self._scored.get(self._space.encode(spec), {}).get(len(self._race.shares) - 1)

  def _over(self, scores):
    """One score of {part: score}."""
    return scores[WHOLE] if self._race is None else pooled(scores, self._evaluator.part_sizes)

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

  def score(self, specs, iteration):
    """`specs` as `Candidate`s, each scored if it is not known yet; with a race its finalists."""
    specs = tuple(specs)
    if self._race:
      specs = self._race.run(specs, lambda left, part: self._scores(left, iteration, part))
    else:
      self._scores(specs, iteration, WHOLE)
    return tuple(
      Candidate(spec, self.accuracy_of(spec), self.problem.meter.measure(spec)) for spec in specs
    )

  def _scores(self, specs, iteration, part):
    """Scores `specs` on one part of the images; their scores over all parts up to this one."""
    scores = [self._score(spec, iteration, part) for spec in specs]
    if part is WHOLE:
      return [known[WHOLE] for known in scores]
    return [self._over({one: known[one] for one in range(part + 1)}) for known in scores]

  def _score(self, spec, iteration, part):
    """Scores `spec` on `part`; {part: score} of all that it was scored on."""
    key = self._space.encode(spec)
    scores = self._scored.get(key, {})
    if part in scores:
      return scores
    known = self._known_scores.get((key, part))
    if known is None:
      on = () if part is WHOLE else (part,)
      (known,) = self._evaluator.accuracy([spec], *on)
      if not (math.isfinite(known) and 0 <= known <= 1):
        raise ValueError(f"An evaluator must return values in [0, 1], got {known}.")
    # What is measured stands before the sample, as it always did.
    resource = self.problem.meter.measure(spec)
    self._scored[key] = scores | {part: float(known)}
    entry = {
      "type": "sample",
      "iteration": iteration,
      "widths": key,
      "accuracy": float(known),
      "resource": resource,
    }
    self._journal.write(entry if part is WHOLE else {**entry, "part": part})
    return self._scored[key]


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
