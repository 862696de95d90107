"""`report.html`: one self-contained page about a run."""

import base64
import html
import json

from nadv2_tf.pipeline.report import tables

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 1rem auto; padding: 0 1rem;
       color: #1b1b1b; background: #fff; }
table { border-collapse: collapse; display: block; overflow-x: auto; margin: 1rem 0; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ccc; text-align: right;
         white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
tr.removed td { color: #777; }
img { max-width: 100%; height: auto; }
code, pre { background: #f3f3f3; }
pre { overflow-x: auto; padding: .5rem; }
"""


def render(metrics, settings, found, largest, picture):
  """The page as text.

  Args:
    metrics: the run's metrics (`report.overview`).
    settings: the run's settings, {group: {option: value}}.
    found: pairs (title of the target, `NetworkSpec` of its found network); one target has no title.
    largest: the `NetworkSpec` of the largest network.
    picture: bytes of pareto.png.
  """
  metric = tables.metrics_of_targets(metrics)[0]
  image = base64.b64encode(picture).decode()
  parts = [
    "<h1>NetAdaptV2 run</h1>",
    *(
      f"<p>{html.escape(line)}</p>"
      for line in (*tables.metric_lines(metrics), tables.trust_line(metrics))
    ),
    _networks(metrics),
    f'<img alt="Accuracy over {html.escape(metric["name"])}: scored samples, the best '
    f'sample of each iteration, and the finished networks" src="data:image/png;base64,{image}">',
    _rounds(metrics),
    _confirmed(metrics),
    *(_found(title, spec, largest) for title, spec in found),
    "<h2>Everything needed to repeat it</h2>",
    f"<pre>{html.escape(json.dumps(settings, indent=2))}</pre>",
    f"<pre>{html.escape(json.dumps(metrics.get('versions', {}), indent=2))}</pre>",
  ]
  body = "\n".join(parts)
  return (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    f"<title>NetAdaptV2 run</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
  )


def _networks(metrics):
  rows = tables.network_rows(metrics)
  if not rows:
    return "<p>No network has been trained yet.</p>"
  columns = list(rows[0][1])
  return _table(["", *columns], [(title, *row.values()) for title, row in rows])


def _confirmed(metrics):
  """Predicted and measured latency of networks of the search's path."""
  rows = metrics.get("confirmed", [])
  if not rows:
    return ""
  unit = tables.metrics_of_targets(metrics)[0]["unit"]
  cells = [
    (
      _confirmed_title(row["iteration"]),
      f"{row['predicted']:.4g}",
      f"{row['measured']:.4g}",
      f"{row['measured'] / row['predicted'] - 1:+.1%}",
    )
    for row in rows
  ]
  header = ["", f"predicted ({unit})", f"measured ({unit})", "difference"]
  return "<h2>Predicted and measured latency</h2>" + _table(header, cells)


def _confirmed_title(iteration):
  kind = tables.kind_of(str(iteration))
  return tables.network_title(iteration) if kind == "found" else f"best of iteration {iteration}"


def _rounds(metrics):
  """What each round searched for and found, where a target took more than one."""
  parts = metrics.get("by_target", {"": metrics})
  if all(len(part.get("rounds", [])) < 2 for part in parts.values()):
    return ""
  rows = []
  for part in parts.values():
    asked, unit = part["metric"]["target"], part["metric"]["unit"]
    for one in part.get("rounds", []):
      values = (one["target"], one["predicted"], one["measured"])
      above = f"{one['measured'] / asked - 1:+.1%}"
      rows.append((f"{asked:.4g}", one["round"], *(f"{value:.4g}" for value in values), above))
  header = [f"target ({unit})", "round", "searched for", "predicted", "measured", "to the target"]
  return "<h2>Rounds of the search</h2>" + _table(header, rows)


def _found(title, found, largest):
  name = f"The found network, {title}," if title else "The found network"
  return f"<h2>{html.escape(name)} beside the largest one</h2>" + _blocks(found, largest)


def _blocks(found, largest):
  """Kept filters and kernel of every block, found of largest."""
  rows = []
  for index, (block, full) in enumerate(zip(found.blocks, largest.blocks, strict=True)):
    widths = block.widths()
    removed = bool(widths) and not any(widths.values())
    cells = [f"{field} {kept} of {full.widths()[field]}" for field, kept in widths.items()]
    kernel = getattr(block, "kernel", None)
    kernel = f"{kernel} of {full.kernel}" if kernel and not removed else ""
    height, width, channels = found.block_outputs()[index]
    bypassed = sum(layer.bypassed for layer in found.layers()[index])
    rows.append(
      (
        f"{index + 1} {block.kind}",
        "removed" if removed else "; ".join(cells),
        kernel,
        f"{bypassed or ''}",
        f"{height}x{width}x{channels}",
        f"{sum(layer.macs() for layer in found.layers()[index]):,}",
      )
    )
  header = ["block", "kept filters", "kernel", "bypassed channels", "output", "MACs"]
  return _table(header, rows, css=lambda row: "removed" if row[1] == "removed" else "")


def _table(header, rows, css=lambda row: ""):
  head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
  lines = []
  for row in rows:
    cells = "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row)
    lines.append(f'<tr class="{css(row)}">{cells}</tr>')
  return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
