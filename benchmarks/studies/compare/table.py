"""The table and the picture of a comparison."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from nadv2_tf.benchmarks.studies.compare.methods import METHODS

if TYPE_CHECKING:
  from collections.abc import Iterable, Mapping, Sequence
  from typing import Any

  from nadv2_tf.benchmarks.studies.compare.methods import Method
  from nadv2_tf.types import AnyPath

EQUAL = """\
Equal for all: images, batch, training steps of the network that is searched, the targets in ms, and
the training steps and recipe of every found network, the uniformly scaled one included. Accuracy is
that of the test set after that training. Not equal: samples, and their seconds. NetAdaptV1 starts
from the plain largest network and trains every sample; uniform scaling needs no search, and its
network starts like the others' from a super-network's weights, of one without bypass."""


def rows_of(
  cells: Iterable[tuple[Method, Sequence[Mapping[str, Any]]]], measured: Iterable[float]
) -> list[dict[str, Any]]:
  """[{title, target, and lists over the seeds that reached it}] for every method and target.

  Args:
    cells: [(`Method`, [its cells, one for each seed])].
    measured: milliseconds of all found networks, in the order of the cells.
  """
  rows, times = [], iter(measured)
  for method, of_method in cells:
    latencies = [[next(times) for _ in cell["found"]] for cell in of_method]
    targets = {found["target"] for cell in of_method for found in cell["found"]}
    targets.update(target for cell in of_method for target in cell.get("unreached", ()))
    for target in sorted(targets, reverse=True):
      reached = [
        (cell, found, latency)
        for cell, of_cell in zip(of_method, latencies, strict=True)
        for found, latency in zip(cell["found"], of_cell, strict=True)
        if found["target"] == target
      ]
      rows.append(
        {
          "title": method.title,
          "target": target,
          "seeds": len(of_method),
          "accuracy": [100 * found["accuracy"] for _, found, _ in reached],
          "latency": [latency for _, _, latency in reached],
          "macs": [found["macs"] / 1e6 for _, found, _ in reached],
          "samples": [cell["samples"] for cell, _, _ in reached],
          "super": [cell["super_seconds"] for cell, _, _ in reached],
          "search": [cell["search_seconds"] for cell, _, _ in reached],
          "found": [found["seconds"] for _, found, _ in reached],
        }
      )
  return rows


def text_of(rows: Iterable[Mapping[str, Any]]) -> str:
  """The table as text: means over the seeds, of accuracy and latency with their range."""
  lines = [
    *EQUAL.splitlines(),
    f"{'method':20s} {'target':>9s} {'accuracy (%)':>22s} {'measured (ms)':>24s} {'MACs (M)':>9s} "
    f"{'samples':>8s} {'seconds: super, samples, found':>32s}",
  ]
  for row in rows:
    head = f"{row['title']:20s} {row['target']:9.3f}"
    if not row["accuracy"]:
      lines.append(f"{head}  not reached")
      continue
    mean = {name: statistics.mean(values) for name, values in row.items() if name in LISTS}
    reached = len(row["accuracy"])
    lines.append(
      f"{head} {_spread(row['accuracy'], '.2f'):>22s} "
      f"{_spread(row['latency'], '.3f'):>24s} {mean['macs']:9.2f} {mean['samples']:8.0f} "
      f"{mean['super']:12.0f} {mean['search']:9.0f} {mean['found']:9.0f}"
      + (f"  {reached} of {row['seeds']} seeds" if reached < row["seeds"] else "")
    )
  return "\n".join(lines)


LISTS = ("accuracy", "latency", "macs", "samples", "super", "search", "found")


def _spread(values: Sequence[float], form: str) -> str:
  low, high = format(min(values), form), format(max(values), form)
  return f"{format(statistics.mean(values), form)} ({low} to {high})"


def draw(rows: Iterable[Mapping[str, Any]], path: AnyPath) -> None:
  """Writes the picture: accuracy over latency, a line for each method, a point for each target."""
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  figure = Figure(figsize=(8.4, 6.0), dpi=120, layout="constrained")
  FigureCanvasAgg(figure)
  axes = figure.add_subplot()
  rows = [row for row in rows if row["accuracy"]]
  markers = dict(zip(dict.fromkeys(row["title"] for row in rows), "osD^vP*Xh", strict=False))
  for number, (title, marker) in enumerate(markers.items()):
    is_whole = title == METHODS["netadaptv2"].title
    of_method = [row for row in rows if row["title"] == title]
    axes.errorbar(
      [statistics.mean(row["latency"]) for row in of_method],
      [statistics.mean(row["accuracy"]) for row in of_method],
      yerr=[
        [statistics.mean(row["accuracy"]) - min(row["accuracy"]) for row in of_method],
        [max(row["accuracy"]) - statistics.mean(row["accuracy"]) for row in of_method],
      ],
      marker=marker,
      color="black" if is_whole else f"C{number}",
      zorder=3 if is_whole else 2,
      # Bars of methods that are as fast lie over one another: each is a little wider at its ends.
      capsize=2 + 0.7 * number,
      elinewidth=1.2,
      linewidth=1.8 if is_whole else 0.9,
      markersize=7,
      label=title,
    )
  axes.set_xlabel("measured latency (ms)")
  axes.set_ylabel("test accuracy (%), mean and range over seeds")
  axes.grid(alpha=0.3)
  figure.legend(fontsize=8, loc="outside lower center", ncols=3)
  figure.savefig(path)
