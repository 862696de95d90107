"""The stages that export and time, and the reference networks."""

import time

from nadv2_tf.benchmarks.meter import DeviceMeter
from nadv2_tf.export import predictor, to_tflite
from nadv2_tf.pipeline import metering
from nadv2_tf.resources import COUNTS
from nadv2_tf.search.uniform import scaled_to
from nadv2_tf.training.evaluation import measure

#: a reference counts as equally fast within this share of the found network's latency
SAME_LATENCY = 0.02
SCALING_ROUNDS = 4
SUMMARY = ("test_accuracy", "test_accuracy_tflite", "macs", "parameters", "latency_ms")


def export(bench, model, name):
  """Writes `NAME.tflite`, and the task's picture; the test accuracy goes into the metrics."""
  folder, start = bench.folder, time.monotonic()
  path = to_tflite(model, folder.tflite(name))
  accuracy = measure(bench.task, predictor(path), bench.datasets.test).accuracy
  bench.task.draw(predictor(path), bench.datasets.test, folder.examples(name))
  _add(folder, name, test_accuracy_tflite=accuracy, tflite_bytes=path.stat().st_size)
  _add_seconds(folder, name, export=time.monotonic() - start)
  return path


def time_networks(networks, options, progress):
  """Times the files of all networks in turns; the record goes into their metrics.

  With --device=table:FILE there is no device, and nothing is timed.

  Args:
    networks: pairs (`RunFolder`, name).
    options: `SearchOptions`.
    progress: a `Progress`.
  """
  if options.device.startswith(metering.TABLE_DEVICE):
    progress.line(f"the networks were not timed: --device={options.device} is no device")
    return []
  start = time.monotonic()
  paths = [folder.need(folder.tflite(name), "nadv2-export") for folder, name in networks]
  settings = metering.timing_settings(options, runs=100, repeats=7, seconds=0.1)
  with metering.device_of(options) as device:
    timings = device.time_files(paths, settings)
  seconds = (time.monotonic() - start) / len(networks)
  for (folder, name), timing in zip(networks, timings, strict=True):
    _add(folder, name, timing=vars(timing), latency_ms=timing.median_ms)
    _add_seconds(folder, name, time=seconds)
    if not timing.steady:
      progress.line(
        f"the timing of {name} in {folder.path} is unsteady: its repeats lie {timing.spread:.0%} "
        "apart, something else keeps the device busy"
      )
  return timings


def record_resource(folder, name, spec, problem, options):
  """Notes what a meter of the user's own gives for a network; counts and latency stand there."""
  if options.metric not in (metering.LATENCY, *COUNTS):
    _add(folder, name, resource=problem.meter.measure(spec))


def equally_fast(bench, problem, found, options):
  """The widest uniformly scaled network that is as fast as `found`.

  For a counted metric the count decides, for --device=table:FILE the table. For latency on a device
  the table leads and whole networks decide: found and scaled network are timed in turns, and the
  table's goal is corrected by their ratio.
  """
  goal = problem.meter.measure(found)
  if not metering.is_timed(options):
    return scaled_to(bench.space, problem.meter.measure, goal)
  with metering.device_of(options) as device:
    settings = metering.timing_settings(options, repeats=7, seconds=0.1)
    return _timed_equally_fast(
      bench.space, problem.meter, found, goal, DeviceMeter(device, settings)
    )


def _timed_equally_fast(space, table, found, goal, meter):
  best = None
  for _ in range(SCALING_ROUNDS):
    candidate = scaled_to(space, table.measure, goal)
    found_ms, candidate_ms = meter.measure_all([found, candidate])
    ratio = candidate_ms / found_ms
    if best is None or abs(ratio - 1) < best[0]:
      best = (abs(ratio - 1), candidate)
    if abs(ratio - 1) <= SAME_LATENCY:
      break
    goal /= ratio
  return best[1]


def summarise(folder, options):
  """Copies the figures of the found networks to the top of metrics.json.

  With several targets, to the top of each target's metrics.json, and in short into the run's.
  """
  places = folder.found_folders()
  summaries = [_summarise(place, options) for place in places]
  if places != [folder]:
    targets = folder.metrics()["targets"]
    folder.update_metrics(
      targets=[entry | summary for entry, summary in zip(targets, summaries, strict=True)]
    )


def _summarise(folder, options):
  metrics = folder.metrics()
  found = metrics["networks"]["found"]
  metric = dict(metrics["metric"])
  if metering.is_timed(options):
    metric["measured"] = found["latency_ms"]
  summary = {key: found[key] for key in SUMMARY if key in found}
  folder.update_metrics(seconds=found["seconds"], metric=metric, **summary)
  return {"predicted": metric["predicted"], "measured": metric["measured"], **summary}


def _add_seconds(folder, name, **seconds):
  before = folder.metrics()["networks"][name].get("seconds", {})
  _add(folder, name, seconds=before | {key: round(value, 1) for key, value in seconds.items()})


def _add(folder, name, **values):
  networks = folder.metrics().get("networks", {})
  networks[name] = networks.get(name, {}) | values
  folder.update_metrics(networks=networks)
