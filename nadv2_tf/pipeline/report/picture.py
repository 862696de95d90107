"""`pareto.png`: accuracy over resource, the search's path and the finished networks."""

MARKERS = {"full": "s", "found": "*", "uniform": "D"}
#: points of accuracy under the search's path that the picture shows
BELOW_PATH = 25
TITLES = {
  "full": "full network, fine-tuned",
  "found": "found network, fine-tuned",
  "uniform": "uniformly scaled, fine-tuned",
}


def draw_pareto(entries, metrics, path):
  """Writes the picture.

  Args:
    entries: the journal's entries (`search.journal.read`).
    metrics: the run's metrics.json.
    path: of the .png file.
  """
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  unit = metrics["metric"]["unit"]
  figure = Figure(figsize=(7.2, 5.4), dpi=120, layout="constrained")
  FigureCanvasAgg(figure)
  axes = figure.add_subplot()
  samples = [entry for entry in entries if entry["type"] == "sample"]
  path_entries = [entry for entry in entries if entry["type"] == "iteration"]
  lowest = max(
    100 * min((entry["accuracy"] for entry in path_entries or samples), default=0.0) - BELOW_PATH, 0
  )
  hidden = sum(100 * entry["accuracy"] < lowest for entry in samples)
  axes.scatter(
    [entry["resource"] for entry in samples],
    [100 * entry["accuracy"] for entry in samples],
    s=8,
    color="0.72",
    label=f"{len(samples)} samples, shared weights, hold-out ({hidden} below the picture)",
  )
  axes.plot(
    [entry["resource"] for entry in path_entries],
    [100 * entry["accuracy"] for entry in path_entries],
    ".-",
    color="tab:blue",
    linewidth=1,
    label="best of each iteration",
  )
  for name, network in metrics.get("networks", {}).items():
    value = _resource(network, metrics["metric"])
    if value is not None and network.get("test_accuracy") is not None:
      axes.plot(
        [value],
        [100 * network["test_accuracy"]],
        MARKERS.get(name, "o"),
        markersize=11,
        markeredgecolor="black",
        linestyle="none",
        label=f"{TITLES.get(name, name)}, test set",
      )
  axes.axvline(metrics["metric"]["target"], color="tab:red", linestyle=":", label="target")
  axes.set_xlabel(_axis_title(metrics["metric"]["name"], unit))
  axes.set_ylabel("accuracy (%)")
  axes.set_ylim(bottom=lowest)
  axes.grid(alpha=0.3)
  figure.legend(fontsize=8, loc="outside lower center", ncols=2)  # hides no point
  figure.savefig(path)


def _resource(network, metric):
  key = {"latency_ms": "latency_ms", "macs": "macs", "parameters": "parameters"}[metric["name"]]
  return network.get(key)


def _axis_title(name, unit):
  if name == "latency_ms":
    return "latency (ms): samples by the latency table, finished networks measured"
  return f"{name} ({unit})" if name != unit else name
