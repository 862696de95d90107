"""The figures of a whole run, with those of all its targets."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.pipeline.run_folder.records import RunMetrics

if TYPE_CHECKING:
  from collections.abc import Mapping

  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.run_folder.records import NetworkMetrics, SearchedMetric


@dataclasses.dataclass(frozen=True)
class Overview:
  """What a report is made of.

  Attributes:
    run: the metrics of the run.
    parts: {folder of a target: its metrics}; one target alone has the name "".
    networks: all networks; with several targets, those of a target are named FOLDER/NAME.
  """

  run: RunMetrics
  parts: Mapping[str, RunMetrics]
  networks: Mapping[str, NetworkMetrics]

  @property
  def searched(self) -> list[SearchedMetric]:
    """What was searched for and found, for each target."""
    return [part.metric for part in self.parts.values() if part.metric]

  def searched_for(self, network: str) -> SearchedMetric:
    """What was searched for where a network belongs; of one for all targets, for the first."""
    part = self.parts.get(network.rpartition("/")[0], self.run)
    return part.metric or self.searched[0]

  @property
  def rounds(self) -> int:
    """How many rounds the target with the most took; 0 if nothing was measured after any."""
    return max(len(part.rounds) for part in self.parts.values())


def overview(folder: RunFolder) -> Overview:
  """The figures of a run and of all its targets."""
  metrics, places = folder.metrics(), folder.found_folders()
  if places == [folder]:
    return of_one(metrics)
  parts = {place.path.name: place.metrics() for place in places}
  networks = {
    f"{name}/{network}": values
    for name, part in parts.items()
    for network, values in part.networks.items()
  }
  return Overview(metrics, parts, {**metrics.networks, **networks})


def of_one(metrics: RunMetrics) -> Overview:
  """That of one target."""
  return Overview(metrics, {"": metrics}, metrics.networks)


def of_place(run: RunMetrics, place: RunMetrics) -> Overview:
  """That of one target among several, with what its run has for all of them."""
  metrics = {**run.to_json(), **place.to_json(), "seconds": run.seconds}
  return of_one(RunMetrics.from_json(metrics, "metrics.json"))
