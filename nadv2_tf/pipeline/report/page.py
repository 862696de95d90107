"""`report.html`: one self-contained page about a run."""

from __future__ import annotations

import base64
import html
import itertools
import json
import shlex
from typing import TYPE_CHECKING

from nadv2_tf.pipeline.report import charts, doubts, drawing, layers, tables, titles
from nadv2_tf.pipeline.run_folder import stage_times

if TYPE_CHECKING:
  from collections.abc import Iterable, Mapping, Sequence
  from typing import Any

  from nadv2_tf.pipeline.report.figures import Overview
  from nadv2_tf.pipeline.run_folder.records import RunMetrics, TrainingReport
  from nadv2_tf.resources.latency_table import LatencyTable
  from nadv2_tf.spec import NetworkSpec

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 1rem auto; padding: 0 1rem;
       color: #1b1b1b; background: #fff; }
table { border-collapse: collapse; display: block; overflow-x: auto; margin: 1rem 0; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ccc; text-align: right;
         white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
tr.removed td { color: #777; }
img { max-width: 100%; height: auto; }
svg { display: block; width: 100%; max-width: 42rem; height: auto; font-size: 12px; }
summary { cursor: pointer; }
svg .small { font-size: 11px; fill: #555; }
.legend span { margin-right: 1.2rem; }
.legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .3rem; }
@media (max-width: 40rem) { body { font-size: 15px; padding: 0 .6rem; }
                            h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; } }
code, pre { background: #f3f3f3; }
pre { overflow-x: auto; padding: .5rem; }
"""


def render(
  metrics: Overview,
  settings: Mapping[str, Mapping[str, Any]],
  found: Iterable[tuple[str, NetworkSpec]],
  largest: NetworkSpec,
  picture: bytes,
  examples: Iterable[tuple[str, bytes]] = (),
  logs: Mapping[str, Sequence[TrainingReport]] | None = None,
  table: LatencyTable | None = None,
  stages: dict[str, dict[str, list[float]]] | None = None,
) -> str:
  """The page as text.

  Args:
    metrics: `Overview` of the run.
    settings: the run's settings, {group: {option: value}}.
    found: pairs (title of the target, `NetworkSpec` of its found network); one target has no title.
    largest: the `NetworkSpec` of the largest network.
    picture: bytes of pareto.png.
    examples: pairs (name of a network, bytes of a .png of what it makes of test images).
    logs: {training: its reports}, for the curves.
    table: the run's `LatencyTable`, if it has one.
    stages: the run's stages.json, see `stage_times`.
  """
  image = base64.b64encode(picture).decode()
  parts = [
    "<h1>NetAdaptV2 run</h1>",
    *(
      f"<p>{html.escape(line)}</p>"
      for line in (
        *doubts.doubt_lines(metrics),
        *tables.metric_lines(metrics),
        tables.trust_line(metrics.run),
      )
    ),
    _networks(metrics),
    f'<img alt="Accuracy over {html.escape(metrics.searched[0].name)}: scored samples, the best '
    f'sample of each iteration, and the finished networks" src="data:image/png;base64,{image}">',
    _rounds(metrics),
    _confirmed(metrics),
    *(_examples(name, content) for name, content in examples),
    _exports(metrics),
    *(_found(title, spec, largest, table) for title, spec in found),
    _training(logs or {}, metrics.run.quality),
    _stages(stages or {}),
    _repeat(settings, metrics.run),
  ]
  body = "\n".join(parts)
  return (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    f"<title>NetAdaptV2 run</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
  )


def _networks(metrics: Overview) -> str:
  rows = tables.network_rows(metrics)
  if not rows:
    return "<p>No network has been trained yet.</p>"
  columns = list(rows[0][1])
  return _table(["", *columns], [(title, *row.values()) for title, row in rows])


def _confirmed(metrics: Overview) -> str:
  """Predicted and measured latency of networks of the search's path."""
  rows = metrics.run.confirmed
  if not rows:
    return ""
  unit = metrics.searched[0].unit
  cells = [
    (
      _confirmed_title(str(row.iteration)),
      f"{row.predicted:.4g}",
      f"{row.measured:.4g}{_mark(row.doubt)}",
      f"{row.measured / row.predicted - 1:+.1%}",
    )
    for row in rows
  ]
  header = ["", f"predicted ({unit})", f"measured ({unit})", "difference"]
  places = [(row.predicted, row.measured) for row in rows]
  picture = charts.chart(
    {"networks of the search's path; on the dashed line both are equal": places},
    f"predicted by the latency table ({unit})",
    f"measured on the device ({unit})",
    f"Measured over predicted latency of {len(rows)} networks; the table below has the numbers.",
    diagonal=True,
    points=True,
  )
  return "<h2>Predicted and measured latency</h2>" + picture + _table(header, cells)


def _mark(doubt: str) -> str:
  return " (unsteady)" if doubt else ""


def _confirmed_title(iteration: str) -> str:
  kind = titles.kind_of(iteration)
  return titles.network_title(iteration) if kind == "found" else f"best of iteration {iteration}"


def _rounds(metrics: Overview) -> str:
  """What each round searched for and found, where a target took more than one."""
  if metrics.rounds < 2:
    return ""
  rows, unit = [], metrics.searched[0].unit
  for part in metrics.parts.values():
    if part.metric is None:
      continue
    asked = part.metric.target
    for one in part.rounds:
      above = f"{one.measured / asked - 1:+.1%}"
      numbers = [f"{value:.4g}" for value in (one.target, one.predicted, one.measured)]
      numbers[-1] += _mark(one.doubt)
      rows.append((f"{asked:.4g}", one.round, *numbers, above))
  header = [f"target ({unit})", "round", "searched for", "predicted", "measured", "to the target"]
  return "<h2>Rounds of the search</h2>" + _table(header, rows)


def _examples(name: str, content: bytes) -> str:
  title = html.escape(f"Test images, {titles.network_title(name)}")
  image = base64.b64encode(content).decode()
  return f'<h2>{title}</h2><img alt="{title}" src="data:image/png;base64,{image}">'


def _found(title: str, found: NetworkSpec, largest: NetworkSpec, table: LatencyTable | None) -> str:
  name = f"The found network, {title}," if title else "The found network"
  header, rows = layers.rows(found, largest, table)
  return (
    f"<h2>{html.escape(name)} beside the initial one</h2>"
    + drawing.draw(found, largest)
    + "<details><summary>Every layer in numbers</summary>"
    + _table(header, rows, css=lambda row: "removed" if row[1] == "removed" else "")
    + "</details>"
  )


def _training(logs: Mapping[str, Sequence[TrainingReport]], quality: str) -> str:
  """Curves of every training that left a log."""
  parts = []
  for title, reports in logs.items():
    if not reports:
      continue
    parts.append(f"<h3>{html.escape(title)}</h3>")
    for field, factor, unit in (("loss", 1, "loss"), ("accuracy", 100, f"{quality} (%)")):
      line = [(report.images / 1000, factor * getattr(report, field)) for report in reports]
      parts.append(
        charts.chart(
          {f"{unit}, mean over the steps since the last point, training images": line},
          "training images (thousands)",
          unit,
          f"{unit} of {title} over its training: from {line[0][1]:.3g} to {line[-1][1]:.3g}.",
        )
      )
  return "<h2>Training</h2>" + "".join(parts) if parts else ""


def _exports(metrics: Overview) -> str:
  """What the comparison of every exported file with its Keras network found."""
  rows = []
  for name, network in metrics.networks.items():
    for mode, record in network.exports.items():
      agreement, lost = record.top_1_agreement, record.accuracy_lost
      rows.append(
        (
          f"{titles.network_title(name)}, {'float32' if mode == 'none' else mode}",
          f"{record.test_accuracy:.2%}",
          "-" if lost is None else f"{lost:+.2f}",
          "-" if agreement is None else f"{agreement:.1%}",
          f"{record.largest_difference:.2g}",
          f"{record.size_bytes:,}",
          f"{record.peak_memory_bytes:,}",
          ", ".join(f"{count} {kind}" for kind, count in record.fallback.items()) or "none",
        )
      )
  if not rows:
    return ""
  header = [
    *(
      "file",
      f"test {metrics.run.quality}",
      "points lost on hold-out",
      "same top-1 as Keras",
    ),
    *("largest difference", "bytes", "activations at their peak (bytes)", "not in XNNPACK"),
  ]
  return "<h2>Exported files against Keras</h2>" + _table(header, rows)


def _stages(stages):
  """How long each stage took, and on what."""
  if not stages:
    return ""
  return (
    "<h2>Where the time went</h2><p>Seconds up to this page, all commands of the run together. "
    "Tracing is Python building graphs, with their first run.</p>"
    + _table(*stage_times.table(stages))
  )


def _repeat(settings: Mapping[str, Mapping[str, Any]], metrics: RunMetrics) -> str:
  given: dict[str, Any] = {}
  for option, value in itertools.chain(*(options.items() for options in settings.values())):
    given |= value if isinstance(value, dict) else {option: value}  # of a task: several flags
  flags = [
    f"--{option}={shlex.quote(str(value))}"
    for option, value in given.items()
    if value is not None and value != ""
  ]
  command = " \\\n  ".join(["nadv2-run", *flags, "--output=FOLDER"])
  seed = "in the command" if metrics.seed is None else metrics.seed
  return (
    "<h2>Everything needed to repeat it</h2>"
    "<p>The command, with every setting of the stages that ran; with references or quantized files "
    "add --references and --quantization.</p>"
    f"<pre>{html.escape(command)}</pre><p>Versions, and the commit of the source:</p>"
    f"<pre>{html.escape(json.dumps(metrics.versions, indent=2))}</pre>"
    f"<p>Seed: {seed}. Seconds of each stage:</p>"
    f"<pre>{html.escape(json.dumps(metrics.seconds))}</pre>"
  )


def _table(header, rows, css=lambda row: ""):
  head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
  lines = []
  for row in rows:
    cells = "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row)
    lines.append(f'<tr class="{css(row)}">{cells}</tr>')
  return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
