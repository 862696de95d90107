"""How well a latency predictor predicts networks that it never saw, beside the table it learned.

  python -m nadv2_tf.benchmarks.studies.predictor --backbone=netadaptv2_latency --image_size=96

Measures a table, trains a predictor on networks summed from it and some that are timed, and times
others, spread evenly over the range of the table.
"""

from __future__ import annotations

import datetime
import sys
import time

from absl import app, flags

from nadv2_tf.benchmarks.tables.measurement import TableMeasurement
from nadv2_tf.benchmarks.tables.predictor import Amounts, train_predictor
from nadv2_tf.benchmarks.timing.devices import open_device
from nadv2_tf.flags.define import define, read_space
from nadv2_tf.options import NetworkOptions, SearchOptions, TimingSettings

FLAGS = flags.FLAGS
HELD_OUT = flags.DEFINE_integer("held_out", 200, "Networks that the error is told of.")
TIMED = flags.DEFINE_integer("timed", Amounts.timed, "Networks timed to correct the predictor.")
SUMMED = flags.DEFINE_integer("summed", Amounts.summed, "Networks whose sums it learns.")
KEEP = flags.DEFINE_string(
  "keep", None, "Keeps what was timed in this file's .partial, so that a killed study goes on."
)


def main(_: list[str]) -> None:
  space = read_space()
  settings = TimingSettings(FLAGS.num_threads, FLAGS.cpu_mask, FLAGS.delegate)
  amounts = Amounts(SUMMED.value, TIMED.value, HELD_OUT.value)
  with open_device(FLAGS.device, FLAGS.benchmark_binary, FLAGS.benchmark_url) as device:
    measurement = TableMeasurement(space, device, settings, KEEP.value)
    start = time.monotonic()
    table = measurement.measure(check_networks=0)
    measured = time.monotonic()
    predictor = train_predictor(space, table, measurement, amounts)
    trained = time.monotonic()
  measurement.finish()
  print("$ python -m nadv2_tf.benchmarks.studies.predictor", *sys.argv[1:])
  print(f"{datetime.date.today()}, {device.identity}")
  print(
    f"{space.network.name} at {table.facts['input_shape']}: table of {len(table.rows)} rows in "
    f"{measured - start:.0f} s; predictor of {amounts.summed} sums and {amounts.timed} timed "
    f"networks, with the timing of {amounts.held_out} others, in {trained - measured:.0f} s"
  )
  for name, title in (("held_out", "predictor"), ("table", "table")):
    print(error_line(title, predictor.facts, name))


def error_line(title: str, facts: dict[str, str], name: str) -> str:
  """The errors that `facts` have under `name`, as a line."""
  mean, median, p90, most = (
    float(facts[f"{name}_error_{kind}"]) for kind in ("mean", "median", "p90", "max")
  )
  return (
    f"{title:12s} {facts[f'{name}_networks']} networks, relative error: mean {mean:.1%}, median "
    f"{median:.1%}, p90 {p90:.1%}, max {most:.1%}; Spearman {facts[f'{name}_spearman']}"
  )


if __name__ == "__main__":
  define(NetworkOptions, "backbone", "image_size")
  define(SearchOptions, "device", "benchmark_binary", "benchmark_url", "num_threads", "cpu_mask")
  define(SearchOptions, "delegate")
  app.run(main)
