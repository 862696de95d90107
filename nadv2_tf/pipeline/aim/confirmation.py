"""Measures networks of a search on the device itself, beside what the table predicts."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from nadv2_tf.pipeline.aim.correction import scale_near
from nadv2_tf.pipeline.aim.device import device_of, network_timing
from nadv2_tf.pipeline.run_folder.records import ConfirmedNetwork, RoundMetrics
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.search.forms import fastest_form_of

if TYPE_CHECKING:
  from collections.abc import Mapping

  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.aim.rounds import Attempt
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.search import Problem, SearchResult
  from nadv2_tf.spec import NetworkSpec


#: label of the largest network among those that are measured
LARGEST = "largest"


class Confirmation:
  """Measures once what each round of a search found, and keeps it in metrics.json.

  What stands there is not measured again: another value would send a resumed search elsewhere.

  Args:
    folder: the `RunFolder`.
    problem: the `Problem` as asked for.
    options: `SearchOptions`.
    progress: a `Progress`.
    shares: {target: its share of the largest network's latency} of those that are shares. What
      they are in milliseconds is taken from the largest network once more, measured in turns with
      what was found: machines are not equally fast in two sessions.
  """

  def __init__(
    self,
    folder: RunFolder,
    problem: Problem,
    options: SearchOptions,
    progress: Progress,
    shares: Mapping[float, float] | None = None,
  ) -> None:
    self._folder = folder
    self._problem = problem
    self._options = options
    self._progress = progress
    self._shares = shares or {}
    self._places = dict(zip(problem.targets, folder.found_folders(), strict=True))
    #: spent on the device by this object
    self.seconds = 0.0

  def first_goals(self) -> dict[float, float]:
    """{target: what to search for first} of the targets that are shares.

    The share is of what the largest network took when the table was measured, because what the
    table says holds for that session.
    """
    meter = self._problem.meter
    largest = meter.facts.get("largest_ms") if isinstance(meter, LatencyTable) else None
    if largest is None:
      return {}
    least, goals = meter.measure(self._problem.space.smallest()), {}
    for target, share in self._shares.items():
      goals[target] = max(share * float(largest), least)
      self._progress.line(
        f"  target {target:.4g} ms: beside the table the largest network took "
        f"{float(largest):.4g}, so {goals[target]:.4g} is searched for"
      )
    return goals

  def measure(
    self, result: SearchResult, attempts: Mapping[float, Attempt]
  ) -> dict[float, Attempt]:
    """Measures the networks of one round in turns, with random weights.

    They are the found networks; the largest, if a target is a share of it; and, in the first round,
    the best of every n-th iteration.

    Args:
      result: the round's `SearchResult`.
      attempts: {target: `Attempt`}, not measured yet.

    Returns:
      {target: the `Attempt`, measured}.
    """
    before = {target: self._known(target, attempt) for target, attempt in attempts.items()}
    known = {target: row for target, row in before.items() if row is not None}
    if len(known) == len(attempts):
      for target, row in known.items():
        self._tell(self._label(target), row.predicted, row.measured, row.doubt)
      return {
        target: self._measured(target, attempts[target], row) for target, row in known.items()
      }
    is_first = all(attempt.number == 1 for attempt in attempts.values())
    path = self._path(result) if is_first else {}
    found = {self._label(target): attempt.found.spec for target, attempt in attempts.items()}
    shared = {LARGEST: self._problem.space.largest()} if self._shares.keys() & attempts else {}
    rows = self._rows(path | found | shared)
    if path:
      self._folder.update_metrics(confirmed=rows[: len(path)])
    largest = rows[-1] if shared else None
    pairs = [(row.predicted, row.measured) for row in rows]
    measured = {}
    for (target, attempt), at_end in zip(attempts.items(), rows[len(path) :], strict=False):
      of_share = largest if target in self._shares else None
      of_round = self._round(
        attempt,
        at_end.measured,
        of_share.measured if of_share else None,
        scale_near(at_end.predicted, pairs),
        at_end.doubt,
        of_share.doubt if of_share else "",
      )
      self._keep(target, of_round)
      measured[target] = self._measured(target, attempt, of_round)
    return measured

  def _path(self, result: SearchResult) -> dict[int, NetworkSpec]:
    """{iteration: its best network} of those that are measured on the way."""
    return {
      iteration.number: iteration.best.spec
      for iteration in result.iterations
      if iteration.number % self._options.confirm_every == 0
    }

  def finish(self, kept: Mapping[float, Attempt]) -> None:
    """Adds the networks that are kept, {target: `Attempt`}, to what was measured on the way."""
    path = [row for row in self._folder.metrics().confirmed if isinstance(row.iteration, int)]
    found = [
      ConfirmedNetwork(self._label(target), attempt.found.resource, attempt.measured, attempt.doubt)
      for target, attempt in kept.items()
      if attempt.measured is not None
    ]
    self._folder.update_metrics(confirmed=path + found)

  def _measured(self, target: float, attempt: Attempt, row: RoundMetrics) -> Attempt:
    """The `Attempt` with what was measured in its round."""
    return dataclasses.replace(
      attempt,
      measured=row.measured,
      share=self._shares.get(target),
      largest=row.largest,
      scale=row.scale,
      doubt=row.doubt,
    )

  def _round(
    self,
    attempt: Attempt,
    measured: float,
    largest: float | None = None,
    scale: float | None = None,
    doubt: str = "",
    largest_doubt: str = "",
  ) -> RoundMetrics:
    """What metrics.json says of a round."""
    return RoundMetrics(
      round=attempt.number,
      journal=self._folder.journal_of(attempt.number).name,
      target=attempt.goal,
      predicted=attempt.found.resource,
      holdout_accuracy=attempt.found.accuracy,
      widths=self._problem.space.encode(attempt.found.spec),
      measured=measured,
      largest=largest,
      scale=scale,
      doubt=doubt,
      largest_doubt=largest_doubt,
    )

  def _known(self, target: float, attempt: Attempt) -> RoundMetrics | None:
    """What an earlier command measured for the same network, or None."""
    for known in self._places[target].metrics().rounds:
      told = (known.measured, known.largest, known.scale, known.doubt, known.largest_doubt)
      if known == self._round(attempt, *told):
        return known if (known.largest is None) == (target not in self._shares) else None
    return None

  def _keep(self, target: float, this: RoundMetrics) -> None:
    """Notes a round; later rounds, which a killed command may have left, followed from others."""
    place = self._places[target]
    earlier = [known for known in place.metrics().rounds if known.round < this.round]
    place.update_metrics(rounds=[*earlier, this])

  def _label(self, target: float) -> str:
    place = self._places[target]
    return "found" if place is self._folder else f"{place.path.name}/found"

  def _rows(self, specs: Mapping[Any, NetworkSpec]) -> list[ConfirmedNetwork]:
    """Measures {label: spec}; prints and returns a row for each."""
    from nadv2_tf.benchmarks.tables.meter import DeviceMeter

    start = time.monotonic()
    with device_of(self._options) as device:
      settings = network_timing(self._options, device, repeats=5)
      form = fastest_form_of(self._problem.meter)
      timings = DeviceMeter(device, settings, form).time_all(list(specs.values()))
    rows = []
    for (label, spec), timing in zip(specs.items(), timings, strict=True):
      predicted = self._problem.meter.measure(spec)
      rows.append(ConfirmedNetwork(label, predicted, timing.latency_ms, timing.doubt))
      self._tell(label, predicted, timing.latency_ms, timing.doubt)
    self.seconds += time.monotonic() - start
    self._folder.update_metrics(seconds={"confirm": self.seconds})
    return rows

  def _tell(self, label: int | str, predicted: float, measured: float, doubt: str = "") -> None:
    where = f"best of iteration {label}" if isinstance(label, int) else label
    self._progress.line(
      f"  {where}: predicted {predicted:.4g} ms, measured {measured:.4g} ms "
      f"({measured / predicted - 1:+.1%})" + (f"; unsteady: {doubt}" if doubt else "")
    )
