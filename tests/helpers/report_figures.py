"""Figures of a run as its files have them, as what the report is made of."""

from nadv2_tf.pipeline.report.figures import Overview
from nadv2_tf.pipeline.run_folder.records import NetworkMetrics, RunMetrics, TrainingReport


def run_metrics(metrics):
  """`RunMetrics` of a dict; what a searched metric must have and a test does not say is added."""
  metrics = dict(metrics)
  if "metric" in metrics:
    metrics["metric"] = {"predicted": metrics["metric"]["target"]} | metrics["metric"]
  return RunMetrics.from_json(metrics, "metrics.json")


def reports(*rows):
  """`TrainingReport`s of (images, loss, accuracy)."""
  return [
    TrainingReport(step, len(rows), images, loss, accuracy)
    for step, (images, loss, accuracy) in enumerate(rows, start=1)
  ]


def overview(metrics):
  """`Overview` of a dict; "by_target" has the metrics of each target's folder."""
  metrics = dict(metrics)
  parts = {name: run_metrics(part) for name, part in metrics.pop("by_target", {}).items()}
  networks = {
    name: NetworkMetrics.from_json(network, name)
    for name, network in metrics.pop("networks", {}).items()
  }
  run = run_metrics(metrics)
  return Overview(run, parts or {"": run}, networks)
