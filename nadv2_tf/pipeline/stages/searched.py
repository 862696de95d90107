"""How much a search was, by the journals that it left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.search import journal
from nadv2_tf.search.entries import IterationEntry, SampleEntry

if TYPE_CHECKING:
  from collections.abc import Iterable
  from typing import Any

  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.search.entries import Entry


def work_of(folder: RunFolder) -> dict[str, Any]:
  """How much was scored in all rounds together; what a round takes over counts once.

  A network that was scored for both halves, which have weights of their own, counts twice. Figures
  that the optimizer told stand there as well, the last of each name.
  """
  entries = journal.read_all(folder.journals())
  parts = [_counted(entries), _counted(journal.read(folder.later_journal))]
  work: dict[str, Any] = {name: sum(part[name] for part in parts) for name in parts[0]}
  notes: dict[str, float] = {}
  for entry in entries:
    if isinstance(entry, IterationEntry):
      notes |= entry.notes or {}
  return work | ({"search_notes": notes} if notes else {})


def _counted(entries: Iterable[Entry]) -> dict[str, int]:
  """Fields of `RunMetrics`, of journals of one super-network."""
  entries = list(entries)
  samples = {entry.widths for entry in entries if isinstance(entry, SampleEntry)}
  iterations = {
    (entry.iteration, *entry.widths) for entry in entries if isinstance(entry, IterationEntry)
  }
  return {"samples_scored": len(samples), "iterations": len(iterations)}
