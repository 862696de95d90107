"""The stages that export and time, and the reference networks."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from nadv2_tf.export import deployment, parity, predictor
from nadv2_tf.export.metadata import Description
from nadv2_tf.models.forms import with_filters
from nadv2_tf.options.export import INTEGER_QUANTIZATIONS, ExportOptions
from nadv2_tf.pipeline.aim.device import device_of, network_timing
from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.pipeline.aim.several import time_others
from nadv2_tf.pipeline.stages.given.form import ADAPTED, Form, form_of
from nadv2_tf.spec.forms import changed_layers
from nadv2_tf.tasks.chance import chance_of
from nadv2_tf.tasks.examples import Datasets
from nadv2_tf.training.network_files import save_atomically
from nadv2_tf.training.scoring.evaluation import measure

if TYPE_CHECKING:
  import pathlib
  from collections.abc import Callable, Iterable, Sequence

  from nadv2_tf.benchmarks.timing.records import Timing
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.aim.metric import Metric
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.search import Problem
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.tasks.sources import Source
  from nadv2_tf.tasks.task import Task

GATE_IMAGES = parity.IMAGES
#: options of files of any mode
OF_ANY = ("max_accuracy_drop", "model_version", "author", "licence")
SUMMARY = ("test_accuracy", "test_accuracy_tflite", "macs", "parameters", "latency_ms")


def export(
  bench: Workbench,
  model: keras.Model,
  name: str,
  options: ExportOptions | None = None,
  spec: NetworkSpec | None = None,
  progress: Progress | None = None,
  fastest: Callable[[NetworkSpec], NetworkSpec] = lambda spec: spec,
) -> list[pathlib.Path]:
  """Writes `NAME.tflite` in float32, and `NAME_MODE.tflite` if `options` quantize it.

  Every file is compared with the Keras network on hold-out images first; its quality on the test
  set and what the comparison found go into the network's metrics. The task draws its examples.
  Where the run began with a user's network, the files take the images that it took, and
  `adapted.keras` is the found network in its form, which ends as it ended.

  Args:
    bench: a `Workbench`.
    model: the Keras network.
    name: of the network in the run.
    options: `ExportOptions`; None is float32.
    spec: the network's `NetworkSpec`; None reads it from the folder.
    progress: a `Progress`, told what was found; None tells nobody.
    fastest: the form in which a network is the fastest, which float files have; see
      `spec/forms.py`.

  Returns:
    The paths of the files.

  Raises:
    ParityError: if a file does not give what the network gives.
  """
  options, folder = options or ExportOptions(), bench.folder
  paths: list[pathlib.Path]
  exports: dict[str, dict[str, Any]]
  start, paths, exports = time.monotonic(), [], {}
  quality = bench.task.quality_name
  spec = spec or folder.read_spec(name)
  form, fed, quick = form_of(bench.given), model, fastest(spec)
  model, own_spec = form.network(fed, spec)
  written, _ = form.network(with_filters(fed, spec, quick), quick)
  if progress and quick != spec:
    progress.line(f"  {changed_layers(spec, quick)} layers have filters in place of a bypass")
  description = describe(spec.name, bench.datasets.class_names, options, bench.task.output, form)
  for mode in dict.fromkeys(("none", options.quantization)):
    own = options if mode == options.quantization else _float32(options)
    path = file_of(folder, name, mode)
    evidence = in_form(evidence_of(bench.task, bench.datasets), form)
    evidence = dataclasses.replace(evidence, mirror=bench.train_options.mirror)
    record = deployment.export(model, path, own, evidence, description, own_spec, written=written)
    predict = form.predictor(predictor(path))
    accuracy = measure(bench.task, predict, bench.datasets.test).accuracy
    exports[mode] = record | {"test_accuracy": accuracy, "options": dataclasses.asdict(own)}
    paths.append(path)
    if progress:
      for line in deployment.sentences(path, record, quality):
        progress.line(line)
      progress.line(f"  test {quality} {accuracy:.2%}")
  predict = form.predictor(predictor(paths[0]))
  bench.task.draw(predict, bench.datasets.test, folder.examples(name))
  if bench.given and name == "found":
    save_atomically(form.whole(fed, spec).save, folder.keras(ADAPTED))
  plain = exports["none"]
  folder.update_network(
    name,
    test_accuracy_tflite=plain["test_accuracy"],
    tflite_bytes=plain["size_bytes"],
    exports={**folder.network_metrics(name).exports, **exports},
  )
  _add_seconds(folder, name, export=time.monotonic() - start)
  return paths


def file_of(folder: RunFolder, name: str, quantization: str) -> pathlib.Path:
  """Where the file of a network is written: found.tflite, found_int8.tflite."""
  return folder.tflite(name if quantization == "none" else f"{name}_{quantization}")


def timed_quantization(search_options: SearchOptions, export_options: ExportOptions | None) -> str:
  """Which files of a run are timed at its end: those of --search_precision.

  Raises:
    ValueError: if the search is for int8 and nothing is exported so.
  """
  if search_options.search_precision == "float32":
    return "none"
  exported = export_options.quantization if export_options else "none"
  if exported not in INTEGER_QUANTIZATIONS:
    raise ValueError(
      "--search_precision=int8 searches for files that --quantization=int8 or int8_qat makes; got "
      f"--quantization={exported}."
    )
  return exported


def _float32(options: ExportOptions) -> ExportOptions:
  return dataclasses.replace(ExportOptions(), **{name: getattr(options, name) for name in OF_ANY})


def datasets_of(data: Source) -> Datasets:
  """The training images of a source, for a network that was not trained on them here.

  `GATE_IMAGES` of them are for the gate and the others for int8. Of fewer than twice as many the
  gate gets as many as there are, and int8 all: ranges of a handful of images would be worse than
  ranges of those that are compared.
  """
  order = np.random.default_rng(0).permutation(len(data.train))
  gate, others = order[:GATE_IMAGES], order[GATE_IMAGES:]
  is_few = len(others) < GATE_IMAGES
  train: Any = data.train
  return Datasets(
    train if is_few else train.take(others),
    train.take(gate).decoded(),
    data.test,
    data.class_names,
    data.notes,
  )


def evidence_of(task: Task, datasets: Datasets) -> deployment.Evidence:
  """Hold-out images for the gate, training images for int8; test images for neither."""
  holdout = datasets.holdout.take(slice(GATE_IMAGES))

  def mean(measure: Callable[[Any, Any], Any]) -> Callable[[np.ndarray], float]:
    return lambda outputs: float(keras.ops.mean(measure(holdout.labels, outputs.astype("float32"))))

  quality, loss, same = mean(task.quality), mean(task.loss), chance_of(task, holdout.labels)
  return deployment.Evidence(holdout.inputs(), quality, datasets.train, chance=same, loss=loss)


def in_form(evidence: deployment.Evidence, form: Form) -> deployment.Evidence:
  """`evidence` for a network of a form of its own."""
  return dataclasses.replace(
    evidence, images=form.inputs(evidence.images), train=form.examples(evidence.train)
  )


def describe(
  name: str,
  class_names: Iterable[str],
  options: ExportOptions,
  output: str = "",
  form: Form | None = None,
) -> Description:
  """What goes into the metadata, as a `Description`.

  Args:
    name: of the network.
    class_names: of a classifier; else empty.
    options: `ExportOptions`.
    output: what the output means, see `Task.output`.
    form: what the network takes for black and white; None: what a run feeds.
  """
  form = form or Form()
  return Description(
    name=name,
    version=options.model_version,
    author=options.author,
    licence=options.licence,
    labels=tuple(class_names),
    output=output,
    details="Made by nadv2-tf.",
    input_range=(form.low, form.high),
  )


def time_networks(
  networks: Sequence[tuple[RunFolder, str]],
  options: SearchOptions,
  progress: Progress,
  quantization: str = "none",
) -> list[Timing]:
  """Times the files of all networks in turns; the record goes into their metrics.

  With --device=table:FILE there is no device, and nothing is timed.

  Args:
    networks: pairs (`RunFolder`, name).
    options: `SearchOptions`.
    progress: a `Progress`.
    quantization: which files of theirs are timed.
  """
  if not metric_of(options).has_device:
    progress.line(f"the networks were not timed: --device={options.device} is no device")
    return []
  start = time.monotonic()
  paths = [
    folder.need(file_of(folder, name, quantization), "nadv2-export") for folder, name in networks
  ]
  with device_of(options) as device:
    timings = device.time_files(paths, network_timing(options, device, runs=100, repeats=7))
  seconds = (time.monotonic() - start) / len(networks)
  for (folder, name), timing in zip(networks, timings, strict=True):
    folder.update_network(name, timing=vars(timing), latency_ms=timing.latency_ms)
    _add_seconds(folder, name, time=seconds)
    if not timing.steady:
      progress.line(
        f"the timing of {name} in {folder.path} is unsteady: {timing.doubt}; something else keeps "
        "the device busy"
      )
  time_others(networks, paths, options, progress)
  return timings


def record_resource(
  folder: RunFolder, name: str, spec: NetworkSpec, problem: Problem, metric: Metric
) -> None:
  """Notes what a meter of the user's own gives for a network; counts and latency stand there."""
  figures = metric.figures(spec, problem)
  if figures:
    folder.update_network(name, **figures)


def summarise(folder: RunFolder, metric: Metric, largest: float | None = None) -> None:
  """Copies the figures of the found networks to the top of metrics.json.

  With several targets, to the top of each target's metrics.json, and in short into the run's.

  Args:
    folder: the `RunFolder`.
    metric: the run's `Metric`.
    largest: milliseconds of the largest network, timed in turns with the found ones; None if it
      was not timed.
  """
  places = folder.found_folders()
  summaries = [_summarise(place, metric, largest) for place in places]
  if places != [folder]:
    targets = folder.metrics().targets
    folder.update_metrics(
      targets=[one.updated(**summary) for one, summary in zip(targets, summaries, strict=True)]
    )


def _summarise(folder: RunFolder, metric: Metric, largest: float | None) -> dict[str, float | None]:
  found, searched = folder.network_metrics("found"), folder.metrics().metric
  if searched is None:
    raise ValueError(f"{folder.metrics_file} says nothing of the search; nadv2-search makes it.")
  if metric.is_timed and searched.share is None:
    searched = searched.updated(measured=found.latency_ms)
  elif metric.is_timed and largest is not None and searched.share is not None:
    searched = searched.updated(measured=found.latency_ms, target=searched.share * largest)
  # A share of what was not timed now stays as it was confirmed: both of one session.
  figures = ((name, found.figure(name)) for name in SUMMARY)
  summary = {name: value for name, value in figures if value is not None}
  folder.update_metrics(seconds=found.seconds, metric=searched, **summary)
  return {"predicted": searched.predicted, "measured": searched.measured, **summary}


def _add_seconds(folder: RunFolder, name: str, **seconds: float) -> None:
  before = folder.network_metrics(name).seconds
  spent = {stage: round(value, 1) for stage, value in seconds.items()}
  folder.update_network(name, seconds={**before, **spent})
