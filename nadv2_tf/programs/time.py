"""nadv2-time: time a TFLite file on this machine or on a phone."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import TYPE_CHECKING

from absl import flags

from nadv2_tf.flags.define import define, read
from nadv2_tf.options import TimingSettings
from nadv2_tf.options.timing import DeviceOptions
from nadv2_tf.programs.start import start as start_program

if TYPE_CHECKING:
  from nadv2_tf.benchmarks.timing.device import Timing

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
  flags.DEFINE_bool("json", False, "Print JSON instead of a line.")


def main() -> None:
  from nadv2_tf.benchmarks.timing.devices import open_device
  from nadv2_tf.benchmarks.timing.sustained import sustained

  path = pathlib.Path(FLAGS.tflite)
  if not path.is_file():
    raise ValueError(f"There is no file {path}.")
  check_file(path)
  settings = read(TimingSettings)
  with open_device(
    FLAGS.device, FLAGS.benchmark_binary, FLAGS.benchmark_url, FLAGS.host_runner
  ) as device:
    (timing,) = device.time_files([path], settings)
    use = sustained(device, path, settings, FLAGS.sustained) if FLAGS.sustained else None
  if FLAGS.json:
    record = dataclasses.asdict(timing)
    if use:
      record["sustained"] = dataclasses.asdict(use)
    print(json.dumps(record, indent=2))
    return
  print(describe(path, timing))
  if use:
    print(f"  {use.describe()}")


def check_file(path: pathlib.Path) -> None:
  """Raises ValueError for a file whose inputs have no size: it would be timed at one pixel."""
  from nadv2_tf.export.tflite import AnySize, interpreter

  try:
    interpreter(path)
  except AnySize as error:
    raise ValueError(f"{path}: {error}") from None
  except ValueError:
    return  # whoever times it says what it cannot do with it


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
