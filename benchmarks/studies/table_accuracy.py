"""How well a latency table predicts whole networks, beside how well a timing repeats itself.

  python -m nadv2_tf.benchmarks.studies.table_accuracy --backbone=netadaptv2_latency --image_size=96

Measures a table, then random networks spread evenly over the predicted range, each in two passes;
the passes are compared with the table and with each other.
"""

from __future__ import annotations

import datetime
import sys
import time
from typing import TYPE_CHECKING

from absl import app, flags

from nadv2_tf.benchmarks.tables.calibration import agreement
from nadv2_tf.benchmarks.tables.measurement import TableMeasurement
from nadv2_tf.benchmarks.tables.plan import networks_over_range
from nadv2_tf.benchmarks.timing.devices import open_device
from nadv2_tf.flags.define import define, read_space
from nadv2_tf.options import NetworkOptions, SearchOptions, TimingSettings

if TYPE_CHECKING:
  from collections.abc import Mapping

FLAGS = flags.FLAGS
NETWORKS = flags.DEFINE_integer("networks", 50, "How many whole networks are predicted.")
#: not among the seeds of the networks that the table itself is fitted to
NETWORKS_SEED = 1000


def agreement_line(title: str, found: Mapping[str, float]) -> str:
  return (
    f"{title:28s} median error {found['error_median']:.1%}, p90 {found['error_p90']:.1%}, "
    f"max {found['error_max']:.1%}, Spearman {found['spearman']:.4f}"
  )


def main(_: list[str]) -> None:
  space = read_space()
  settings = TimingSettings(FLAGS.num_threads, FLAGS.cpu_mask, FLAGS.delegate)
  with open_device(FLAGS.device, FLAGS.benchmark_binary, FLAGS.benchmark_url) as device:
    start = time.monotonic()
    table = TableMeasurement(space, device, settings).measure(check_networks=0)
    seconds = time.monotonic() - start
    specs = networks_over_range(space, NETWORKS.value, NETWORKS_SEED, table.measure)
    # Each pass by a measurement of its own, which keeps no numbers of the other.
    passes = [TableMeasurement(space, device, settings).networks(specs) for _ in range(2)]
  predicted = [table.measure(spec) for spec in specs]
  print("$ python -m nadv2_tf.benchmarks.studies.table_accuracy", *sys.argv[1:])
  print(f"{datetime.date.today()}, {device.identity}")
  print(
    f"{space.network.name} at {table.facts['input_shape']}: {len(table.rows)} rows in "
    f"{seconds:.0f} s; {len(specs)} networks of {min(passes[0]):.3g} to {max(passes[0]):.3g} ms"
  )
  print(agreement_line("table against first pass", agreement(predicted, passes[0])))
  print(agreement_line("table against second pass", agreement(predicted, passes[1])))
  print(agreement_line("first against second pass", agreement(*passes)))
  print("milliseconds predicted, in the first and in the second pass:")
  for row in zip(predicted, *passes, strict=True):
    print("".join(f"{value:10.4f}" for value in row))


if __name__ == "__main__":
  define(NetworkOptions, "backbone", "image_size")
  define(SearchOptions, "device", "benchmark_binary", "benchmark_url", "num_threads", "cpu_mask")
  define(SearchOptions, "delegate")
  app.run(main)
