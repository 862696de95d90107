"""The table that a run ends with, as text and as rows for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.pipeline.report.doubts import doubt_lines
from nadv2_tf.pipeline.report.titles import TITLES, kind_of, network_title

if TYPE_CHECKING:
  from collections.abc import Iterable, Mapping

  from nadv2_tf.pipeline.report.figures import Overview
  from nadv2_tf.pipeline.run_folder.records import NetworkMetrics, RunMetrics, SearchedMetric

ORDER = tuple(TITLES)
STAGES = (
  "full", "train", "table", "search", "confirm", "references", "finetune", "export", "time",
)  # fmt: skip
#: those whose seconds are spent for the networks of a kind, and for no network alone
SHARED = {
  "found": ("full", "train", "table", "search", "confirm"),
  "uniform": ("full", "references"),
  "full": ("full",),
}
#: further stages whose seconds stand in the column of one
HALVES = {
  "train": ("train later half", "train earlier half"),
  "search": ("search later half",),
}

#: of metrics that have a column of their own
COLUMNS = ("latency_ms", "macs", "parameters")


def network_rows(metrics: Overview) -> list[tuple[str, dict[str, str]]]:
  """[(title, {column: text})] of the networks of a run, in the order of `TITLES`, others last.

  Every row has the seconds of all that its network needed: those of the full network, which all
  begin with; of super-network, table, search and confirmation, which serve the found ones, one
  search all of them; of looking for the uniformly scaled ones. With --order=paper there is no full
  network before the super-network, and all are cut out of that.
  """
  rows, networks, seconds = [], metrics.networks, metrics.run.seconds
  devices = dict.fromkeys(device for network in networks.values() for device in network.devices)
  for name in [*ORDER, *(name for name in networks if name not in ORDER)]:
    if name in networks:
      stages = SHARED.get(kind_of(name), ())
      if "full" not in seconds or networks[name].begins_with == "super-network":
        stages = ("train", *stages)
      shared = {stage: _together(seconds, stage) for stage in stages}
      own = _own_column(metrics, name)
      columns = _columns(networks[name], shared, own, metrics.run.quality, devices)
      rows.append((network_title(name), columns))
  return rows


def _together(seconds: Mapping[str, float], stage: str) -> float | None:
  """Seconds of a stage and of those that stand in its column, None if there are none."""
  known = [seconds[one] for one in (stage, *HALVES.get(stage, ())) if one in seconds]
  return sum(known) if known else None


def resource_of(metrics: Overview, name: str) -> float | None:
  """The searched resource of a network of the run, None if nobody measured it."""
  network, metric = metrics.networks[name], metrics.searched_for(name)
  if metric.name == "latency_ms":
    return network.latency_ms
  predicted = metric.predicted if kind_of(name) == "found" else None
  own = (network.figure(metric.name), network.resource, predicted)
  return next((value for value in own if value is not None), None)


def _own_column(metrics: Overview, name: str) -> dict[str, str]:
  """{title: value} of a searched resource that has no column in every table."""
  for metric in metrics.searched[:1]:
    if metric.name not in COLUMNS:
      value = _format(resource_of(metrics, name), "{:,.6g} " + metric.unit)
      return {metric.name.rpartition(":")[2]: value}
  return {}


def _columns(
  network: NetworkMetrics,
  shared_seconds: dict[str, float | None],
  own: Mapping[str, str],
  quality: str,
  devices: Iterable[str],
) -> dict[str, str]:
  seconds, measures = {**shared_seconds, **network.seconds}, network.measures
  return {
    f"test {quality}": _format(network.test_accuracy, "{:.2%}"),
    "in TFLite": _format(network.test_accuracy_tflite, "{:.2%}"),
    **{title: _format(value, "{:.4g}") for title, value in measures.items() if title != quality},
    **own,
    "latency": _format(network.latency_ms, "{:.3f} ms"),
    **{device: _format(_on(network, device), "{:.3f} ms") for device in devices},
    "MACs": _format(_millions(network.macs), "{:.3f} M"),
    "parameters": _format(network.parameters, "{:,}"),
    **{stage: _format(seconds.get(stage), "{:.0f} s") for stage in STAGES},
  }


def _on(network: NetworkMetrics, device: str) -> float | None:
  """Milliseconds on another one of several devices, None if nobody measured it."""
  measured = network.devices.get(device)
  return measured.latency_ms if measured else None


def _millions(count: float | None) -> float | None:
  return None if count is None else count / 1e6


def _format(value: float | None, pattern: str) -> str:
  return "-" if value is None else pattern.format(value)


def text_table(metrics: Overview) -> str:
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
  closing = [*metric_lines(metrics), trust_line(metrics.run), *doubt_lines(metrics)]
  return "\n".join([*lines, *closing])


def trust_line(metrics: RunMetrics) -> str:
  """How well the search's scores rank networks as training ranks them."""
  trust = metrics.trust
  if trust is None:
    return "trust in the search's scores: not asked for (--trust_samples)"
  if trust.tau is None or trust.interval is None or trust.tau_of_resource is None:
    return (
      f"trust in the search's scores: not known, only {trust.networks} of its samples can be "
      "trained"
    )
  low, high = trust.interval
  return (
    f"trust in the search's scores: Kendall's tau {trust.tau:.2f} (95 %: {low:.2f} to "
    f"{high:.2f}) with the test {metrics.quality} after {trust.epochs:g} epochs, over "
    f"{trust.networks} of its samples; the resource alone has {trust.tau_of_resource:.2f}"
  )


def metric_lines(metrics: Overview) -> list[str]:
  """Target, prediction and measurement of the searched resource, a line for each target.

  Of several devices all but the first have a line for their limit.
  """
  lines = [_metric_line(metric) for metric in metrics.searched]
  if lines:
    lines[-1] += (
      f"; {metrics.run.samples_scored} samples in {metrics.run.iterations} iterations"
      + (f" of {metrics.rounds} rounds" if metrics.rounds > 1 else "")
    )
  lines += [
    _limit_line(device, measured.limit_ms, measured.latency_ms)
    for name, network in metrics.networks.items()
    for device, measured in network.devices.items()
    if kind_of(name) == "found" and measured.limit_ms
  ]
  notes = metrics.run.search_notes
  told = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in notes.items())
  return [*lines, f"the search on itself: {told}"] if told else lines


def _metric_line(metric: SearchedMetric) -> str:
  parts = [
    f"{metric.name}: target {metric.target:.4g} {metric.unit}",
    f"predicted {metric.predicted:.4g}",
    "not measured" if metric.measured is None else f"measured {metric.measured:.4g}",
  ]
  return ", ".join(parts)


def _limit_line(device: str, limit_ms: float, measured_ms: float) -> str:
  over = measured_ms / limit_ms - 1
  return (
    f"{device}: limit {limit_ms:.4g} ms, measured {measured_ms:.4g}, "
    f"{abs(over):.1%} {'above' if over > 0 else 'below'} it"
  )
