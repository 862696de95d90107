"""Slopes of a loss for an optimizer, and a journal's memory of where they led."""

from collections.abc import Callable, Sequence
from typing import Any

from nadv2_tf.search.entries import DescentEntry
from nadv2_tf.search.journal import Journal
from nadv2_tf.search.problem import SlopingEvaluator

#: of the logits in a journal; a descent goes on for no digit more
DIGITS = 4


class JournalledSlopes:
  """The `Slopes` of an evaluator.

  A descent takes hundreds of steps, and on other machines other last digits. So what it ended with
  is journalled, and a search that is resumed takes it from there. Only the search's own journal
  counts: another search goes downhill from elsewhere.

  Args:
    evaluator: gives the slopes.
    journal: an open `Journal`.
  """

  def __init__(self, evaluator: SlopingEvaluator, journal: Journal) -> None:
    self._evaluator, self._journal = evaluator, journal
    self._known = {
      (entry.target, entry.weight): entry
      for entry in journal.entries
      if isinstance(entry, DescentEntry)
    }

  def loss(self, shares: Any, batch: int, images: int) -> tuple[float, Any]:
    """See `Slopes.loss`."""
    return self._evaluator.loss_slopes(shares, batch, images)

  def once(
    self, target: float, weight: float, descend: Callable[[], Sequence[Sequence[float]]]
  ) -> Sequence[Sequence[float]]:
    """See `Slopes.once`."""
    entry = self._known.get((target, weight))
    if entry is None:
      logits = tuple(tuple(round(value, DIGITS) for value in row) for row in descend())
      entry = DescentEntry(target, weight, logits)
    self._journal.write(entry)
    return entry.logits
