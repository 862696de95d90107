"""The stages that export and time, and the reference networks."""

import dataclasses
import time

import keras

from nadv2_tf.benchmarks.meter import DeviceMeter
from nadv2_tf.export import deployment, parity, predictor
from nadv2_tf.export.metadata import Description
from nadv2_tf.export.quantization import INTEGER_MODES
from nadv2_tf.pipeline import metering
from nadv2_tf.resources import COUNTS
from nadv2_tf.search.uniform import scaled_to
from nadv2_tf.training.evaluation import measure

#: a reference counts as equally fast within this share of the found network's latency
SAME_LATENCY = 0.02
GATE_IMAGES = parity.IMAGES
SCALING_ROUNDS = 4
SUMMARY = ("test_accuracy", "test_accuracy_tflite", "macs", "parameters", "latency_ms")


def export(bench, model, name, options=None, spec=None, progress=None):
  """Writes `NAME.tflite` in float32, and `NAME_MODE.tflite` if `options` quantize it.

  Every file is compared with the Keras network on hold-out images first; its quality on the test
  set and what the comparison found go into the network's metrics. The task draws its examples.

  Args:
    bench: a `Workbench`.
    model: the Keras network.
    name: of the network in the run.
    options: `deployment.ExportOptions`; None is float32.
    spec: the network's `NetworkSpec`; None reads it from the folder.
    progress: a `Progress`, told what was found; None tells nobody.

  Returns:
    The paths of the files.

  Raises:
    ParityError: if a file does not give what the network gives.
  """
  options, folder = options or deployment.ExportOptions(), bench.folder
  start, paths, exports = time.monotonic(), [], {}
  quality = bench.task.quality_name
  spec = spec or folder.read_spec(name)
  description = describe(spec.name, bench.datasets.class_names, options, bench.task.output)
  for mode in dict.fromkeys(("none", options.quantization)):
    own = options if mode == options.quantization else _float32(options)
    path = file_of(folder, name, mode)
    evidence = dataclasses.replace(
      evidence_of(bench.task, bench.datasets), mirror=bench.train_options.mirror
    )
    record = deployment.export(model, path, own, evidence, description, spec)
    accuracy = measure(bench.task, predictor(path), bench.datasets.test).accuracy
    exports[mode] = record | {"test_accuracy": accuracy, "options": dataclasses.asdict(own)}
    paths.append(path)
    if progress:
      for line in deployment.sentences(path, record, quality):
        progress.line(line)
      progress.line(f"  test {quality} {accuracy:.2%}")
  bench.task.draw(predictor(paths[0]), bench.datasets.test, folder.examples(name))
  plain = exports["none"]
  _add(
    folder,
    name,
    test_accuracy_tflite=plain["test_accuracy"],
    tflite_bytes=plain["size_bytes"],
    exports=folder.metrics()["networks"][name].get("exports", {}) | exports,
  )
  _add_seconds(folder, name, export=time.monotonic() - start)
  return paths


def file_of(folder, name, quantization):
  """Where the file of a network is written: found.tflite, found_int8.tflite."""
  return folder.tflite(name if quantization == "none" else f"{name}_{quantization}")


def timed_quantization(search_options, export_options):
  """Which files of a run are timed at its end: those of --search_precision.

  Raises:
    ValueError: if the search is for int8 and nothing is exported so.
  """
  if search_options.search_precision == "float32":
    return "none"
  exported = export_options.quantization if export_options else "none"
  if exported not in INTEGER_MODES:
    raise ValueError(
      "--search_precision=int8 searches for files that --quantization=int8 or int8_qat makes; got "
      f"--quantization={exported}."
    )
  return exported


def _float32(options):
  return dataclasses.replace(options, quantization="none", integer_io=False, float_layers=0)


def evidence_of(task, datasets):
  """Hold-out images for the gate, training images for int8; test images for neither."""
  holdout = datasets.holdout.take(slice(GATE_IMAGES))

  def quality(outputs):
    values = task.quality(holdout.labels, outputs.astype("float32"))
    return float(keras.ops.mean(values))

  return deployment.Evidence(holdout.inputs(), quality, datasets.train)


def describe(name, class_names, options, output=""):
  """What goes into the metadata, as a `Description`.

  Args:
    name: of the network.
    class_names: of a classifier; else empty.
    options: `deployment.ExportOptions`.
    output: what the output means, see `Task.output`.
  """
  return Description(
    name=name,
    version=options.model_version,
    author=options.author,
    licence=options.licence,
    labels=tuple(class_names),
    output=output,
    details="Made by nadv2-tf.",
  )


def time_networks(networks, options, progress, quantization="none"):
  """Times the files of all networks in turns; the record goes into their metrics.

  With --device=table:FILE there is no device, and nothing is timed.

  Args:
    networks: pairs (`RunFolder`, name).
    options: `SearchOptions`.
    progress: a `Progress`.
    quantization: which files of theirs are timed.
  """
  if options.device.startswith(metering.TABLE_DEVICE):
    progress.line(f"the networks were not timed: --device={options.device} is no device")
    return []
  start = time.monotonic()
  paths = [
    folder.need(file_of(folder, name, quantization), "nadv2-export") for folder, name in networks
  ]
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
