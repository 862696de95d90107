"""The table and the picture of a comparison."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, NamedTuple

from nadv2_tf.benchmarks.studies.compare.methods import METHODS, OWN

if TYPE_CHECKING:
  from collections.abc import Iterable, Iterator, Mapping, Sequence
  from typing import Any

  from nadv2_tf.types import AnyPath

EQUAL = """\
Equal for all: images, the trained full network of a seed, the targets, and recipe and steps of
every found network's training. "of full": latency over the full network's, all of a seed timed in
turns at the end. "against": accuracy minus NetAdaptV2's of the same seed. Not equal: networks
scored, and seconds: of the super-network's training, of the search, of one found network."""


MARKERS = "osD^vP*Xhp<>dH8123"


class Row(NamedTuple):
  """A method at a target; one number for each seed that reached it.

  Attributes:
    title: the method's.
    target: such as "60%".
    seeds: how many there were.
    accuracy: of the test set, in percent.
    against: points above NetAdaptV2 of the same seed.
    share: latency over the full network's, in percent.
    macs: in millions.
    samples: networks scored for all targets; empty for what scores none.
    seconds: of the super-network, the search for all targets, the found network's training.
  """

  title: str
  target: str
  seeds: int
  accuracy: Sequence[float]
  against: Sequence[float]
  share: Sequence[float]
  macs: Sequence[float]
  samples: Sequence[int]
  seconds: Sequence[tuple[float, float, float]]


def rows_of(
  cells: Mapping[tuple[str, str], Mapping[str, Any]],
  full: Mapping[str, float],
  names: Iterable[str],
  targets: Sequence[str],
) -> list[Row]:
  """A `Row` for every target and method.

  Args:
    cells: {(method, seed): what `cells.made` gives, with "milliseconds" of the found networks}.
    full: {seed: milliseconds of the full network}.
    names: of the methods, in the order of the table.
    targets: texts.
  """
  rows, names = [], list(names)
  for target in targets:
    for name in names:
      reached = [seed for seed in full if target in cells[name, seed]["found"]]
      of_seeds = [cells[name, seed] for seed in reached]
      found = [cell["found"][target] for cell in of_seeds]
      rows.append(
        Row(
          METHODS[name].title,
          target,
          len(full),
          [100 * one["test_accuracy"] for one in found],
          [
            100 * (one["test_accuracy"] - cells[OWN, seed]["found"][target]["test_accuracy"])
            for one, seed in zip(found, reached, strict=True)
            if target in cells[OWN, seed]["found"]
          ],
          [
            100 * one["milliseconds"] / full[seed] for one, seed in zip(found, reached, strict=True)
          ],
          [one["macs"] / 1e6 for one in found],
          [cell["samples"] for cell in of_seeds if cell["samples"] is not None],
          [
            (cell["super_seconds"], cell["search_seconds"], one["seconds"])
            for cell, one in zip(of_seeds, found, strict=True)
          ],
        )
      )
  return rows


def text_of(rows: Iterable[Row]) -> Iterator[str]:
  """The table's lines: means over the seeds, and the range of accuracies."""
  yield from EQUAL.splitlines()
  target = None
  for row in rows:
    if row.target != target:
      target = row.target
      yield ""
      yield f"target {target} of the full network's latency"
      yield (
        f"{'method':23s}{'accuracy (range)':>24s}{'against':>9s}{'of full':>9s}{'M MACs':>8s}"
        f"{'samples':>9s}{'seconds: super, search, found':>31s}"
      )
    if not row.accuracy:
      yield f"{row.title:23s}  not reached"
      continue
    samples = f"{statistics.mean(row.samples):.0f}" if row.samples else "-"
    against = f"{statistics.mean(row.against):+.2f}" if row.against else "-"
    seconds = [statistics.mean(of_stage) for of_stage in zip(*row.seconds, strict=True)]
    few = f"  {len(row.accuracy)} of {row.seeds} seeds" if len(row.accuracy) < row.seeds else ""
    yield (
      f"{row.title:23s}{_spread(row.accuracy):>24s}{against:>9s}"
      f"{statistics.mean(row.share):8.1f}%{statistics.mean(row.macs):8.2f}{samples:>9s}"
      f"{seconds[0]:15.0f}{seconds[1]:8.0f}{seconds[2]:8.0f}{few}"
    )


def _spread(values: Sequence[float]) -> str:
  return f"{statistics.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def draw(rows: Iterable[Row], path: AnyPath) -> None:
  """Writes the picture: accuracy over latency, a line for each method, a point for each target."""
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  figure = Figure(figsize=(8.4, 7.0), dpi=120, layout="constrained")
  FigureCanvasAgg(figure)
  axes = figure.add_subplot()
  rows = [row for row in rows if row.accuracy]
  titles = list(dict.fromkeys(row.title for row in rows))
  own = METHODS[OWN].title
  for number, title in enumerate(titles):
    of_method = [row for row in rows if row.title == title]
    # Ten colours, and another line for each ten of them.
    axes.plot(
      [statistics.mean(row.share) for row in of_method],
      [statistics.mean(row.accuracy) for row in of_method],
      marker=MARKERS[number % len(MARKERS)],
      linestyle="-" if number < 10 else "--",
      color="black" if title == own else f"C{number % 10}",
      zorder=3 if title == own else 2,
      linewidth=2.2 if title == own else 1.0,
      markersize=7,
      label=title,
    )
  axes.set_xlabel("measured latency, % of the full network's")
  axes.set_ylabel("test accuracy (%), mean over the seeds")
  axes.grid(alpha=0.3)
  figure.legend(fontsize=8, loc="outside lower center", ncols=4)
  figure.savefig(path)
