"""The stages that export and time, and the reference networks."""

import time

from nadv2_tf.benchmarks.host import HostLatencyMeter, time_files
from nadv2_tf.export import predictor, to_tflite
from nadv2_tf.search.uniform import scaled_to
from nadv2_tf.training.evaluation import evaluate

#: a reference counts as equally fast within this share of the found network's latency
SAME_LATENCY = 0.02
SCALING_ROUNDS = 4


def export(bench, model, name):
  """Writes `NAME.tflite`; its test accuracy goes into the network's metrics."""
  folder, start = bench.folder, time.monotonic()
  path = to_tflite(model, folder.tflite(name))
  classes = len(bench.datasets.class_names)
  accuracy = evaluate(predictor(path), bench.datasets.test, classes).accuracy
  _add(folder, name, test_accuracy_tflite=accuracy, size_bytes=path.stat().st_size)
  _add_seconds(folder, name, export=time.monotonic() - start)
  return path


def time_networks(folder, names, num_threads):
  """Times `NAME.tflite` of all networks in turns; the record goes into their metrics."""
  start = time.monotonic()
  paths = [folder.need(folder.tflite(name), "nadv2-export") for name in names]
  timings = time_files(paths, num_threads, runs=100, repeats=7, seconds=0.1)
  seconds = (time.monotonic() - start) / len(names)
  for name, timing in zip(names, timings, strict=True):
    _add(folder, name, timing=vars(timing), latency_ms=timing.median_ms)
    _add_seconds(folder, name, time=seconds)
  return timings


def equally_fast(bench, problem, found, options):
  """The widest uniformly scaled network that is as fast as `found`.

  For a counted metric the count decides. For latency the table leads and whole networks decide:
  found and scaled network are timed in turns, and the table's goal is corrected by their ratio.
  """
  space = bench.space
  goal = problem.meter.measure(found)
  if options.metric != "latency_ms":
    return scaled_to(space, problem.meter.measure, goal)
  meter = HostLatencyMeter(options.num_threads, repeats=7, seconds=0.1)
  best = None
  for _ in range(SCALING_ROUNDS):
    candidate = scaled_to(space, problem.meter.measure, goal)
    found_ms, candidate_ms = meter.measure_all([found, candidate])
    ratio = candidate_ms / found_ms
    if best is None or abs(ratio - 1) < best[0]:
      best = (abs(ratio - 1), candidate)
    if abs(ratio - 1) <= SAME_LATENCY:
      break
    goal /= ratio
  return best[1]


def summarise(folder, options):
  """Copies the found network's figures to the top of metrics.json."""
  metrics = folder.metrics()
  found = metrics["networks"]["found"]
  metric = dict(metrics["metric"])
  if options.metric == "latency_ms":
    metric["measured"] = found["latency_ms"]
  folder.update_metrics(
    seconds=found["seconds"],
    metric=metric,
    **{
      key: found[key]
      for key in ("test_accuracy", "test_accuracy_tflite", "macs", "parameters", "latency_ms")
    },
  )


def _add_seconds(folder, name, **seconds):
  before = folder.metrics()["networks"][name].get("seconds", {})
  _add(folder, name, seconds=before | {key: round(value, 1) for key, value in seconds.items()})


def _add(folder, name, **values):
  networks = folder.metrics().get("networks", {})
  networks[name] = networks.get(name, {}) | values
  folder.update_metrics(networks=networks)
