"""The table that a run ends with, as text and as rows for the report."""

TITLES = {
  "full": "full network",
  "found": "found network",
  "uniform": "uniformly scaled",
}
ORDER = ("full", "found", "uniform")
STAGES = ("train", "table", "search", "confirm", "finetune", "export", "time")


def network_rows(metrics):
  """[(title, {column: text})] of the networks of a run, the full one first.

  Seconds of the super-network are in every row: all networks are cut from it. Seconds of table,
  search and confirmation are the found network's alone.
  """
  rows = []
  networks = metrics.get("networks", {})
  for name in [*ORDER, *sorted(set(networks) - set(ORDER))]:
    if name in networks:
      shared = {"train": metrics.get("seconds", {}).get("train")}
      if name == "found":
        shared |= {key: metrics["seconds"].get(key) for key in ("table", "search", "confirm")}
      rows.append((TITLES.get(name, name), _columns(networks[name], shared)))
  return rows


def _columns(network, shared_seconds):
  seconds = shared_seconds | network.get("seconds", {})
  return {
    "test accuracy": _format(network.get("test_accuracy"), "{:.2%}"),
    "in TFLite": _format(network.get("test_accuracy_tflite"), "{:.2%}"),
    "latency": _format(network.get("latency_ms"), "{:.3f} ms"),
    "MACs": _format(_millions(network.get("macs")), "{:.3f} M"),
    "parameters": _format(network.get("parameters"), "{:,}"),
    **{stage: _format(seconds.get(stage), "{:.0f} s") for stage in STAGES},
  }


def _millions(count):
  return None if count is None else count / 1e6


def _format(value, pattern):
  return "-" if value is None else pattern.format(value)


def text_table(metrics):
  """The closing table of a run as plain text."""
  rows = network_rows(metrics)
  lines = []
  if rows:
    columns = list(rows[0][1])
    width = max(len(title) for title, _ in rows)
    widths = [max(len(column), *(len(row[column]) for _, row in rows)) for column in columns]
    header = [column.rjust(size) for column, size in zip(columns, widths, strict=True)]
    lines.append("  ".join([" " * width, *header]))
    for title, row in rows:
      cells = [row[column].rjust(size) for column, size in zip(columns, widths, strict=True)]
      lines.append("  ".join([title.ljust(width), *cells]))
  lines.append(metric_line(metrics))
  return "\n".join(line for line in lines if line)


def metric_line(metrics):
  """Target, prediction and measurement of the searched resource in one line."""
  metric = metrics.get("metric")
  if not metric:
    return ""
  measured = metric.get("measured")
  parts = [
    f"{metric['name']}: target {metric['target']:.4g} {metric['unit']}",
    f"predicted {metric['predicted']:.4g}",
    "not measured" if measured is None else f"measured {measured:.4g}",
  ]
  counts = (
    f"{metrics.get('samples_scored', 0)} samples in {metrics.get('iterations', 0)} iterations"
  )
  return ", ".join(parts) + f"; {counts}"
