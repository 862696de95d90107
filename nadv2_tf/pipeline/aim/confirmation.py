"""Measures networks of a search on the device itself, beside what the table predicts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from nadv2_tf.pipeline.aim.device import device_of, timing_settings

if TYPE_CHECKING:
  from collections.abc import Mapping

  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.aim.rounds import Attempt
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.search import Problem, SearchResult
  from nadv2_tf.spec import NetworkSpec


class Confirmation:
  """Measures once what each round of a search found, and keeps it in metrics.json.

  What stands there is not measured again: another value would send a resumed search elsewhere.

  Args:
    folder: the `RunFolder`.
    problem: the `Problem` as asked for.
    options: `SearchOptions`.
    progress: a `Progress`.
  """

  def __init__(
    self, folder: RunFolder, problem: Problem, options: SearchOptions, progress: Progress
  ) -> None:
    self._folder = folder
    self._problem = problem
    self._options = options
    self._progress = progress
    self._places = dict(zip(problem.targets, folder.found_folders(), strict=True))
    #: spent on the device by this object
    self.seconds = 0.0

  def measure(self, result: SearchResult, attempts: Mapping[float, Attempt]) -> dict[float, float]:
    """Measures the networks of one round in turns, with random weights.

    They are the found networks and, in the first round, the best of every n-th iteration.

    Args:
      result: the round's `SearchResult`.
      attempts: {target: `Attempt`}, not measured yet.

    Returns:
      {target: milliseconds}.
    """
    entries = {target: self._entry(attempt) for target, attempt in attempts.items()}
    known = {target: self._known(target, entry) for target, entry in entries.items()}
    if None not in known.values():
      for target, value in known.items():
        self._tell(self._label(target), attempts[target].found.resource, value)
      return known
    path = {}
    if all(attempt.number == 1 for attempt in attempts.values()):
      path = {
        iteration.number: iteration.best.spec
        for iteration in result.iterations
        if iteration.number % self._options.confirm_every == 0
      }
    found = {self._label(target): attempt.found.spec for target, attempt in attempts.items()}
    rows = self._rows(path | found)
    if path:
      self._folder.update_metrics(confirmed=rows[: len(path)])
    measured = [row["measured"] for row in rows[len(path) :]]
    for (target, entry), value in zip(entries.items(), measured, strict=True):
      self._keep(target, entry | {"measured": value})
    return dict(zip(attempts, measured, strict=True))

  def finish(self, kept: Mapping[float, Attempt]) -> None:
    """Adds the networks that are kept, {target: `Attempt`}, to what was measured on the way."""
    path = [row for row in self._folder.metrics().get("confirmed", []) if _is_of_path(row)]
    found = [
      {
        "iteration": self._label(target),
        "predicted": attempt.found.resource,
        "measured": attempt.measured,
      }
      for target, attempt in kept.items()
    ]
    self._folder.update_metrics(confirmed=path + found)

  def _entry(self, attempt: Attempt) -> dict[str, Any]:
    """What metrics.json says of a round, but for the measured value."""
    return {
      "round": attempt.number,
      "journal": self._folder.journal_of(attempt.number).name,
      "target": attempt.goal,
      "predicted": attempt.found.resource,
      "holdout_accuracy": attempt.found.accuracy,
      "widths": list(self._problem.space.encode(attempt.found.spec)),
    }

  def _known(self, target: float, entry: dict[str, Any]) -> Any:
    """The value that an earlier command measured for the same network, or None."""
    for known in self._places[target].metrics().get("rounds", []):
      if {name: known.get(name) for name in entry} == entry:
        return known["measured"]
    return None

  def _keep(self, target: float, entry: dict[str, Any]) -> None:
    """Notes a round; later rounds, which a killed command may have left, followed from others."""
    place = self._places[target]
    earlier = [
      known for known in place.metrics().get("rounds", []) if known["round"] < entry["round"]
    ]
    place.update_metrics(rounds=[*earlier, entry])

  def _label(self, target: float) -> str:
    place = self._places[target]
    return "found" if place is self._folder else f"{place.path.name}/found"

  def _rows(self, specs: Mapping[Any, NetworkSpec]) -> list[dict[str, Any]]:
    """Measures {label: spec}; prints and returns a row for each."""
    from nadv2_tf.benchmarks.tables.meter import DeviceMeter

    start = time.monotonic()
    settings = timing_settings(self._options, seconds=0.1, repeats=5)
    with device_of(self._options) as device:
      measured = DeviceMeter(device, settings).measure_all(list(specs.values()))
    rows = []
    for (label, spec), value in zip(specs.items(), measured, strict=True):
      predicted = self._problem.meter.measure(spec)
      rows.append({"iteration": label, "predicted": predicted, "measured": value})
      self._tell(label, predicted, value)
    self.seconds += time.monotonic() - start
    self._folder.update_metrics(seconds={"confirm": self.seconds})
    return rows

  def _tell(self, label: int | str, predicted: float, measured: float) -> None:
    where = f"best of iteration {label}" if isinstance(label, int) else label
    self._progress.line(
      f"  {where}: predicted {predicted:.4g} ms, measured {measured:.4g} ms "
      f"({measured / predicted - 1:+.1%})"
    )


def _is_of_path(row: Mapping[str, Any]) -> bool:
  return isinstance(row["iteration"], int)
