"""nadv2-time: time a TFLite file on this machine, on a phone, or on several in turn."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import TYPE_CHECKING, Any

from absl import flags

from nadv2_tf.flags.define import define, read
from nadv2_tf.options import TimingSettings
from nadv2_tf.options.timing import DeviceOptions, device_names
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow

if TYPE_CHECKING:
  import numpy as np

  from nadv2_tf.benchmarks.timing.device import Device
  from nadv2_tf.benchmarks.timing.records import Timing

FLAGS = flags.FLAGS


def define_flags() -> None:
  flags.DEFINE_string("tflite", None, "The .tflite file to time.", required=True)
  define(DeviceOptions)
  define(TimingSettings)
  flags.DEFINE_float(
    "sustained",
    None,
    "Also run the file for so many seconds without a rest, and tell the latency at their beginning "
    "and at their end.",
    lower_bound=1.0,
  )
  flags.DEFINE_bool(
    "check_outputs",
    False,
    "Also run the file on a few images with the same delegate, and fail if the device gives "
    "something else than LiteRT does on this machine.",
  )
  flags.DEFINE_string(
    "data", None, "Data whose hold-out images --check_outputs takes; default: noise."
  )
  flags.DEFINE_bool("json", False, "Print JSON instead of a line; of several devices a list.")


def main() -> None:
  from nadv2_tf.benchmarks.timing.devices import open_device

  path = pathlib.Path(FLAGS.tflite)
  if not path.is_file():
    raise ValueError(f"There is no file {path}.")
  check_file(path)
  settings = read(TimingSettings)
  # All before the first is timed, so that a name that is none costs no timing of the others.
  devices = [
    open_device(name, FLAGS.benchmark_binary, FLAGS.benchmark_url, FLAGS.host_runner)
    for name in device_names(FLAGS.device)
  ]
  timed = [_timed(path, device, settings) for device in devices]
  if FLAGS.json:
    records = [
      dataclasses.asdict(timing)
      | {name: dataclasses.asdict(found) for name, found in further.items()}
      for timing, further in timed
    ]
    print(json.dumps(records if len(records) > 1 else records[0], indent=2))
    return
  for timing, further in timed:
    print(describe(path, timing))
    for found in further.values():
      print(f"  {found.describe()}")


def _timed(
  path: pathlib.Path, device: Device, settings: TimingSettings
) -> tuple[Timing, dict[str, Any]]:
  """(the file's timing on a device, {what else was asked for: what came of it})."""
  from nadv2_tf.benchmarks.timing.outputs import check_outputs, require
  from nadv2_tf.benchmarks.timing.sustained import sustained

  further: dict[str, Any] = {}
  with device:
    if FLAGS.check_outputs:  # first: of wrong numbers no latency is wanted
      images, source = images_for(path)
      further["outputs"] = check_outputs(device, path, images, source, settings)
      require(further["outputs"], path)
    (timing,) = device.time_files([path], settings)
    if FLAGS.sustained:
      further["sustained"] = sustained(device, path, settings, FLAGS.sustained)
  return timing, further


def check_file(path: pathlib.Path) -> None:
  """Raises ValueError for a file whose inputs have no size: it would be timed at one pixel."""
  from nadv2_tf.export.tflite import AnySize, interpreter

  try:
    interpreter(path)
  except AnySize as error:
    raise ValueError(f"{path}: {error}") from None
  except ValueError:
    return  # whoever times it says what it cannot do with it


def images_for(path: pathlib.Path) -> tuple[np.ndarray, str]:
  """(images as a file takes them, what they are): of --data, or noise without."""
  from nadv2_tf.benchmarks.timing.outputs import IMAGES, noise

  if not FLAGS.data:
    return noise(path), "images of noise"
  start_tensorflow("nadv2-time --data")
  from nadv2_tf import tasks
  from nadv2_tf.pipeline.stages.given import file

  network = file.of_tflite(path, f"--tflite={path}")
  task = tasks.task_type(network.output_shape())(FLAGS.data, network.size(), IMAGES, 0)
  data = task.datasets()
  network.check_data(task, data, f"--data={FLAGS.data}")
  images = data.holdout.take(slice(IMAGES)).inputs()
  return network.form.inputs(images), f"hold-out images of {FLAGS.data}"


def describe(path: pathlib.Path, timing: Timing) -> str:
  """A timing in a few lines."""
  p95 = "" if timing.p95_ms is None else f", {timing.p95_ms:.4g} ms p95"
  if timing.disturbed is not None:
    p95 = f" (all runs: median {timing.median_ms:.4g} ms{p95}, {timing.disturbed:.1%} disturbed)"
  lines = [
    f"{path}: {timing.latency_ms:.4g} ms {timing.statistic}{p95}, spread of {timing.repeats} "
    f"repeats {timing.spread:.1%}, {timing.num_threads} thread(s), {timing.runtime}, "
    f"{timing.device}"
  ]
  if timing.nodes is not None:
    lines.append(
      f"  {timing.delegate}: {timing.delegate_nodes} of {timing.nodes} nodes, {timing.partitions} "
      "partition(s)"
    )
  if not timing.steady:
    lines.append(f"  unsteady: something else keeps the device busy: {timing.doubt}")
  lines += [f"  {note}" for note in timing.notes]
  return "\n".join(lines)


def start() -> None:
  define_flags()
  start_program(main)


if __name__ == "__main__":
  start()
