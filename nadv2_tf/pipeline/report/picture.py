"""`pareto.png`: accuracy over resource, the search's path and the finished networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.pipeline.report import tables, titles
from nadv2_tf.search import journal
from nadv2_tf.search.entries import Entry, IterationEntry, SearchEntry

if TYPE_CHECKING:
  from collections.abc import Iterable, Sequence

  from nadv2_tf.pipeline.report.figures import Overview
  from nadv2_tf.types import AnyPath

MARKERS = {"original": "o", "full": "s", "found": "*", "uniform": "D"}
#: points of accuracy under the search's path that the picture shows
BELOW_PATH = 25
TITLES = {
  "original": "network as given",
  "full": "full network, trained",
  "found": "found network, trained on",
  "uniform": "uniformly scaled, trained on",
}


def draw_pareto(entries: Sequence[Entry], metrics: Overview, path: AnyPath) -> None:
  """Writes the picture.

  Args:
    entries: those of the journals of all rounds (`search.journal.read`).
    metrics: `Overview` of the run.
    path: of the .png file.
  """
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  targets = metrics.searched
  figure = Figure(figsize=(7.2, 5.4), dpi=120, layout="constrained")
  FigureCanvasAgg(figure)
  axes = figure.add_subplot()
  samples = journal.samples(entries)
  paths = _paths(entries)
  path_entries = [entry for path in paths for entry in path]
  lowest = max(
    100 * min((entry.accuracy for entry in path_entries or samples), default=0.0) - BELOW_PATH, 0
  )
  hidden = sum(100 * entry.accuracy < lowest for entry in samples)
  axes.scatter(
    [entry.resource for entry in samples],
    [100 * entry.accuracy for entry in samples],
    s=8,
    color="0.72",
    label=f"{len(samples)} samples, shared weights, hold-out ({hidden} below the picture)",
  )
  for number, entries_of_path in enumerate(paths):
    axes.plot(
      [entry.resource for entry in entries_of_path],
      [100 * entry.accuracy for entry in entries_of_path],
      ".-",
      color="tab:blue",
      linewidth=1,
      label="" if number else "best of each iteration",
    )
  for name, network in metrics.networks.items():
    value, kind = tables.resource_of(metrics, name), titles.kind_of(name)
    if value is not None and network.test_accuracy is not None:
      axes.plot(
        [value],
        [100 * network.test_accuracy],
        MARKERS.get(kind, "o"),
        markersize=11,
        markeredgecolor="black",
        linestyle="none",
        label=_title(name, kind),
      )
  for number, metric in enumerate(targets):
    label = "" if number else "target" if len(targets) == 1 else "targets"
    axes.axvline(metric.target, color="tab:red", linestyle=":", label=label)
  axes.set_xlabel(_axis_title(targets[0].name, targets[0].unit))
  axes.set_ylabel(f"{metrics.run.quality} (%)")
  axes.set_ylim(bottom=lowest)
  axes.grid(alpha=0.3)
  figure.legend(fontsize=8, loc="outside lower center", ncols=2)  # hides no point
  figure.savefig(path)


def _paths(entries: Iterable[Entry]) -> list[list[IterationEntry]]:
  """The iterations of each round, one list for each of them that has any."""
  paths: list[list[IterationEntry]] = [[]]
  for entry in entries:
    if isinstance(entry, SearchEntry):
      paths.append([])
    elif isinstance(entry, IterationEntry):
      paths[-1].append(entry)
  return [path for path in paths if path] or [[]]


def _title(name: str, kind: str) -> str:
  folder = name.rpartition("/")[0]
  where = f", {titles.target_title(folder)}" if folder else ""
  return f"{TITLES.get(kind, kind)}, test set{where}"


def _axis_title(name: str, unit: str) -> str:
  if name == "latency_ms":
    return "latency (ms): samples by the latency table, finished networks measured"
  return f"{name} ({unit})" if name != unit else name
